"""`/api/v1/plots`: plots that are checked while one types, worked on cell by cell, and fetched as grid, table or cells."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi import Path as PathParam
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from webui.api.examples import example
from webui.api.job_json import cell_json, request_json
from webui.api.once import IdempotencyKey, once
from webui.api.services import Services
from webui.core.plot_axes import AxisType
from webui.core.plot_cells import Cell
from webui.core.request import GenerationRequest
from webui.core.xyz import AXIS_LETTERS, MANY_CELLS, MAX_MARGIN, PlotRequest
from webui.jobs.plot_store import CellState, PlotCell, PlotRow
from webui.jobs.plot_views import Check, Plot
from webui.jobs.plots import PREFIX

PlotId = Annotated[str, PathParam(max_length=200)]
Place = Annotated[str, PathParam(pattern=r"^\d{1,5}(\.\d{1,5}){0,7}$", description="The cell's index: 0.2.1")]

#: What the description shows of a plot.
_BASE = {"prompt": "red heart", "width": 128, "height": 128, "seed": 1}
_AXES = [{"type": "Steps", "values": "10-30(+10)"}, {"type": "Sampler", "values": ["Euler", "DPM++ 2M"]}]


class AxisBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: str = Field("Nothing", max_length=200, description="A name of /api/v1/plots/axes.")
    values: str | list[str] = Field("", description="A line as it is typed (1-9(+2), “a, b”), or what was picked.")


class PlotBody(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(base=_BASE, axes=_AXES))

    base: dict[str, Any] = Field(default_factory=dict, description="A request as in POST /api/v1/jobs.")
    axes: list[AxisBody] = Field(default_factory=list, description="X, Y, Z and further.")
    draw_legend: bool = True
    keep_random: bool = Field(False, description="A seed of −1 is drawn anew in each cell.")
    vary_seeds: list[bool] = Field(default_factory=lambda: [False, False, False], max_length=len(AXIS_LETTERS))
    include_cells: bool = True
    include_subgrids: bool = False
    margin: int = Field(0, description=f"Between cells, 0 to {MAX_MARGIN} pixels.")


class SubmitBody(PlotBody):
    confirmed: bool = Field(False, description=f"Needed for more than {MANY_CELLS:,} cells.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")
    save: bool = Field(True, description="Whether pictures and grids are kept in the outputs folder.")


class MarkBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    favourite: bool


class ExtendBody(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=example(axis=0, values="40, 50"))

    axis: int = Field(description="Counted from 0, which is X.")
    values: str | list[str]


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/plots", tags=["plots"])
    _add_making(routes, services)
    _add_reading(routes, services)
    _add_changing(routes, services)
    _add_files(routes, services)
    return routes


def _request(body: PlotBody) -> PlotRequest:
    values = body.model_dump(exclude={"confirmed", "owner", "save"})
    texts = {name: str(values["base"].get(name)) for name in ("seed", "variation_seed")}
    seeds = {name: int(text) for name, text in texts.items() if re.fullmatch(r"-?\d{1,20}", text)}
    return PlotRequest.from_dict({**values, "base": {**values["base"], **seeds}})


def _add_making(routes: APIRouter, services: Services) -> None:
    @routes.get("/axes")
    def axes() -> list[dict[str, Any]]:
        """What an axis can be, A1111's names first; `choices` is a pick list."""
        return [axis_json(axis) for axis in services.plots.types().values()]

    @routes.post("/check")
    def check(body: PlotBody) -> dict[str, Any]:
        """What a plot would come to, for showing while one types. Errors at the axes are in the answer."""
        return check_json(services.plots.check(_request(body)))

    @routes.post("", status_code=201)
    def submit(body: SubmitBody, response: Response, key: IdempotencyKey = None) -> dict[str, Any]:
        """Begin a plot; it is on disk when this answers."""
        request = _request(body)

        def make(plot_id: str | None, asked: str | None) -> Plot:
            given = body.model_dump(include={"owner", "save", "confirmed"})
            return services.plots.submit(request, **given, plot_id=plot_id, asked=asked)

        plot = once(services.plots, key, ["plots", body.model_dump()], make, PREFIX)
        response.headers["Location"] = f"/api/v1/plots/{plot.id}"
        return plot_json(plot)


