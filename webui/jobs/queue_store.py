"""The order of the jobs that wait, and whether any of them, or all, are held back: in the job database, so that it lasts."""

from __future__ import annotations

import json
from enum import StrEnum

from webui.core.request import GenerationRequest
from webui.jobs.store import JobStore

_PAUSED = "queue paused"


class Place(StrEnum):
    """Where in the queue a job is put."""

    FIRST = "first"
    LAST = "last"
    BEFORE = "before"  # another job
    AFTER = "after"


class QueueStore:
    """Every method is a transaction of its own and may be called from any thread. None changes a job that does not wait."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    @property
    def paused(self) -> bool:
        """Whether no waiting job is begun."""
        return bool(self._jobs.query("SELECT 1 FROM marks WHERE name = ?", _PAUSED))

    def set_paused(self, paused: bool) -> None:
        with self._jobs.transaction() as db:
            if paused:
                db.execute("INSERT OR IGNORE INTO marks (name) VALUES (?)", (_PAUSED,))
            else:
                db.execute("DELETE FROM marks WHERE name = ?", (_PAUSED,))

    def order(self) -> list[str]:
        """The ids of the jobs that wait, next one first; those that are held back stand at their places."""
        return [row[0] for row in self._jobs.query("SELECT id FROM jobs WHERE state = 'queued' ORDER BY place")]

    def hold(self, job_id: str, held: bool) -> bool:
        """Hold a job back, or let it go on. False: it does not wait."""
        return self._change("held = ?", int(held), job_id)

    def set_request(self, job_id: str, kind: str, request: GenerationRequest) -> bool:
        """Give a job another request. False: it does not wait, or has made pictures by its former request."""
        fresh = "NOT EXISTS (SELECT 1 FROM pictures WHERE job_id = jobs.id)"
        return self._change("kind = ?, request = ?", kind, json.dumps(request.to_dict()), job_id, only=fresh)

    def _change(self, what: str, *values: object, only: str = "TRUE") -> bool:
        with self._jobs.transaction() as db:
            return db.execute(f"UPDATE jobs SET {what} WHERE id = ? AND state = 'queued' AND {only}", values).rowcount == 1

    def move(self, job_id: str, to: Place, other: str = "") -> str | None:
        """Put a job at another place.

        Returns:
            The id of the one that does not wait (any more), the job's or the other's, so that nothing was moved; else None.
        """
        with self._jobs.transaction() as db:
            rows = db.execute("SELECT id, place FROM jobs WHERE state = 'queued' ORDER BY place").fetchall()
            ids, places = [row[0] for row in rows], [row[1] for row in rows]
            for named in (job_id, *([other] if to in (Place.BEFORE, Place.AFTER) else [])):
                if named not in ids:
                    return named
            if other != job_id:
                ids.remove(job_id)
                ids.insert(_spot(ids, to, other), job_id)
                db.executemany("UPDATE jobs SET place = ? WHERE id = ?", zip(places, ids, strict=True))
        return None


def _spot(ids: list[str], to: Place, other: str) -> int:
    match to:
        case Place.FIRST:
            return 0
        case Place.LAST:
            return len(ids)
        case Place.BEFORE:
            return ids.index(other)
        case Place.AFTER:
            return ids.index(other) + 1
