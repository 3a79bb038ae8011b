"""A1111's script "X/Y/Z plot" in its txt2img and img2img requests: its arguments, and the answer with grids and cells."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from PIL import Image
from starlette.concurrency import run_in_threadpool

from webui.api.sdapi_answer import echo, info_text
from webui.api.services import Services
from webui.api.sse import following
from webui.core.plot_axes import NOTHING, AxisType
from webui.core.plot_axis_list import A1111_AXES
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis, PlotRequest
from webui.errors import InvalidRequest, WebUIError
from webui.jobs.plot_store import CellState, PlotState
from webui.jobs.plot_views import Plot
from webui.storage.encoding import encode_png

#: As A1111's clients write it, in small letters.
PLOT_TITLES = ("x/y/z plot", "x/y plot")

#: What is left out at the end of the arguments has its default in A1111's page: X is the seed, the legend is drawn.
_DEFAULTS: tuple[Any, ...] = (1, "", [], 0, "", [], 0, "", [], True, False, False, False, False, False, False, 0, False)

#: Before A1111 1.6 there was nothing about seeds that vary; the margin stood at their place.
_VARY, _OLD_LENGTHS = slice(13, 16), (14, 15)


class PlotFailed(WebUIError):
    """No cell could be made."""


def plot_of(base: GenerationRequest, args: Sequence[Any], types: dict[str, AxisType]) -> PlotRequest:
    """The plot that the script's arguments mean.

    Raises:
        InvalidRequest: naming `script_args`.
    """
    given = list(args)
    if len(given) in _OLD_LENGTHS:
        given[_VARY] = [False, False, False, *given[_VARY]]
    if len(given) > len(_DEFAULTS):
        raise InvalidRequest("script_args", f"X/Y/Z plot takes {len(_DEFAULTS)} arguments, but {len(given)} were given.")
    given += _DEFAULTS[len(given) :]
    csv_mode = bool(given[17])
    axes = [_axis(base.kind, types, csv_mode, *given[start : start + 3]) for start in (0, 3, 6)]
    while axes[-1].type == NOTHING and len(axes) > 1:
        axes.pop()
    try:
        margin = int(given[16] or 0)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("script_args", f"The margin is {given[16]!r:.40}; a whole number was expected.") from error
    return PlotRequest(
        base=base,
        axes=tuple(axes),
        draw_legend=bool(given[9]),
        include_cells=bool(given[10]),
        include_subgrids=bool(given[11]),
        keep_random=bool(given[12]),
        vary_seeds=tuple(map(bool, given[_VARY])),
        margin=margin,
    )


def _axis(tab: str, types: dict[str, AxisType], csv_mode: bool, name: Any, values: Any, picked: Any) -> Axis:
    names = [each for each, _, tabs in A1111_AXES if tab in tabs]
    if isinstance(name, int):
        if not 0 <= name < len(names):
            raise InvalidRequest("script_args", f"There is no axis {name} in {tab}; they are counted from 0 to {len(names) - 1}.")
        name = names[name]
    found = types.get(str(name))
    if found is None and name in names:
        raise InvalidRequest("script_args", f"The axis “{name}” of A1111 is not supported yet.")
    wants_pick = found is not None and bool(found.choices) and not csv_mode
    if picked and (wants_pick or not values):
        return Axis(str(name), tuple(map(str, picked)) if isinstance(picked, list) else str(picked))
    return Axis(str(name), str(values or ""))


async def make_plot(services: Services, body: Any, base: GenerationRequest, comments: list[str]) -> Response:
    """Make the plot and answer when it is there. It goes on if the client leaves."""
    plot = await run_in_threadpool(_submit, services, body, base)
    try:
        async with following(services.bus) as events:
            while (await run_in_threadpool(services.plots.state, plot.id)) is PlotState.RUNNING:
                await anext(events, None)
        done = await run_in_threadpool(services.plots.get, plot.id)
        return await run_in_threadpool(_answer, services, body, done, comments)
    finally:
        if not body.save_images:
            await run_in_threadpool(_forget, services, plot.id)


def _submit(services: Services, body: Any, base: GenerationRequest) -> Plot:
    try:
        request = plot_of(base, body.script_args or [], services.plots.types())
        return services.plots.submit(request, owner="API", save=bool(body.save_images), confirmed=True)
    except InvalidRequest as error:
        if error.field.startswith("axes"):
            raise InvalidRequest("script_args", str(error)) from error
        raise


def _forget(services: Services, plot_id: str) -> None:
    for cell in services.plots.get(plot_id).cells:
        if cell.job_id is not None and cell.state is CellState.DONE:
            services.dispatcher.forget_unsaved(cell.job_id)


def _answer(services: Services, body: Any, plot: Plot, comments: list[str]) -> Response:
    """Grids first, then cells with X running fastest, as in A1111; a cell that failed is a black picture."""
    cells = sorted(plot.cells, key=lambda cell: cell.index[::-1])
    made = [cell for cell in cells if cell.state is CellState.DONE]
    if not made:
        errors = [cell.error for cell in cells if cell.error]
        raise PlotFailed(errors[0] if errors else "The plot was stopped before its first cell was finished.")
    grids = [b"".join(services.plots.output.grid(plot.row, plot.expanded))]
    if plot.row.plot.include_subgrids and len(plot.shape) > 2:
        beyond = itertools.product(*(range(length) for length in plot.shape[2:]))
        grids += [b"".join(services.plots.output.grid(plot.row, plot.expanded, place)) for place in beyond]
    shown = cells if plot.row.plot.include_cells else []
    blank = _blank(made[0].width or 1, made[0].height or 1)
    pictures = [*grids, *(services.plots.output.picture(cell) if cell.state is CellState.DONE else blank for cell in shown)]
    parameters = body.model_dump()
    images = [base64.b64encode(picture).decode() for picture in pictures] if parameters["send_images"] is not False else []
    content = {"images": images, "parameters": echo(parameters), "info": _info(services, plot, parameters, comments, len(grids))}
    return Response(json.dumps(content), media_type="application/json")


def _info(services: Services, plot: Plot, parameters: dict[str, Any], comments: list[str], grids: int) -> str:
    """That of the first cell, with the lists of all pictures."""
    cells = sorted(plot.cells, key=lambda cell: cell.index[::-1])
    jobs = [services.store.get(cell.job_id) if cell.job_id else None for cell in cells]
    first = next(job for cell, job in zip(cells, jobs, strict=True) if cell.state is CellState.DONE and job is not None)
    shown = [first] * grids + (list(jobs) if plot.row.plot.include_cells else [])
    requests = [job.request if job else plot.row.plot.base for job in shown]
    texts = [services.plots.output.infotext(plot.row)] * grids
    texts += [job.pictures[0].infotext if job and job.pictures else "" for job in shown[grids:]]
    info = json.loads(info_text(services, first, parameters, comments)) | {
        "all_prompts": [request.prompt for request in requests],
        "all_negative_prompts": [request.negative_prompt for request in requests],
        "all_seeds": [request.seed for request in requests],
        "all_subseeds": [request.variation_seed for request in requests],
        "infotexts": texts,
        "index_of_first_image": grids,
    }
    return json.dumps(info)


def _blank(width: int, height: int) -> bytes:
    return encode_png(Image.new("RGB", (width, height)).tobytes(), width, height, "")
