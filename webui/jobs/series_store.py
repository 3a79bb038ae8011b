"""What scripts and folders make, in the job database: what was asked for, and which job makes each part of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from webui.core.request import GenerationRequest
from webui.core.series import Script, script_of, to_dict
from webui.errors import JobNotFound, WebUIError
from webui.jobs.store import JobStore

#: For so long what a stopped series needs in order to go on is kept.
_RESUMABLE_SECONDS = 30 * 24 * 3600

#: How the ids of series and of their jobs begin.
PREFIX = "series-"


class SeriesState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  # something must be put right first, which the note tells
    DONE = "done"
    CANCELLED = "cancelled"


class PartState(StrEnum):
    WAITING = "waiting"
    QUEUED = "queued"  # there is a job for it, which waits or runs
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Part:
    """One of the steps of a series; most are a job of the queue.

    Args:
        kind: what it is to the script that it is of: "picture", or another of its words.
        name: for people: of the file that it begins with, say.
        facts: what the script knows of it beside: digests of pictures, the stamp of a file.
        seconds: that its job took.
    """

    number: int
    name: str = ""
    kind: str = "picture"
    state: PartState = PartState.WAITING
    job_id: str | None = None
    error: str = ""
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """A script over a request whose seed is drawn, with its parts. `asked` tells whether two of them are the same question.

    Times are time.time(); `begun` is when it was begun or taken up again.
    """

    id: str
    script: Script
    request: GenerationRequest
    asked: str
    state: SeriesState
    owner: str
    save: bool
    created: float
    begun: float
    finished: float | None = None
    note: str = ""
    parts: tuple[Part, ...] = ()

    def count(self, state: PartState) -> int:
        return sum(part.state is state for part in self.parts)

    @property
    def seconds_left(self) -> float | None:
        """By what the finished parts took; None where nothing is known, or nothing left."""
        known = [part.seconds for part in self.parts if part.seconds is not None]
        left = self.count(PartState.WAITING) + self.count(PartState.QUEUED)
        return sum(known) / len(known) * left if known and left and self.state is SeriesState.RUNNING else None


class SeriesNotFound(JobNotFound):
    """No series of that id."""


_SERIES = "id, script, request, asked, state, owner, save, created, begun, finished, note"
_PART = "number, name, kind, state, job_id, error, seconds, facts"


class SeriesStore:
    """The tables `series` and `series_parts`; every method is a transaction of its own."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def add(self, series: Series, body: str | None = None) -> None:
        """Keep a series; `body` is a digest of what was sent to begin it. Raise ValueError if the id is taken."""
        script, request = json.dumps(to_dict(series.script)), json.dumps(series.request.to_dict())
        state = (series.asked, series.state, series.owner, series.save, series.created, series.begun)
        columns = "id, script, request, asked, state, owner, save, created, begun, body"
        with self._jobs.transaction() as db:
            try:
                row = (series.id, script, request, *state, body)
                db.execute(f"INSERT INTO series ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)", row)
            except sqlite3.IntegrityError as error:
                raise ValueError(f"There is a series “{series.id}” already.") from error
            self._add_parts(db, series.id, series.parts)

    def _add_parts(self, db: Any, series_id: str, parts: Iterable[Part]) -> None:
        rows = [(series_id, part.number, part.name, part.kind, part.state, part.job_id, json.dumps(part.facts)) for part in parts]
        db.executemany(
            "INSERT INTO series_parts (series_id, number, name, kind, state, job_id, facts) VALUES (?,?,?,?,?,?,?)", rows
        )

    def get(self, series_id: str) -> Series:
        """With its parts. Raise SeriesNotFound."""
        found = self._series("WHERE id = ?", series_id)
        if not found:
            raise SeriesNotFound(f"There is no series “{series_id:.80}”.")
        return self._whole(found[0])

    def body(self, series_id: str) -> str | None:
        """What `add` was told under this name."""
        return next((row[0] for row in self._jobs.query("SELECT body FROM series WHERE id = ?", series_id)), None)

    def recent(self, limit: int) -> list[Series]:
        """Newest first."""
        return [self._whole(series) for series in self._series("ORDER BY created DESC LIMIT ?", limit)]

    def at_work(self) -> list[Series]:
        """Those that run, oldest first."""
        return [self._whole(series) for series in self._series("WHERE state = 'running' ORDER BY created")]

    def same(self, asked: str) -> list[Series]:
        """Those that were the same question, newest first."""
        return [self._whole(series) for series in self._series("WHERE asked = ? ORDER BY created DESC", asked)]

    def state(self, series_id: str) -> SeriesState:
        rows = self._jobs.query("SELECT state FROM series WHERE id = ?", series_id)
        return SeriesState(rows[0][0]) if rows else SeriesState.CANCELLED

    def part_of_job(self, job_id: str) -> tuple[str, int] | None:
        """The series, and the part's number, that a job is for."""
        rows = self._jobs.query("SELECT series_id, number FROM series_parts WHERE job_id = ?", job_id)
        return (rows[0][0], rows[0][1]) if rows else None

    def set_part(self, series_id: str, number: int, **columns: Any) -> None:
        """Change some of `state`, `job_id`, `error`, `seconds`, `facts`."""
        if "facts" in columns:
            columns["facts"] = json.dumps(columns["facts"])
        names = ", ".join(f"{name} = ?" for name in columns)
        with self._jobs.transaction() as db:
            db.execute(
                f"UPDATE series_parts SET {names} WHERE series_id = ? AND number = ?", (*columns.values(), series_id, number)
            )

    def set_state(self, series_id: str, state: SeriesState, note: str = "") -> None:
        now = time.time()
        ended = now if state in (SeriesState.DONE, SeriesState.CANCELLED) else None
        begun = ", begun = ?" if state is SeriesState.RUNNING else ""
        values = (state, note, ended, *([now] if begun else []), series_id)
        with self._jobs.transaction() as db:
            db.execute(f"UPDATE series SET state = ?, note = ?, finished = ?{begun} WHERE id = ?", values)

    def sources(self) -> set[str]:
        """The digests of all pictures that series refer to which are not done, or were stopped of late."""
        found: set[str] = set()
        unfinished = "WHERE state IN ('running', 'paused') OR (state = 'cancelled' AND finished > ?)"
        for series in self._series(unfinished, time.time() - _RESUMABLE_SECONDS):
            whole = self._whole(series)
            pictures = getattr(series.script, "pictures", ())
            found |= {source.digest for source in pictures}
            found |= {digest for digest in (series.request.source, series.request.mask) if digest}
            found |= {part.facts["result"] for part in whole.parts if "result" in part.facts}
        return found

    def _series(self, clause: str, *values: object) -> list[Series]:
        rows = self._jobs.query(f"SELECT {_SERIES} FROM series {clause}", *values)
        return [series for row in rows if (series := _read(row)) is not None]

    def _whole(self, series: Series) -> Series:
        rows = self._jobs.query(f"SELECT {_PART} FROM series_parts WHERE series_id = ? ORDER BY number", series.id)
        return replace(series, parts=tuple(_part(row) for row in rows))


def _read(row: tuple) -> Series | None:
    """None for one that this version cannot carry out."""
    series_id, script, request, asked, state, owner, save, created, begun, finished, note = row
    try:
        known, base = script_of(json.loads(script)), GenerationRequest.from_dict(json.loads(request))
    except WebUIError:
        return None
    if known is None:
        return None
    return Series(series_id, known, base, asked, SeriesState(state), owner, bool(save), created, begun, finished, note)


def _part(row: tuple) -> Part:
    number, name, kind, state, job_id, error, seconds, facts = row
    return Part(number, name, kind, PartState(state), job_id, error, seconds, json.loads(facts))
