"""The tab Extras in the engine: what becomes of each source picture, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from webui.core.postprocessing import ExtrasRequest, ExtrasSource, Size
from webui.engine.protocol import Event, ImageDone, Notice, Progress, Run
from webui.errors import Cancelled, InvalidRequest, OutOfMemory, UnreadableImage
from webui.generation.control import JobControl, Skipped
from webui.generation.cutting import auto_sized, copies, cut, split
from webui.plugins.loader import PluginManager
from webui.storage.sources import SourceStore
from webui.upscaling.enlarging import TileOptions, Upscalers
from webui.upscaling.tiles import OnTile

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

    def say(self, text: str) -> None:
        self._emit(Notice(text, self._job_id))

    def on_tile(self, done: int, tiles: int) -> None:
        now = time.monotonic()
        if done in (0, tiles) or now - self._last >= _TELL_SECONDS:
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
                text=f"Enlarging, part {min(done + 1, tiles)} of {tiles}" if tiles else "Working on the picture",
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
                made = self.results(request, source, teller)
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

    def results(self, request: ExtrasRequest, source: ExtrasSource, teller: Teller) -> list[Image.Image]:
        """What becomes of one source: RGB, or RGBA where the source has transparent places."""
        picture = self._open(source)
        picture = self._enlarged(request, picture, teller.on_tile)
        picture = self.plugins.fold("alter_extras_image", picture, request=request)
        pieces = split(picture, request) if request.pieces((source.width, source.height)) > 1 else [cut(picture, request)]
        if request.auto_size:
            pieces = [self._auto_sized(request, piece, source, teller) for piece in pieces]
        return [copy for piece in pieces for copy in copies(piece, request)]

    def _auto_sized(self, request: ExtrasRequest, piece: Image.Image, source: ExtrasSource, teller: Teller) -> Image.Image:
        found = auto_sized(piece, request)
        if found is None:
            teller.say(
                f"“{source.name or 'The picture'}” stays {piece.width}×{piece.height}: no size of “Auto-sized crop” has about "
                "its proportions. Raise the error threshold or the bounds."
            )
        return found or piece

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
