"""What lies beside a model file under its name, as A1111's users have it: notes and a preview picture."""

from __future__ import annotations

import os
from pathlib import Path

from webui.errors import SaveFailed
from webui.storage.replacing import replacing

PREVIEW_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")

#: A description, in the order in which they count where the notes have none; both of A1111's.
DESCRIPTIONS = (".txt", ".description.txt")
NOTED = (".json", *DESCRIPTIONS)


def beside(model: Path, ending: str) -> Path:
    """`anime.v1.safetensors` → `anime.v1<ending>`; for a diffusers folder, beside the folder."""
    return model.with_name((model.name if model.is_dir() else model.stem) + ending)


def find_preview(model: Path) -> Path | None:
    """The preview picture: `<stem>.preview.png` and the like goes before `<stem>.png`, because it was set by hand."""
    for middle in (".preview", ""):
        for suffix in PREVIEW_SUFFIXES:
            path = beside(model, middle + suffix)
            if path.is_file():
                return path
    return None


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content, whole or not at all. Raise SaveFailed with path and reason."""
    try:
        with replacing(path, data) as written:
            if os.name == "posix":
                written.chmod(0o666 & ~_umask())
    except OSError as error:
        raise SaveFailed(f"{path} could not be written: {error.strerror or error}.") from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
