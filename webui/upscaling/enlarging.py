"""Enlarging pictures by name, to an exact size, with as little memory as there is."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.memory import Device
from webui.errors import OutOfMemory
from webui.upscaling.files import UpscalerFiles, UpscalerInfo
from webui.upscaling.loading import UpscalerModel, load_upscaler
from webui.upscaling.tiles import OnTile, run_in_tiles, tile_count

#: (height, width, 3), uint8.
Pixels = np.ndarray

#: By name. None is no model, and Lanczos makes up for it.
_FILTERS = {"None": Image.Resampling.LANCZOS, "Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}

#: A model is run again on its own result until it is large enough, but not more often than this.
_RUNS = 3

#: Tiles are not made smaller than this, in pixels.
_SMALLEST = 32

#: Loaded models that are kept: the two that Extras blends.
_KEPT = 2


@dataclass(frozen=True)
class TileOptions:
    """Both in pixels of the picture that is enlarged; a side of 0: all of it at once."""

    side: int = 192
    overlap: int = 8


@dataclass(frozen=True)
class Run:
    """A model once over a picture of that size; width and height."""

    size: tuple[int, int]
    tiles: int


def runs_of(size: tuple[int, int], target: tuple[int, int], scale: int, options: TileOptions) -> list[Run]:
    """How often a model is run: until both sides reach the target, three times at most; one that does not enlarge, once."""
    runs: list[Run] = []
    width, height = size
    while len(runs) < _RUNS and ((not runs and scale == 1) or width < target[0] or height < target[1]):
        side = options.side or max(width, height)
        runs.append(Run((width, height), tile_count(width, height, side, options.overlap)))
        if scale == 1:
            break
        width, height = width * scale, height * scale
    return runs


def by_filter(pixels: Pixels, name: str, size: tuple[int, int], on_tile: OnTile | None = None) -> Pixels:
    """A picture of exactly that size (width, height) by a built-in upscaler; Lanczos for any other name.

    It is done at once: `on_tile`, as models have it, is never told.
    """
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, _FILTERS.get(name, Image.Resampling.LANCZOS)))


class Upscalers:
    """In the engine: runs the upscalers of some folders on a device, and keeps the models that were used last.

    Args:
        is_out_of_memory: whether an error says that memory ran out.
    """

    def __init__(self, files: UpscalerFiles, device: Device, is_out_of_memory: Callable[[BaseException], bool]) -> None:
        self._files, self._device, self._is_out_of_memory = files, device, is_out_of_memory
        self._models: OrderedDict[Path, tuple[float, UpscalerModel]] = OrderedDict()
        #: Told of each file that is read: its name and its size in bytes.
        self.on_loading: Callable[[str, int], None] = lambda name, size: None
        #: What an extension's upscaler does, by name: an RGB picture and the wanted size → a picture of any size.
        self.added: Callable[[str], Callable[[Image.Image, tuple[int, int]], Image.Image] | None] = lambda name: None

    def release(self) -> None:
        """Give back the memory of all models."""
        self._models.clear()
        self._device.release()

    def state(self, name: str, options: TileOptions) -> Hashable:
        """Changes when what `enlarge` gives does. Raise InvalidRequest: there is no upscaler of that name."""
        info = self._files.find(name)
        return (info.path, stamp(info.path), options) if info.path else info.name

    def enlarge(
        self, pixels: Pixels, name: str, size: tuple[int, int], options: TileOptions, on_tile: OnTile = lambda *_: None
    ) -> Pixels:
        """A picture of exactly that size (width, height), by the upscaler of that name.

        What a model makes larger or smaller than asked for is brought to the size by Lanczos. `on_tile` is told (tiles done,
        tiles in all) before and after each part of a model's work, and raises to stop it.

        Raises:
            InvalidRequest: there is no upscaler of that name.
            UnsupportedCheckpoint: its file cannot be used.
            OutOfMemory: not even small tiles find room.
        """
        info = self._files.find(name)
        if (added := self.added(info.name)) is not None:
            pixels = np.asarray(added(Image.fromarray(pixels), size))
        elif info.path is not None:
            pixels = self._by_model(pixels, info, size, options, on_tile)
        return by_filter(pixels, info.name, size)

    def _by_model(
        self, pixels: Pixels, info: UpscalerInfo, size: tuple[int, int], options: TileOptions, on_tile: OnTile
    ) -> Pixels:
        model = self._model(info)
        if not model.takes_tiles:
            options = TileOptions(0)
        runs = runs_of((pixels.shape[1], pixels.shape[0]), size, model.scale, options)
        total, before = sum(run.tiles for run in runs), 0
        if runs:
            on_tile(0, total)  # a tile may take long, and what was told before is no longer true
        for run in runs:
            first = before

            def told(done: int, tiles: int, first: int = first, run: Run = run) -> None:
                # Smaller tiles, once memory ran out, are parts of those that were counted.
                on_tile(first + math.floor(done / tiles * run.tiles), total)

            pixels = self._once(model, pixels, options, told)
            before += run.tiles
        return pixels

    @torch.inference_mode()
    def _once(self, model: UpscalerModel, pixels: Pixels, options: TileOptions, on_tile: OnTile) -> Pixels:
        """Halve the tiles each time that memory runs out."""
        side = options.side or max(pixels.shape[:2])
        while True:
            try:
                return run_in_tiles(model, pixels, model.scale, side, options.overlap, on_tile)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not self._is_out_of_memory(error):
                    raise
                smaller = min(side, max(pixels.shape[:2])) // 2
            self._device.release()
            if smaller < _SMALLEST or not model.takes_tiles:
                raise OutOfMemory(self._too_little(model, side))
            side = smaller

    def _too_little(self, model: UpscalerModel, side: int) -> str:
        total, free = self._device.figures()
        return (
            f"Memory ran out while enlarging by {model.name}, also in parts of {side} × {side} pixels: "
            f"{free / 2**30:.1f} of {total / 2**30:.1f} GB were free. Close other programs that use it, or take a smaller model."
        )

    def _model(self, info: UpscalerInfo) -> UpscalerModel:
        path = info.path
        assert path is not None, "filters have no model"
        written = path.stat().st_mtime if path.exists() else 0.0
        held = self._models.pop(path, None)
        if held is None or held[0] != written:
            self.on_loading(info.name, info.size)
            held = written, load_upscaler(path, self._device.torch)
        self._models[path] = held
        while len(self._models) > _KEPT:
            self._models.popitem(last=False)
        return held[1]
