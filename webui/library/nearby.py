"""Installations of other programs that lie nearby, whose models can be used where they lie. Standard library only.

They are offered, not taken: the person's answer is kept in `other-programs.toml` in the data folder. The search looks at the
names in a few folders and no deeper, so it takes milliseconds.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from webui.checkpoints.scan import SUFFIXES
from webui.errors import ModelNotFound, WebUIError
from webui.library.folders import KINDS, Folders, Kind, a1111_folders, comfyui_folders, folders_of, joined
from webui.settings import BUNDLED_MODELS, Settings
from webui.storage.toml_file import TomlFile

log = logging.getLogger(__name__)

#: Names that are looked at in one folder, and files that are counted of one installation: what lies beyond is not searched.
_NAMES, _FILES = 400, 5_000

#: Archives of these programs have a folder around the program's own.
_INNER = ("", "webui", "ComfyUI")

_PROGRAMS: Mapping[str, tuple[str, Callable[[Path], Folders]]] = {
    "A1111": ("models/Stable-diffusion", a1111_folders),
    "ComfyUI": ("models/checkpoints", comfyui_folders),
}

_STARTER = "starter.safetensors"  # comes with every copy of this program


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An installation, and how many models of each kind it holds. `program`: "A1111" (also of Forge) or "ComfyUI"."""

    home: Path
    program: str
    counts: Mapping[Kind, int]


def with_neighbours(settings: Settings) -> Settings:
    """The settings with the folders of those installations that a person chose to use; one that is gone is passed over."""
    used = joined(found for home in _paths(_read(TomlFile(_file(settings))), "used") if (found := _folders(home)))
    return replace(
        settings,
        checkpoint_dirs=(*settings.checkpoint_dirs, *used["checkpoint"]),
        vae_dirs=(*settings.vae_dirs, *used["vae"]),
        lora_dirs=(*settings.lora_dirs, *used["lora"]),
        embedding_dirs=(*settings.embedding_dirs, *used["embedding"]),
        hypernetwork_dirs=(*settings.hypernetwork_dirs, *used["hypernetwork"]),
        upscaler_dirs=(*settings.upscaler_dirs, *used["upscaler"]),
    )


def usual_places(settings: Settings) -> list[Path]:
    """Folders in which people keep such programs: beside this one and its data, in the home folder and at the drive's root."""
    program = BUNDLED_MODELS.parent
    places = [program.parent, settings.data_dir.parent]
    try:
        places.append(Path.home())
    except RuntimeError:
        pass  # nobody's home, as under some services
    if os.name == "nt":
        places.append(Path(program.anchor))
    return list(dict.fromkeys(place.absolute() for place in places))


class Neighbours:
    """Thread-safe."""

    def __init__(self, settings: Settings, places: Iterable[Path] | None = None) -> None:
        """`places`: the folders that are searched, in place of the usual ones."""
        self._settings = settings
        self._places = usual_places(settings) if places is None else list(places)
        self._file = TomlFile(_file(settings))
        self._table = _read(self._file)
        self._lock = threading.Lock()

    def used(self) -> list[Path]:
        """Those whose models are used, from the next start at the latest."""
        return _paths(self._table, "used")

    def declined(self) -> list[Path]:
        """Those about which nothing more is to be asked."""
        return _paths(self._table, "declined")

    def find(self) -> list[Neighbour]:
        """Those with models that are not used yet, by their paths."""
        in_use = {os.path.realpath(folder) for kind in KINDS for folder in folders_of(self._settings, kind)}
        chosen = {os.path.realpath(home) for home in self.used()}
        found: dict[str, Neighbour] = {}
        for place in self._places:
            for home, program in _installations(place):
                real = os.path.realpath(home)
                if real in found or real in chosen or not (folders := _folders(home)):
                    continue
                unused = _without(folders, in_use)
                if unused["checkpoint"] and (counts := _counted(unused)):
                    found[real] = Neighbour(home, program, counts)
        return sorted(found.values(), key=lambda each: each.home)

    def answer(self, home: str, use: bool) -> None:
        """Use the models of an installation from the next start on, or ask no more about it.

        Raises:
            ModelNotFound: it is none of those that were found or answered before.
            SaveFailed: it could not be kept.
        """
        path = Path(home)
        with self._lock:
            if path not in (*self.used(), *self.declined(), *(each.home for each in self.find())):
                raise ModelNotFound(
                    f"No installation of A1111, Forge or ComfyUI was found at “{home:.300}”. "
                    "Start the program with --a1111-home or --comfyui-home to use one that lies elsewhere."
                )
            table = {name: [str(each) for each in _paths(self._table, name) if each != path] for name in ("used", "declined")}
            table["used" if use else "declined"].append(str(path))
            self._file.write(table)
            self._table = table


def _file(settings: Settings) -> Path:
    return settings.data_dir / "other-programs.toml"


def _read(file: TomlFile) -> dict[str, Any]:
    table = file.read()
    if file.problem:
        log.warning(file.problem)
    return table


def _paths(table: Mapping[str, Any], name: str) -> list[Path]:
    listed = table.get(name)
    return [Path(text) for text in listed if isinstance(text, str)] if isinstance(listed, list) else []


def _installations(place: Path) -> Iterator[tuple[Path, str]]:
    for name in _names_in(place):
        for inner in _INNER:
            home = place / name / inner
            for program, (sign, _) in _PROGRAMS.items():
                if os.path.isdir(home / sign):  # Path.is_dir raises for a folder that is another user's
                    yield home, program


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _NAMES) if not entry.name.startswith(".") and _is_folder(entry))
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _folders(home: Path) -> Folders | None:
    """None where no such program lies there any more."""
    parts: list[Folders] = []
    for _, read in _PROGRAMS.values():
        try:
            parts.append(read(home))
        except (WebUIError, OSError):
            continue
    return joined(parts) if parts else None


def _without(folders: Folders, in_use: Container[str]) -> Folders:
    """Programs may share folders, as by links or ComfyUI's extra_model_paths.yaml. `in_use`: real paths."""
    return {kind: [path for path in paths if os.path.realpath(path) not in in_use] for kind, paths in folders.items()}


def _counted(folders: Folders) -> dict[Kind, int]:
    left = _FILES
    counts: dict[Kind, int] = {}
    for kind in ("checkpoint", "lora", "vae", "embedding"):
        names = list(islice((name for folder in folders[kind] for name in _model_names(folder)), left))
        left -= len(names)
        if count := sum(name != _STARTER for name in names):
            counts[kind] = count
    return counts


def _model_names(folder: Path) -> Iterator[str]:
    """Also those one folder deeper, where people sort them."""
    for place in (folder, *(folder / name for name in _names_in(folder))):
        try:
            with os.scandir(place) as entries:
                yield from (entry.name for entry in islice(entries, _FILES) if entry.name.lower().endswith(SUFFIXES))
        except OSError:
            continue
