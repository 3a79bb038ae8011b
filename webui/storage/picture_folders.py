"""Folders of pictures on this machine, as the tab Extras works through them."""

from __future__ import annotations

from pathlib import Path

from webui.core.postprocessing import ExtrasSource
from webui.errors import InvalidRequest, UnreadableImage
from webui.settings import Settings
from webui.storage.metadata import read_infotext
from webui.storage.sources import SourceStore

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")

#: Addresses that nobody but the user of this machine reaches.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def chosen_folder(text: str, settings: Settings, field: str) -> Path:
    """The folder that a person named.

    One that others can reach over a network may name folders inside the data folder alone.

    Raises:
        InvalidRequest: with `field`, where it may not be used.
    """
    try:
        folder = Path(text).expanduser()
        folder = folder if folder.is_absolute() else settings.data_dir / folder
        inside = folder.resolve().is_relative_to(settings.data_dir.resolve())
    except (RuntimeError, ValueError, OSError) as error:  # of a person who is not known, with a NUL, round in a circle
        raise InvalidRequest(field, f"The folder {text!r:.80} cannot be used: {error}.") from error
    if not inside and settings.host not in _LOOPBACK:
        raise InvalidRequest(
            field,
            f"{folder} lies outside {settings.data_dir}; while the page can be reached from other machines, "
            "only folders in there can be used.",
        )
    return folder


def picture_paths(folder: Path, field: str) -> list[Path]:
    """The files of a folder that are called as pictures are, by name. Raise InvalidRequest, with `field`, if it is not read."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise InvalidRequest(field, f"The folder {folder} cannot be read: {error.strerror or error}.") from error


def read_pictures(folder: Path, sources: SourceStore, field: str) -> tuple[list[ExtrasSource], list[str]]:
    """The pictures of a folder by name, and a sentence for each file that cannot be used.

    Raises:
        InvalidRequest: with `field`, if the folder cannot be read or holds no picture.
    """
    found: list[ExtrasSource] = []
    problems: list[str] = []
    for path in picture_paths(folder, field):
        try:
            found.append(keep_picture(path.read_bytes(), path.name, sources))
        except (UnreadableImage, OSError) as error:
            problems.append(str(error))
    if not found:
        raise InvalidRequest(field, f"There is no picture that can be read in {folder}. {' '.join(problems[:3])}".strip())
    return found, problems


def keep_picture(data: bytes, name: str, sources: SourceStore) -> ExtrasSource:
    """A picture's file as a source, with what it says of how it was made. Raise UnreadableImage."""
    digest = sources.put(data, name or "The picture")
    return ExtrasSource(digest=digest, name=Path(name).stem, infotext=infotext_of(data, name))


def infotext_of(data: bytes, name: str) -> str:
    """ "" where the file says nothing, or is of a format that holds nothing."""
    try:
        return read_infotext(data, name).infotext or ""
    except UnreadableImage:
        return ""
