"""What each script is made of: its parts, the request of each when its turn comes, and what is put together at the end."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from PIL import Image

from webui.core.loopback import Loopback, loop_request
from webui.core.postprocessing import ExtrasRequest
from webui.core.prompt_lines import PromptLines, WithStyles
from webui.core.prompt_matrix import PromptMatrix, matrix_titles
from webui.core.request import GenerationRequest
from webui.core.sd_upscale import SDUpscale, tile_request, tiling_of
from webui.core.series import requests_of
from webui.errors import JobNotFound
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.series_store import Part, PartState, Series
from webui.jobs.store import Job, JobStore
from webui.storage.grids import Layout, grid_chunks
from webui.storage.joining import joined
from webui.storage.sources import SourceStore

Asked = GenerationRequest | ExtrasRequest

#: Parts of scripts whose requests come one after the other that have jobs at the same time: one runs, one waits.
AHEAD = 2
_ALL = 1_000_000

#: Kinds of parts that are no job of the engine: they are put together here when all before them is done.
GRID, WHOLE = "grid", "whole"
MADE_HERE = (GRID, WHOLE)

#: Kinds of parts that must be done before the next one begins.
ENLARGING = "enlarging"
ALONE = (ENLARGING,)


class Maker(Protocol):
    """How a script works.

    Args:
        ahead: how many parts have jobs at the same time.
        chained: a part that cannot be made leaves nothing for the others to begin with.
    """

    ahead: int
    chained: bool

    def parts(self, series: Series) -> list[Part]:
        """All of them, numbered from 1. Raise InvalidRequest where it cannot be done."""
        ...

    def request(self, series: Series, part: Part) -> tuple[Asked, bool]:
        """What makes a part whose turn has come, and whether its pictures are kept. Raise WebUIError: this one cannot be made."""
        ...

    def facts(self, series: Series, part: Part, job: Job) -> Mapping[str, Any]:
        """What must be known of a finished part later."""
        ...

    def put_together(self, series: Series, part: Part) -> tuple[Image.Image, GenerationRequest, Mapping[str, object]]:
        """A part of the kinds `MADE_HERE`: picture, request, further infotext entries."""
        ...


@dataclass(frozen=True)
class Tools:
    """What makers work with."""

    jobs: JobStore
    dispatcher: Dispatcher
    sources: SourceStore

    def result(self, part: Part) -> bytes:
        """The first picture of a part. Raise JobNotFound."""
        if part.job_id is None or not (pictures := self.jobs.get(part.job_id).pictures):
            raise JobNotFound(f"There is no picture of “{part.name}”.")
        return self.dispatcher.picture_bytes(pictures[0])

    def kept(self, part: Part) -> str:
        """The digest of a part's first picture, which is kept as a source from now on."""
        return self.sources.put(self.result(part), part.name)

    def opened(self, digest: str) -> Image.Image:
        """A source as RGB; what is transparent is white."""
        with Image.open(self.sources.path(digest)) as picture:
            picture.load()
        if not picture.has_transparency_data:
            return picture.convert("RGB")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


class KnownBeforehand:
    """Prompt matrix, prompts from lines: all jobs wait from the beginning."""

    ahead, chained = _ALL, False

    def __init__(self, tools: Tools, with_styles: WithStyles | None = None) -> None:
        self._tools, self._with_styles = tools, with_styles

    def parts(self, series: Series) -> list[Part]:
        script = series.script
        assert isinstance(script, PromptMatrix | PromptLines)
        made = requests_of(script, series.request, self._with_styles)
        parts = [
            Part(number, each.request.prompt[:200], facts={"request": each.request.to_dict(), "save": each.save})
            for number, each in enumerate(made, 1)
        ]
        return [*parts, Part(len(parts) + 1, "grid", GRID)] if isinstance(script, PromptMatrix) else parts

    def request(self, series: Series, part: Part) -> tuple[Asked, bool]:
        return GenerationRequest.from_dict(part.facts["request"]), series.save and part.facts["save"]

    def facts(self, series: Series, part: Part, job: Job) -> Mapping[str, Any]:
        return {}

    def put_together(self, series: Series, part: Part) -> tuple[Image.Image, GenerationRequest, Mapping[str, object]]:
        script, pictures = series.script, [each for each in series.parts if each.kind != GRID]
        assert isinstance(script, PromptMatrix)
        titles = matrix_titles(script, series.request)
        columns = len(titles[0])
        found = [self._picture(each) for each in pictures]
        sizes = [each.size for each in found if isinstance(each, Image.Image)]
        if not sizes:
            raise JobNotFound("No picture of the matrix was made, so there is no grid.")
        cell = max(width for width, _ in sizes), max(height for _, height in sizes)
        layout = Layout((columns, len(titles[1])), titles, cell, script.margin)
        data = b"".join(grid_chunks(layout, lambda index: found[index[0] + index[1] * columns]))
        with Image.open(io.BytesIO(data)) as grid:
            grid.load()
        first = next(each for each in pictures if each.state is PartState.DONE)
        request = self._tools.jobs.get(first.job_id or "").request
        return grid, replace(request, **{script.field: getattr(series.request, script.field)}, seed=series.request.seed), {}

    def _picture(self, part: Part) -> Image.Image | str:
        """Or why there is none."""
        if part.state is not PartState.DONE:
            return part.error
        try:
            with Image.open(io.BytesIO(self._tools.result(part))) as picture:
                return picture.convert("RGB")
        except (JobNotFound, OSError) as error:
            return str(error)


