"""The tab Extras in the engine: what becomes of each source picture, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageOps

from webui.core.postprocessing import ExtrasRequest, ExtrasSource, Size
from webui.engine.protocol import Event, ImageDone, Progress, Run
from webui.errors import Cancelled, InvalidRequest, OutOfMemory, UnreadableImage
from webui.generation.control import JobControl, Skipped
from webui.plugins.loader import PluginManager
from webui.storage.sources import SourceStore
from webui.upscaling.enlarging import TileOptions, Upscalers
from webui.upscaling.tiles import OnTile

_FLIPS = (
    ("flip_horizontal", Image.Transpose.FLIP_LEFT_RIGHT),
    ("flip_vertical", Image.Transpose.FLIP_TOP_BOTTOM),
    ("flip_both", Image.Transpose.ROTATE_180),
)

#: Blocks of so many pixels are looked at for what is in them.
_BLOCK = 8

#: Between two parts of the work that are told.
_TELL_SECONDS = 0.1


class Teller:
    """Tells how far a job is, and leaves the work when told to."""

    def __init__(self, job_id: str, request: ExtrasRequest, emit: Callable[[Event], None], control: JobControl) -> None:
        self._job_id, self._request, self._emit, self._control = job_id, request, emit, control
        self._place, self._begun = 0, time.monotonic()
        self._last = float("-inf")

    def begin(self, place: int) -> None:
        """The source at that place is next."""
        self._place = place
        self._tell(0, 0)
        self._control.check()

    def on_tile(self, done: int, tiles: int) -> None:
        now = time.monotonic()
        if done == tiles or now - self._last >= _TELL_SECONDS:
            self._last = now
            self._tell(done, tiles)
        self._control.check()

    def _tell(self, done: int, tiles: int) -> None:
        sources, worked = len(self._request.sources), self._place + (done / tiles if tiles else 0)
        elapsed = time.monotonic() - self._begun
        self._emit(
            Progress(
                job_id=self._job_id,
                image=self._place,
                images=sources,
                step=done,
                steps=tiles,
                fraction=worked / sources,
                eta=elapsed / worked * (sources - worked) if worked else None,
                text=f"Enlarging, part {done} of {tiles}" if tiles else "Working on the picture",
            )
        )


@dataclass(frozen=True)
class Postprocessor:
    """Carries out requests of Extras.

    Args:
        make_room: gives back the memory of checkpoints.
    """

    upscalers: Upscalers
    sources: SourceStore
    plugins: PluginManager
    make_room: Callable[[], None] = lambda: None
    options: TileOptions = field(default_factory=TileOptions)

    def run(self, command: Run, request: ExtrasRequest, emit: Callable[[Event], None], control: JobControl) -> tuple[bool, int]:
        """Make what is missing of a job, source by source, telling of it by Progress and ImageDone.

        Returns:
            Whether it was stopped before its end, and how many results were skipped.

        Raises:
            WebUIError: it failed; results told of before are kept.
        """
        self._check(request)
        skipped, teller = 0, Teller(command.job_id, request, emit, control)
        for place, source in enumerate(request.sources):
            indices = range(first := request.first_index(place), first + request.results_of(source))
            if command.done.issuperset(indices):
                continue
            if control.stop_before_next:
                return True, skipped
            try:
                teller.begin(place)
                made = self.results(request, source, teller.on_tile)
            except Skipped:
                skipped += len(indices)
                continue
            except Cancelled:
                return True, skipped
            for index, picture in zip(indices, made, strict=True):
                if index not in command.done:
                    emit(ImageDone(command.job_id, index, picture.width, picture.height, picture.tobytes()))
            control.end_batch()
        return False, skipped

    def _check(self, request: ExtrasRequest) -> None:
        """Raise InvalidRequest for what no extension can do."""
        for name in ("gfpgan_visibility", "codeformer_visibility"):
            if getattr(request, name) and not self.plugins.implements("alter_extras_image"):
                raise InvalidRequest(name, "There is no extension that restores faces; set its visibility to 0.")

    def results(self, request: ExtrasRequest, source: ExtrasSource, on_tile: OnTile) -> list[Image.Image]:
        """What becomes of one source: RGB, or RGBA where the source has transparent places."""
        picture = self._open(source)
        picture = self._enlarged(request, picture, on_tile)
        picture = self.plugins.fold("alter_extras_image", picture, request=request)
        pieces = split(picture, request) if request.pieces((source.width, source.height)) > 1 else [cut(picture, request)]
        return [copy for piece in pieces for copy in copies(piece, request)]

    def _open(self, source: ExtrasSource) -> Image.Image:
        try:
            with Image.open(self.sources.path(source.digest)) as picture:
                return picture.copy()
        except OSError as error:
            raise UnreadableImage(f"“{source.name}” is no longer kept; choose it again.") from error

    def _enlarged(self, request: ExtrasRequest, picture: Image.Image, on_tile: OnTile) -> Image.Image:
        size = request.enlarged(picture.size)
        if request.upscaler_1 == "None" and size == picture.size:
            return picture
        names = [request.upscaler_1, *([request.upscaler_2] if request.blends else [])]
        made = [self._by(name, picture, size, _share(on_tile, place, len(names))) for place, name in enumerate(names)]
        larger = made[0] if len(made) == 1 else Image.blend(made[0], made[1], request.upscaler_2_visibility)
        if picture.mode == "RGBA":
            larger.putalpha(picture.getchannel("A").resize(size, Image.Resampling.LANCZOS))
        return larger

    def _by(self, name: str, picture: Image.Image, size: Size, on_tile: OnTile) -> Image.Image:
        pixels = np.asarray(picture.convert("RGB"))
        try:
            return Image.fromarray(self.upscalers.enlarge(pixels, name, size, self.options, on_tile))
        except OutOfMemory:
            self.make_room()
        return Image.fromarray(self.upscalers.enlarge(pixels, name, size, self.options, on_tile))


def _share(on_tile: OnTile, place: int, count: int) -> OnTile:
    """Tiles of one of several models, told as parts of the whole."""
    return lambda done, tiles: on_tile(place * tiles + done, count * tiles)


# ---- what is cut


def cut(picture: Image.Image, request: ExtrasRequest) -> Image.Image:
    """The part of a picture that the box keeps: its middle, or where most is."""
    if not request.cuts_to_box:
        return picture
    width, height = request.box
    if not request.focal_crop:
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        return picture.crop((left, top, left + width, top + height))
    interest = interest_of(picture, request.focal_entropy, request.focal_edges)
    left = best_place(interest.sum(axis=0), picture.width, width)
    top = best_place(interest.sum(axis=1), picture.height, height)
    return picture.crop((left, top, left + width, top + height))


def split(picture: Image.Image, request: ExtrasRequest) -> list[Image.Image]:
    """Pieces of the box's size along the picture's longer side, evenly placed; neighbours overlap as asked for, or more."""
    width, height = request.box
    count = request.pieces_of(picture.size)
    upright = picture.height / height > picture.width / width
    spare = picture.height - height if upright else picture.width - width
    across = (picture.width - width) // 2 if upright else (picture.height - height) // 2
    places = [round(place * spare / max(count - 1, 1)) for place in range(count)]
    corners = [(across, place) if upright else (place, across) for place in places]
    return [picture.crop((left, top, left + width, top + height)) for left, top in corners]


def copies(picture: Image.Image, request: ExtrasRequest) -> Iterator[Image.Image]:
    """The picture, and the mirrored ones that are asked for."""
    yield picture
    for name, how in _FLIPS:
        if getattr(request, name):
            yield picture.transpose(how)


def interest_of(picture: Image.Image, entropy: float, edges: float) -> np.ndarray:
    """How much there is to see in each block of a picture, as a table of rows and columns.

    Entropy is that of the block's brightness in 16 steps, edges the mean difference of neighbours; both scaled to 1 at most.
    """
    grey = ImageOps.grayscale(picture.convert("RGB"))
    across, down = max(1, grey.width // _BLOCK), max(1, grey.height // _BLOCK)
    grey = grey.resize((across * _BLOCK, down * _BLOCK), Image.Resampling.BOX)
    pixels = np.asarray(grey, np.float32)
    steps = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])) + np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:]))
    edge_map = _blocks(steps).mean(axis=-1)
    levels = (_blocks(pixels) // 16).astype(np.int64)
    shares = np.stack([(levels == level).mean(axis=-1) for level in range(16)])
    entropy_map = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=0)
    return entropy * _scaled(entropy_map) + edges * _scaled(edge_map)


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """(height, width) → (rows, columns, pixels of a block)."""
    rows, columns = pixels.shape[0] // _BLOCK, pixels.shape[1] // _BLOCK
    return pixels.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3).reshape(rows, columns, -1)


def _scaled(values: np.ndarray) -> np.ndarray:
    most = values.max()
    return values / most if most > 0 else values


def best_place(interest: np.ndarray, length: int, window: int) -> int:
    """Where a window along an axis of `length` pixels sees most; of equal places the one nearest to the middle."""
    spare = length - window
    if spare <= 0:
        return 0
    block = length / len(interest)
    sums = np.concatenate([[0.0], np.cumsum(interest)])
    edges = np.arange(len(sums)) * block
    begins = np.arange(spare + 1)
    seen = np.interp(begins + window, edges, sums) - np.interp(begins, edges, sums)
    best = np.flatnonzero(seen >= seen.max() - 1e-6)
    return int(best[np.argmin(np.abs(best - spare / 2))])