def _add_reading(routes: APIRouter, services: Services) -> None:
    @routes.get("")
    def recent(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[dict[str, Any]]:
        """The newest plots, without their cells."""
        return [row_json(row, counts) for row, counts in services.plots.list(limit)]

    @routes.get("/{plot_id}")
    def plot(plot_id: PlotId) -> dict[str, Any]:
        """A plot with all its cells, X running fastest."""
        return plot_json(services.plots.get(plot_id))


def _add_changing(routes: APIRouter, services: Services) -> None:
    @routes.post("/{plot_id}/pause")
    def pause(plot_id: PlotId) -> dict[str, Any]:
        """Begin no further cell; the one that runs is finished."""
        return plot_json(services.plots.pause(plot_id))

    @routes.post("/{plot_id}/resume")
    def resume(plot_id: PlotId) -> dict[str, Any]:
        """Go on with the missing cells; those that failed are tried again."""
        return plot_json(services.plots.resume(plot_id))

    @routes.post("/{plot_id}/cancel")
    def cancel(plot_id: PlotId) -> dict[str, Any]:
        """End a plot; finished cells are kept."""
        return plot_json(services.plots.cancel(plot_id))

    @routes.post("/{plot_id}/extend")
    def extend(plot_id: PlotId, body: ExtendBody) -> dict[str, Any]:
        """Add values to an axis; only the new cells are made."""
        return plot_json(services.plots.extend(plot_id, body.axis, body.values))

    @routes.put("/{plot_id}/cells/{place}")
    def mark(plot_id: PlotId, place: Place, body: MarkBody) -> dict[str, Any]:
        """Put a cell among the favourites, or take it out of them."""
        return cell_json(plot_id, services.plots.mark(plot_id, _index(place), body.favourite))


def _index(place: str) -> tuple[int, ...]:
    return tuple(map(int, place.split(".")))


def _add_files(routes: APIRouter, services: Services) -> None:
    png: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}

    @routes.get("/{plot_id}/grid.png", response_class=Response, responses=png)
    def grid(plot_id: PlotId, download: bool = False) -> Response:
        """The grid with its infotext: the saved file, or while the plot is worked on what is there by now."""
        plot = services.plots.get(plot_id)
        headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        if download:
            headers["Content-Disposition"] = f'attachment; filename="xyz_grid-{plot_id}.png"'
        saved = services.plots.output.saved_grid(plot.row)
        if saved is not None:
            return FileResponse(saved, media_type="image/png", headers=headers)
        return StreamingResponse(services.plots.output.grid(plot.row, plot.expanded), media_type="image/png", headers=headers)

    @routes.get("/{plot_id}/export.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    def table(plot_id: PlotId) -> Response:
        """The cells' settings and figures, a row each."""
        headers = {"Content-Disposition": f'attachment; filename="{plot_id}.csv"'}
        return Response(csv_text(services.plots.get(plot_id)), media_type="text/csv; charset=utf-8", headers=headers)

    @routes.get("/{plot_id}/cells/{place}.webp", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
    def thumbnail(
        plot_id: PlotId,
        place: Place,
        size: Annotated[int, Query(ge=16, le=1024)] = 256,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """A cell's picture made small."""
        cell = services.plots.cell(plot_id, _index(place))
        etag = f'"{hashlib.sha256(f"{cell.job_id} {size}".encode()).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        if if_none_match and etag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(services.plots.output.thumbnail(cell, size), media_type="image/webp", headers=headers)


# ---- as JSON


def axis_json(axis: AxisType) -> dict[str, Any]:
    return {
        "name": axis.name,
        "field": axis.field,
        "kind": axis.kind,
        "choices": list(axis.choices),
        "cost": axis.cost,
        "tabs": list(axis.tabs),
        "help": axis.help,
    }


def check_json(check: Check) -> dict[str, Any]:
    planned, foreseen = check.plan, check.estimate
    return {
        "counts": list(check.counts),
        "errors": [{"axis": error.axis, "field": error.field, "message": error.message} for error in check.errors],
        "shape": list(check.expanded.shape) if check.expanded else None,
        "labels": [list(labels) for labels in check.expanded.labels] if check.expanded else None,
        "total": check.expanded.total if check.expanded else None,
        "confirm": check.expanded is not None and check.expanded.total > MANY_CELLS,
        "idle": [{"axis": axis, "message": message} for axis, message in check.idle],
        "cell_errors": check.cell_errors,
        "cell_error": check.cell_error,
        "loads": len(planned.loads) if planned else None,
        "texts": planned.texts if planned else None,
        "samplings": planned.samplings if planned else None,
        "order": planned.words if planned else "",
        "seconds": foreseen.seconds if foreseen else None,
        "uncertainty": foreseen.uncertainty if foreseen else None,
        "bytes": foreseen.bytes if foreseen else None,
    }


def row_json(row: PlotRow, counts: dict[CellState, int]) -> dict[str, Any]:
    plot = row.plot
    return {
        "id": row.id,
        "state": row.state.value,
        "note": row.note,
        "owner": row.owner,
        "kind": plot.base.kind,
        "created": row.created,
        "finished": row.finished,
        "done": counts.get(CellState.DONE, 0),
        "failed": counts.get(CellState.FAILED, 0),
        "total": sum(counts.values()),
        "base": request_json(plot.base),
        "axes": [{"type": axis.type, "values": axis.text, "fixed": axis.fixed} for axis in plot.axes],
        "draw_legend": plot.draw_legend,
        "keep_random": plot.keep_random,
        "vary_seeds": list(plot.vary_seeds),
        "include_cells": plot.include_cells,
        "include_subgrids": plot.include_subgrids,
        "margin": plot.margin,
        "grids": list(row.grids),
        "grid_url": f"/api/v1/plots/{row.id}/grid.png",
    }


def plot_json(plot: Plot) -> dict[str, Any]:
    cells = {cell.index: cell for cell in plot.cells}
    counts = {CellState.DONE: plot.done, CellState.FAILED: plot.failed, CellState.WAITING: plot.total - plot.done - plot.failed}
    return row_json(plot.row, counts) | {
        "shape": list(plot.shape),
        "labels": [list(labels) for labels in plot.labels],
        "order": plot.plan.words,
        "loads": len(plot.plan.loads),
        "base_infotext": plot.base_infotext,
        "seconds_left": plot.seconds_left,
        "cells": [_whole_cell(plot, made, cells[made.index]) for made in plot.expanded.cells if made.index in cells],
    }


def _whole_cell(plot: Plot, made: Cell, cell: PlotCell) -> dict[str, Any]:
    """`settings` are the fields in which the cell differs from the base; seeds as text."""
    return cell_json(plot.id, cell) | {"settings": _differing(plot.row.plot.base, made.request)}


def _differing(base: GenerationRequest, request: GenerationRequest | None) -> dict[str, Any]:
    if request is None:
        return {}
    changed = {name: value for name, value in vars(request).items() if value != getattr(base, name) and name != "extras"}
    if request.extras != base.extras:
        changed["extras"] = request.to_dict()["extras"]
    return {name: str(value) if name in ("seed", "variation_seed") else value for name, value in changed.items()}


# ---- as a table


def csv_text(plot: Plot) -> str:
    """Axes by name, then what became of the cell. A text that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    used = [(place, axis) for place, axis in enumerate(plot.expanded.readings) if axis.type.kind != "none"]
    names = [axis.type.name for _, axis in used]
    figures = ["Seconds", "Sharpness", "Similarity", "Favourite", "Width", "Height"]
    writer.writerow([*names, "State", "Seed", *figures, "File", "Error"])
    for cell in sorted(plot.cells, key=lambda cell: cell.index[::-1]):
        values = [axis.type.words(axis.values[cell.index[place]]) for place, axis in used]
        liked = "yes" if cell.favourite else ""
        figures = [cell.seconds, cell.sharpness, cell.similarity, liked, cell.width, cell.height]
        row = [*values, cell.state.value, cell.seed, *figures, cell.path, cell.error]
        writer.writerow(["" if value is None else _harmless(value) for value in row])
    return "\ufeff" + out.getvalue()


_NUMBER = r"-?\d+(\.\d+)?(e-?\d+)?"


def _harmless(value: object) -> object:
    runs = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) and not re.fullmatch(_NUMBER, value)
    return f"'{value}" if runs else value
