"""Plots and their cells in the job database: what was asked for, which job makes each cell, and what became of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from webui.core.xyz import PlotRequest
from webui.errors import PlotNotFound
from webui.jobs.store import JobStore


class PlotState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class CellState(StrEnum):
    WAITING = "waiting"
    QUEUED = "queued"  # there is a job for it, which waits or runs
    DONE = "done"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        return self in (CellState.DONE, CellState.FAILED)


@dataclass(frozen=True)
class PlotCell:
    """A cell by its index along the axes.

    Args:
        position: in the order in which cells are made.
        seconds: of making it, loading left out.
        sharpness: see `storage.figures`; `similarity` is that to the cell before it along X.
        favourite: somebody liked it.
        seed, width, height, path: of its picture, once there is one.
    """

    index: tuple[int, ...]
    position: int
    state: CellState
    job_id: str | None = None
    error: str = ""
    error_field: str | None = None
    seconds: float | None = None
    sharpness: float | None = None
    similarity: float | None = None
    favourite: bool = False
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    path: str | None = None


@dataclass(frozen=True)
class PlotRow:
    """A plot as it is stored. `grids` are the paths of its grid files, the whole one first."""

    id: str
    plot: PlotRequest
    state: PlotState
    owner: str
    save: bool
    created: float
    started: float | None = None
    finished: float | None = None
    note: str = ""
    grids: tuple[str, ...] = ()


_PLOT = "id, plot, state, owner, save, created, started, finished, note, grids"
_CELL = (
    "c.place, c.position, c.state, c.job_id, c.error, c.error_field, c.seconds, c.sharpness, c.similarity,"
    " c.favourite, p.seed, p.width, p.height, p.path"
)
_INSERT_CELL = "INSERT INTO plot_cells (plot_id, place, position, state, error, error_field) VALUES (?,?,?,?,?,?)"
_FROM = "plot_cells c LEFT JOIN pictures p ON p.job_id = c.job_id AND p.number = 0 AND p.digest IS NULL"


def place_of(index: Sequence[int]) -> str:
    """How an index is written in the table and in a job's id."""
    return ".".join(map(str, index))