class LoopbackMaker:
    """Each picture begins with the one before it."""

    ahead, chained = 1, True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def parts(self, series: Series) -> list[Part]:
        script = series.script
        assert isinstance(script, Loopback)
        count = script.loops * series.request.batch_count
        return [Part(number, f"loop {(number - 1) % script.loops + 1}") for number in range(1, count + 1)]

    def request(self, series: Series, part: Part) -> tuple[Asked, bool]:
        script, number = series.script, part.number - 1
        assert isinstance(script, Loopback)
        before = self._tools.kept(series.parts[number - 1]) if number % script.loops else None
        return loop_request(script, series.request, number, before), series.save

    def facts(self, series: Series, part: Part, job: Job) -> Mapping[str, Any]:
        return {}

    def put_together(self, series: Series, part: Part) -> tuple[Image.Image, GenerationRequest, Mapping[str, object]]:
        raise AssertionError("nothing of a loopback is put together")


class UpscaleMaker:
    """The source enlarged, then its tiles, then the whole: that for each batch."""

    ahead, chained = AHEAD, True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def parts(self, series: Series) -> list[Part]:
        script, request = self._script(series), series.request
        count = self._tiling(series).count
        enlarges = script.enlarged((64, 64)) != (64, 64)
        kinds = [(ENLARGING, "enlarging", {})] if enlarges else []
        for batch in range(request.batch_count):
            kinds += [("tile", f"tile {tile + 1} of {count}", {"tile": tile, "batch": batch}) for tile in range(count)]
            kinds.append((WHOLE, "the whole", {"batch": batch}))
        return [Part(number, name, kind, facts=facts) for number, (kind, name, facts) in enumerate(kinds, 1)]

    def request(self, series: Series, part: Part) -> tuple[Asked, bool]:
        script, source = self._script(series), series.request.source or ""
        if part.kind == ENLARGING:
            return script.enlarging(source), False
        tiling, tile = self._tiling(series), part.facts["tile"]
        enlarged = next((each.facts["result"] for each in series.parts if each.kind == ENLARGING), source)
        piece = self._fitted(enlarged, (tiling.width, tiling.height)).crop(tiling.box(tile))
        out = io.BytesIO()
        piece.save(out, "PNG", compress_level=1)
        digest = self._tools.sources.put(out.getvalue(), part.name)
        return tile_request(series.request, tiling, tile, part.facts["batch"], digest), False

    def facts(self, series: Series, part: Part, job: Job) -> Mapping[str, Any]:
        """The picture is kept as a source: the job's own is no longer there after a restart."""
        return {**part.facts, "result": self._tools.kept(replace(part, job_id=job.id))}

    def put_together(self, series: Series, part: Part) -> tuple[Image.Image, GenerationRequest, Mapping[str, object]]:
        tiling, batch = self._tiling(series), part.facts["batch"]
        tiles = [each for each in series.parts if each.kind == "tile" and each.facts["batch"] == batch]
        across = len(tiling.columns)
        rows = [[self._placed(tiling.box(each.facts["tile"]), each) for each in row] for row in _rows(tiles, across)]
        first = self._tools.jobs.get(tiles[0].job_id or "").request
        base = series.request
        request = replace(first, source=base.source, width=base.width, height=base.height, resize_mode=base.resize_mode)
        return joined((tiling.width, tiling.height), rows), request, self._script(series).entries()

    def _placed(self, box: tuple[int, int, int, int], part: Part) -> tuple[tuple[int, int, int, int], Image.Image]:
        return box, self._tools.opened(part.facts["result"])

    def _fitted(self, digest: str, size: tuple[int, int]) -> Image.Image:
        picture = self._tools.opened(digest)
        return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)

    def _tiling(self, series: Series):
        return tiling_of(self._script(series), series.request, self._tools.sources.size(series.request.source or ""))

    def _script(self, series: Series) -> SDUpscale:
        assert isinstance(series.script, SDUpscale)
        return series.script


def _rows(tiles: Sequence[Part], across: int) -> list[Sequence[Part]]:
    return [tiles[start : start + across] for start in range(0, len(tiles), across)]
