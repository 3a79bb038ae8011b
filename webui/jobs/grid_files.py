"""Grids of pictures as files: in the format and the folder that a person chose for them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from webui.core.request import GenerationRequest
from webui.errors import SaveFailed
from webui.jobs.naming import folder_of
from webui.storage.encoding import encode_anew
from webui.storage.images import write_new, write_synced
from webui.storage.name_patterns import NameFacts
from webui.storage.saving_preferences import SavingPreferences

_BLOCK = 1 << 20


def write_grid(chunks: Iterable[bytes], request: GenerationRequest, chosen: SavingPreferences, outputs: Path, base: str) -> Path:
    """Write a grid and return its file. One that is too large for its format becomes a PNG.

    Args:
        chunks: of a PNG file that carries the infotext; the whole is never in memory where PNG is what is wanted.
        request: of its first picture.
        base: what its name begins with.

    Raises:
        SaveFailed: with the path and the reason.
    """
    root = outputs / f"{request.kind}-grids"
    folder = folder_of(root, NameFacts(request=request), chosen) if chosen.grid_save_to_dirs else root
    staging, name = outputs / ".writing", str(max(request.seed, 0))
    if chosen.grid_format == "png":
        return write_new(folder, name, chunks, staging=staging, base=base)
    with _as_file(chunks, staging) as png:
        made = encode_anew(png, chosen.grid_format, quality=chosen.jpeg_quality, lossless=chosen.webp_lossless)
        if made is None:
            return write_new(folder, name, _blocks(png), staging=staging, base=base)
        return write_new(folder, name, made.data, staging=staging, base=base, ending=made.ending, text=made.sidecar)


@contextlib.contextmanager
def _as_file(chunks: Iterable[bytes], staging: Path) -> Iterator[Path]:
    path = staging / f"{secrets.token_hex(8)}.tmp"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        write_synced(path, chunks)
        yield path
    except OSError as error:
        raise SaveFailed(f"The grid could not be written in {staging}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