class PlotStore:
    """The tables `plots` and `plot_cells`; every method is a transaction of its own."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def add(self, row: PlotRow, cells: Iterable[PlotCell], asked: str | None = None) -> None:
        """Keep a plot; `asked` as in `JobStore.add`. Raise ValueError if the id is taken."""
        values = (row.id, json.dumps(row.plot.to_dict()), row.state, row.owner, row.save, row.created, row.started, asked)
        columns = "id, plot, state, owner, save, created, started, asked"
        with self._jobs.transaction() as db:
            try:
                db.execute(f"INSERT INTO plots ({columns}) VALUES (?,?,?,?,?,?,?,?)", values)
            except sqlite3.IntegrityError as error:
                raise ValueError(f"There is a plot “{row.id}” already.") from error
            db.executemany(_INSERT_CELL, _cell_values(row.id, cells))

    def extend(self, plot_id: str, plot: PlotRequest, cells: Sequence[PlotCell], known: Collection[tuple[int, ...]]) -> None:
        """Have a plot run with more cells. Those of a `known` index are there already, but may have other positions."""
        new = [cell for cell in cells if cell.index not in known]
        positions = [(cell.position, plot_id, place_of(cell.index)) for cell in cells if cell.index in known]
        begun = "UPDATE plots SET plot = ?, state = 'running', finished = NULL, note = '' WHERE id = ?"
        with self._jobs.transaction() as db:
            db.execute(begun, (json.dumps(plot.to_dict()), plot_id))
            db.executemany(_INSERT_CELL, _cell_values(plot_id, new))
            db.executemany("UPDATE plot_cells SET position = ? WHERE plot_id = ? AND place = ?", positions)

    def get(self, plot_id: str) -> PlotRow:
        """Raise PlotNotFound."""
        rows = self._jobs.query(f"SELECT {_PLOT} FROM plots WHERE id = ?", plot_id)
        if not rows:
            raise PlotNotFound(f"There is no plot “{plot_id:.80}”.")
        return _row(rows[0])

    def asked(self, plot_id: str) -> str | None:
        """What `add` was told under this name."""
        return next((row[0] for row in self._jobs.query("SELECT asked FROM plots WHERE id = ?", plot_id)), None)

    def recent(self, limit: int) -> list[PlotRow]:
        """Newest first."""
        return [_row(row) for row in self._jobs.query(f"SELECT {_PLOT} FROM plots ORDER BY created DESC LIMIT ?", limit)]

    def at_work(self) -> list[PlotRow]:
        """Those that run, and paused ones of which a cell was being made; oldest first."""
        queued = "id IN (SELECT plot_id FROM plot_cells WHERE state = 'queued')"
        rows = self._jobs.query(f"SELECT {_PLOT} FROM plots WHERE state = 'running' OR {queued} ORDER BY created")
        return [_row(row) for row in rows]

    def cells(self, plot_id: str) -> list[PlotCell]:
        """In the order in which they are made."""
        rows = self._jobs.query(f"SELECT {_CELL} FROM {_FROM} WHERE c.plot_id = ? ORDER BY c.position", plot_id)
        return [_cell(row) for row in rows]

    def cell_of_job(self, job_id: str) -> tuple[str, PlotCell] | None:
        """The plot's id and the cell that a job makes."""
        rows = self._jobs.query(f"SELECT c.plot_id, {_CELL} FROM {_FROM} WHERE c.job_id = ?", job_id)
        return (rows[0][0], _cell(rows[0][1:])) if rows else None

    def counts(self, plot_id: str) -> dict[CellState, int]:
        rows = self._jobs.query("SELECT state, COUNT(*) FROM plot_cells WHERE plot_id = ? GROUP BY state", plot_id)
        return {CellState(state): count for state, count in rows}

    def unfinished(self, plot_id: str) -> list[int]:
        """The positions of cells that are not finished."""
        rows = self._jobs.query(
            "SELECT position FROM plot_cells WHERE plot_id = ? AND state IN ('waiting', 'queued') ORDER BY position", plot_id
        )
        return [position for (position,) in rows]

    def waiting(self, plot_id: str, limit: int) -> list[PlotCell]:
        """The next cells that have no job."""
        clause = "WHERE c.plot_id = ? AND c.state = 'waiting' ORDER BY c.position LIMIT ?"
        return [_cell(row) for row in self._jobs.query(f"SELECT {_CELL} FROM {_FROM} {clause}", plot_id, limit)]

    def cell(self, plot_id: str, index: Sequence[int]) -> PlotCell:
        """Raise PlotNotFound."""
        clause = "WHERE c.plot_id = ? AND c.place = ?"
        rows = self._jobs.query(f"SELECT {_CELL} FROM {_FROM} {clause}", plot_id, place_of(index))
        if not rows:
            raise PlotNotFound(f"The plot “{plot_id:.80}” has no cell {place_of(index):.80}.")
        return _cell(rows[0])

    def set_state(self, plot_id: str, state: PlotState, note: str = "") -> None:
        finished = time.time() if state in (PlotState.DONE, PlotState.CANCELLED) else None
        with self._jobs.transaction() as db:
            db.execute("UPDATE plots SET state = ?, finished = ?, note = ? WHERE id = ?", (state, finished, note, plot_id))

    def set_done(self, plot_id: str, note: str = "") -> None:
        """Unless it was stopped or got more cells meanwhile."""
        unfinished = "SELECT 1 FROM plot_cells WHERE plot_id = plots.id AND state IN ('waiting', 'queued')"
        ended = "UPDATE plots SET state = 'done', finished = ?, note = ?"
        with self._jobs.transaction() as db:
            db.execute(f"{ended} WHERE id = ? AND state = 'running' AND NOT EXISTS ({unfinished})", (time.time(), note, plot_id))

    def set_grids(self, plot_id: str, paths: Sequence[str]) -> None:
        with self._jobs.transaction() as db:
            db.execute("UPDATE plots SET grids = ? WHERE id = ?", (json.dumps(list(paths)), plot_id))

    def set_cell(self, plot_id: str, index: Sequence[int], **values: Any) -> None:
        """Change columns of one cell, by name."""
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._jobs.transaction() as db:
            db.execute(
                f"UPDATE plot_cells SET {columns} WHERE plot_id = ? AND place = ?", (*values.values(), plot_id, place_of(index))
            )


def _cell_values(plot_id: str, cells: Iterable[PlotCell]) -> list[tuple[object, ...]]:
    return [(plot_id, place_of(cell.index), cell.position, cell.state, cell.error, cell.error_field) for cell in cells]


def _row(row: tuple) -> PlotRow:
    plot_id, plot, state, owner, save, created, started, finished, note, grids = row
    paths = tuple(json.loads(grids))
    request = PlotRequest.from_dict(json.loads(plot))
    return PlotRow(plot_id, request, PlotState(state), owner, bool(save), created, started, finished, note, paths)


def _cell(row: tuple) -> PlotCell:
    place, position, state, job_id, error, error_field, seconds, sharpness, similarity, liked, *picture = row
    seed, width, height, path = picture
    return PlotCell(
        index=tuple(map(int, place.split("."))),
        position=position,
        state=CellState(state),
        job_id=job_id,
        error=error,
        error_field=error_field,
        seconds=seconds,
        sharpness=sharpness,
        similarity=similarity,
        favourite=bool(liked),
        seed=None if seed is None else int(seed),
        width=width,
        height=height,
        path=path,
    )
