"""The sub-tab "Batch" of img2img: the pictures of a folder, or those that were handed in, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from webui.checkpoints.catalog import Catalog
from webui.core.folder_batch import FolderBatch
from webui.core.request import GenerationRequest
from webui.errors import CheckpointNotFound, InvalidRequest, UnreadableImage
from webui.jobs.series_makers import AHEAD, Asked
from webui.jobs.series_store import Part, Series
from webui.jobs.store import Job
from webui.settings import Settings
from webui.storage.picture_folders import chosen_folder, infotext_of, picture_paths
from webui.storage.sources import SourceStore


def settled(script: FolderBatch, settings: Settings) -> FolderBatch:
    """The same with whole paths.

    Raises:
        InvalidRequest: a folder may not be used, or is not there.
    """
    changes: dict[str, Any] = {}
    for name in ("folder", "output_folder", "mask_folder", "png_info_folder"):
        if text := getattr(script, name).strip():
            changes[name] = str(chosen_folder(text, settings, name).resolve())
    script = replace(script, **changes)
    for name in ("mask_folder", "png_info_folder"):
        if getattr(script, name) and not picture_paths(Path(getattr(script, name)), name):
            raise InvalidRequest(name, f"There is no picture in {getattr(script, name)}.")
    if script.folder and script.folder == script.output_folder:
        raise InvalidRequest("output_folder", "The results would be taken for further pictures: choose another folder for them.")
    return script


class FolderMaker:
    """Reads each picture when its turn comes: one that cannot be read fails alone."""

    ahead, chained = AHEAD, False

    def __init__(self, sources: SourceStore, catalog: Catalog) -> None:
        self._sources, self._catalog = sources, catalog

    def parts(self, series: Series) -> list[Part]:
        script = _script(series)
        if script.pictures:
            listed = [(source.name, {"digest": source.digest, "infotext": source.infotext}) for source in script.pictures]
        elif script.folder:
            paths = picture_paths(Path(script.folder), "folder")
            listed = [(path.name, {"path": str(path), "stamp": _stamp(path)}) for path in paths]
        else:
            raise InvalidRequest("folder", "There are no pictures to work on: choose some, or type the folder that they are in.")
        if not listed:
            raise InvalidRequest("folder", f"There is no picture in {script.folder}.")
        return [Part(number, name, facts=facts) for number, (name, facts) in enumerate(listed, 1)]

    def request(self, series: Series, part: Part) -> tuple[Asked, bool]:
        script = _script(series)
        digest, text = self._source(script, part)
        request, (model, model_hash) = script.with_settings(series.request, text)
        request = replace(request, source=digest, mask=self._mask(script, part))
        if (model or model_hash) and (found := self._checkpoint(model_hash, model)):
            request = replace(request, checkpoint=found)
        return script.sized(request, self._sources.size(digest)), series.save

    def facts(self, series: Series, part: Part, job: Job) -> Mapping[str, Any]:
        return part.facts

    def put_together(self, series: Series, part: Part) -> tuple[Image.Image, GenerationRequest, Mapping[str, object]]:
        raise AssertionError("nothing of a batch is put together")

    def _source(self, script: FolderBatch, part: Part) -> tuple[str, str]:
        """The picture by digest, and what a file says of how it was made, where that is asked for."""
        if digest := part.facts.get("digest"):
            self._sources.size(digest)  # it is there
            text = part.facts["infotext"]
        else:
            path = Path(part.facts["path"])
            data = _read(path)
            digest = self._sources.put(data, part.name)
            text = infotext_of(data, part.name) if script.png_info and not script.png_info_folder else ""
        if script.png_info and script.png_info_folder:
            beside = _of_stem(Path(script.png_info_folder), part.name, "png_info_folder")
            text = infotext_of(_read(beside), beside.name) if beside else ""
        return digest, text

    def _mask(self, script: FolderBatch, part: Part) -> str | None:
        """As in A1111 a single file serves all."""
        if not script.mask_folder:
            return None
        folder = Path(script.mask_folder)
        paths = picture_paths(folder, "mask_folder")
        path = paths[0] if len(paths) == 1 else _of_stem(folder, part.name, "mask_folder")
        if path is None:
            raise UnreadableImage(f"{part.name} has no mask: there is no picture of that name in {folder}.")
        return self._sources.put(_read(path), f"the mask {path.name}")

    def _checkpoint(self, *names: str | None) -> str | None:
        """None where it is not here: the form's serves, as in A1111."""
        for name in filter(None, names):
            try:
                return self._catalog.find_checkpoint(name).name
            except CheckpointNotFound:
                continue
        return None


def stamp_of(part: Part) -> tuple[str, str]:
    """What tells whether a part is the same picture as that of another series."""
    return part.name, part.facts.get("stamp") or part.facts.get("digest") or ""


def _script(series: Series) -> FolderBatch:
    assert isinstance(series.script, FolderBatch)
    return series.script


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size}-{found.st_mtime_ns}"


def _of_stem(folder: Path, name: str, field: str) -> Path | None:
    stem = Path(name).stem
    return next((path for path in picture_paths(folder, field) if path.stem == stem), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"{path.name} cannot be read: {error.strerror or error}.") from error
