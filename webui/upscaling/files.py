"""Which upscalers there are: the built-in filters, and the files of models. Standard library only; of a file only its beginning
is read."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.checkpoints.catalog import free_name
from webui.checkpoints.pickled import PICKLED, read_any_header
from webui.checkpoints.scan import file_size, model_files, natural_key
from webui.core.fields.hires import PIXEL_UPSCALERS
from webui.core.params import suggest
from webui.errors import InvalidRequest, UnsupportedCheckpoint

#: What A1111 calls the models that it downloads itself, and the files that they are in circulation as.
_PEER_NAMES: Mapping[str, tuple[str, ...]] = {
    "R-ESRGAN 4x+": ("RealESRGAN_x4plus",),
    "R-ESRGAN 4x+ Anime6B": ("RealESRGAN_x4plus_anime_6B",),
    "R-ESRGAN 2x+": ("RealESRGAN_x2plus",),
    "R-ESRGAN General 4xV3": ("realesr-general-x4v3",),
    "R-ESRGAN General WDN 4xV3": ("realesr-general-wdn-x4v3",),
    "R-ESRGAN AnimeVideo": ("realesr-animevideov3",),
    "SwinIR 4x": ("SwinIR_4x", "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN"),
    "ScuNET GAN": ("ScuNET", "scunet_color_real_gan"),
    "ScuNET PSNR": ("ScuNET PSNR", "scunet_color_real_psnr"),
    "DAT x2": ("DAT_x2",),
    "DAT x3": ("DAT_x3",),
    "DAT x4": ("DAT_x4",),
}

#: "4x-UltraSharp", "RealESRGAN_x2plus", "1x_DeJPEG".
_SCALE = re.compile(r"(?:^|[^a-z0-9])(?:x([1-8])|([1-8])x)", re.IGNORECASE)
_USUAL_SCALE = 4

#: How files begin that PyTorch wrote before 1.6: a pickle of its magic number.
_OLD_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

#: A look at the folders serves so long (seconds), unless another is asked for.
_FRESH = 2.0


@dataclass(frozen=True)
class UpscalerInfo:
    """An upscaler as listed.

    Args:
        path: None for a built-in filter, and for one of an extension.
        scale: by which a model enlarges, as its name tells; what it really is stands in the file. 4 where nothing tells it.
        problem: says in words, to go after the file's name, why it cannot be used (None: it can).
    """

    name: str
    path: Path | None = None
    size: int = 0
    scale: int = _USUAL_SCALE
    problem: str | None = None


BUILT_IN = tuple(UpscalerInfo(name) for name in PIXEL_UPSCALERS)


class UpscalerFiles:
    """The built-in upscalers and those in some folders. Thread-safe; front and engine each have their own."""

    def __init__(self, folders: Iterable[Path] = (), added: Callable[[], Iterable[str]] = tuple) -> None:
        """
        Args:
            added: the names of those that extensions add.
        """
        self._folders, self._names_added = tuple(folders), added
        self._lock = threading.Lock()
        self._inspected: dict[tuple[Path, int, float], str | None] = {}
        self._models: list[UpscalerInfo] = []
        self._looked = -math.inf

    def all(self) -> list[UpscalerInfo]:
        """The built-in ones, those of extensions, then the models by name; those with a `problem` cannot be used."""
        with self._lock:
            if time.monotonic() - self._looked > _FRESH:
                self._look()
            return [*self._without_files(), *self._models]

    def refresh(self) -> None:
        """Look at the folders again."""
        with self._lock:
            self._look()

    def names(self) -> tuple[str, ...]:
        """Of those that can be used."""
        return tuple(info.name for info in self.all() if info.problem is None)

    def find(self, name: str, field: str = "upscaler", others: Iterable[str] = ()) -> UpscalerInfo:
        """The one of that name; A1111's names of well-known models find their files, and letters' case does not count.

        Args:
            field: of the request that holds the name.
            others: names that may be suggested too.

        Raises:
            InvalidRequest: there is none, or it cannot be used.
        """
        infos = self.all()
        wanted = [text.casefold() for text in (name, *_PEER_NAMES.get(name, ()))]
        by_name = {info.name.casefold(): info for info in reversed(infos)}
        by_stem = {info.name.rpartition("/")[2].casefold(): info for info in reversed(infos)}
        found = next((table[text] for table in (by_name, by_stem) for text in wanted if text in table), None)
        if found is None:
            known = (*others, *(info.name for info in infos if info.problem is None))
            raise InvalidRequest(field, f"There is no upscaler “{name:.80}”. {suggest(name, known)} {_PLACE}")
        if found.problem:
            raise InvalidRequest(field, f"The upscaler “{found.name}” cannot be used: its file {found.problem}.")
        return found

    def _without_files(self) -> list[UpscalerInfo]:
        return [*BUILT_IN, *map(UpscalerInfo, self._names_added())]

    def _look(self) -> None:
        before, self._inspected = self._inspected, {}
        found: dict[str, UpscalerInfo] = {info.name.casefold(): info for info in self._without_files()}
        seen: set[Path] = set()
        for folder in self._folders:
            for path in model_files(folder):
                if path in seen or path.is_dir():
                    continue
                seen.add(path)
                key = path, *_stamp(path)
                problem = self._inspected[key] = before[key] if key in before else problem_of(path)
                name = free_name(folder, path, found)
                found[name.casefold()] = UpscalerInfo(name, path, file_size(path), scale_of(path.stem), problem)
        self._models = sorted((info for info in found.values() if info.path), key=lambda info: natural_key(info.name))
        self._looked = time.monotonic()


_PLACE = "Files of models belong into models/ESRGAN."


def _stamp(path: Path) -> tuple[int, float]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0.0
    return status.st_size, status.st_mtime


def scale_of(stem: str) -> int:
    """By which factor a model enlarges, as people write it into its file's name."""
    found = _SCALE.search(stem)
    return int(found[1] or found[2]) if found else _USUAL_SCALE


def problem_of(path: Path) -> str | None:
    """What is wrong with a file, as far as its header tells."""
    try:
        header = read_any_header(path)
    except UnsupportedCheckpoint as error:
        return None if path.suffix.lower() in PICKLED and _is_old_pickle(path) else str(error)
    return None if header.tensors else "holds no weights"


def _is_old_pickle(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_OLD_PICKLE)) == _OLD_PICKLE
    except OSError:
        return False
