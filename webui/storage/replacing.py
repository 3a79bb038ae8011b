"""Files that are written whole: what a crash or a full disk leaves is the old content or the new."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, data: bytes) -> Iterator[Path]:
    """Write what the file is to hold beside it, and put it into its place when the block ends.

    The block is given the path of what was written, which is for its owner alone unless the block allows others more.

    Raises:
        OSError: it could not be written; the file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".saving-")
    temporary = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
