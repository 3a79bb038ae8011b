"""Jobs and their pictures in SQLite: on disk before they are acknowledged, so that nothing is lost with the process."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.errors import JobNotFound, SaveFailed
from webui.jobs import database
from webui.jobs.stored_request import read_extras, read_request


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Picture:
    """A finished picture. `path` is None where it is in no file (saving failed); `saved`: it lies in the outputs folder."""

    job_id: str
    index: int
    seed: int
    width: int
    height: int
    infotext: str
    path: str | None
    saved: bool


@dataclass(frozen=True)
class Job:
    """A resolved request and what became of it. Times are time.time(); `note` and `error` are for people."""

    id: str
    request: GenerationRequest
    state: JobState
    owner: str
    created: float
    kind: str = "txt2img"
    save: bool = True
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    note: str = ""
    error: str = ""
    error_field: str | None = None
    pictures: tuple[Picture, ...] = ()
    extras: ExtrasRequest | None = None  # of the tab Extras; then `request` says nothing
    held: bool = False  # it waits, and is passed over until it is let go on

    @property
    def image_count(self) -> int:
        """How many pictures it is to make."""
        return self.request.image_count if self.extras is None else self.extras.image_count


@dataclass(frozen=True)
class Writing:
    """A picture that was being written when the process ended: the file it was to become, and the digest of its bytes."""

    picture: Picture
    digest: str


_JOB = "id, kind, request, state, owner, save, created, started, finished, attempts, note, error, error_field, held"
_PICTURE = "job_id, number, seed, width, height, infotext, path, saved"


class JobStore:
    """The only owner of the job database; every method is a transaction of its own and may be called from any thread.

    A picture whose `digest` is set is being written: `begin_picture` notes it before the file gets its name, `finish_picture`
    afterwards, so that a crash between the two neither loses nor doubles it (`unfinished_writes`).
    """

    def __init__(self, path: Path) -> None:
        """Open or make the database. One that is no database any more is set aside, which `problem` tells.

        Raises:
            SaveFailed: the disk is full, say.
            WebUIError: it was made by a newer version.
        """
        self._path = path
        self._lock = threading.RLock()
        with self._telling_errors():
            self._db, self.problem = database.open_or_set_aside(path)
            self._fail_unreadable()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; raise SaveFailed where the disk takes nothing. For the tables of this package."""
        with self._lock, self._telling_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise SaveFailed(
                f"The job database {self._path} could not be written: {error}. Free some space, or see whether it is protected."
            ) from error

    def _fail_unreadable(self) -> None:
        """Jobs that wait with a request that this version cannot carry out would come out otherwise than asked for."""
        rows = self._db.execute("SELECT id, kind, request FROM jobs WHERE state IN ('queued', 'running')").fetchall()
        for job_id, kind, text in rows:
            problem = (read_extras if kind == "extras" else read_request)(text)[1]
            if problem:
                self.finish(
                    job_id, JobState.FAILED, error=f"This job was queued by another version and cannot be done: {problem}"
                )

    # ---- jobs

    def query(self, sql: str, *values: object) -> list[tuple]:
        """The rows of a question."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def add(
        self,
        job_id: str,
        request: GenerationRequest | ExtrasRequest,
        *,
        owner: str = "",
        save: bool = True,
        kind: str | None = None,
        asked: str | None = None,
    ) -> Job:
        """Append a resolved request to the queue; `kind` is its own unless given. Raise ValueError if the id is taken.

        Args:
            asked: a digest of what was asked for, by which `asked` tells a repeated question from another one.
        """
        with self.transaction() as db:
            place = db.execute("SELECT COALESCE(MAX(place), 0) + 1 FROM jobs").fetchone()[0]
            text = json.dumps(request.to_dict())
            row = (job_id, kind or request.kind, text, JobState.QUEUED, owner, save, place, time.time(), asked)
            try:
                columns = "id, kind, request, state, owner, save, place, created, asked"
                db.execute(f"INSERT INTO jobs ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", row)
            except sqlite3.IntegrityError as error:
                raise ValueError(f"There is a job “{job_id}” already.") from error
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raise JobNotFound if there is no such job."""
        jobs = self._jobs("WHERE id = ?", job_id)
        if not jobs:
            raise JobNotFound(f"There is no job “{job_id:.80}”.")
        return jobs[0]

    def asked(self, job_id: str) -> str | None:
        """What `add` was told under this name."""
        return next((row[0] for row in self.query("SELECT asked FROM jobs WHERE id = ?", job_id)), None)

    def waiting(self) -> list[Job]:
        """The queued jobs, next one first."""
        return self._jobs("WHERE state = 'queued' ORDER BY place")

    def coming(self, limit: int) -> list[Job]:
        """The first of the jobs that wait and are not held back."""
        return self._jobs("WHERE state = 'queued' AND NOT held ORDER BY place LIMIT ?", limit)

    def ahead(self, job: Job) -> int:
        """How many jobs come before a queued one, the running one included; 0 for any other."""
        if job.state is not JobState.QUEUED:
            return 0
        before = "state = 'running' OR (state = 'queued' AND NOT held AND place < (SELECT place FROM jobs WHERE id = ?))"
        with self._lock:
            return self._db.execute(f"SELECT COUNT(*) FROM jobs WHERE {before}", (job.id,)).fetchone()[0]

    def sources(self) -> set[str]:
        """The digests of all source pictures and masks that jobs refer to."""
        fields = [f"json_extract(request, '$.{name}')" for name in ("source", "mask", "hires_source")]
        with self._lock:
            rows = self._db.execute(f"SELECT {', '.join(fields)} FROM jobs").fetchall()
            listed = "SELECT json_extract(value, '$.digest') FROM jobs, json_each(jobs.request, '$.sources')"
            rows += self._db.execute(listed).fetchall()
        return {digest for row in rows for digest in row if digest}

    def running(self) -> Job | None:
        return next(iter(self._jobs("WHERE state = 'running'")), None)

    def free_id(self, wanted: str) -> str:
        """For a job that does once more what another was for: its id with a number, unless there is no such job yet."""
        job_id, number = wanted, 1
        while self.query("SELECT 1 FROM jobs WHERE id = ?", job_id):
            number += 1
            job_id = f"{wanted}-{number}"
        return job_id

    def recent(self, limit: int = 20) -> list[Job]:
        """The newest jobs of any state, newest first; of a plot, with whose id those of its jobs begin, only its newest cell."""
        with self._lock:
            found: dict[str, str] = {}
            for job_id, kind in self._db.execute("SELECT id, kind FROM jobs ORDER BY created DESC"):
                found.setdefault("-".join(job_id.split("-")[:2]) if kind == "plot" else job_id, job_id)
                if len(found) == limit:
                    break
            return [self.get(job_id) for job_id in found.values()]

    def start_next(self) -> Job | None:
        """Mark the first waiting job that is not held back as running and return it; None if there is none."""
        with self.transaction() as db:
            row = db.execute("SELECT id FROM jobs WHERE state = 'queued' AND NOT held ORDER BY place LIMIT 1").fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 WHERE id = ?", (time.time(), row[0])
            )
        return self.get(row[0])

    def requeue(self, job_id: str, note: str) -> Job:
        """Put a running job back, before all that wait."""
        with self.transaction() as db:
            place = db.execute("SELECT COALESCE(MIN(place), 0) - 1 FROM jobs").fetchone()[0]
            db.execute(
                "UPDATE jobs SET state = 'queued', place = ?, note = ? WHERE id = ? AND state = 'running'", (place, note, job_id)
            )
        return self.get(job_id)

    def finish(self, job_id: str, state: JobState, *, note: str = "", error: str = "", field: str | None = None) -> Job:
        """End a job; one that has ended already stays as it is. Without a new note the old one is kept."""
        with self.transaction() as db:
            db.execute(
                "UPDATE jobs SET state = ?, finished = ?, note = COALESCE(NULLIF(?, ''), note), error = ?, error_field = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (state, time.time(), note, error, field, job_id),
            )
        return self.get(job_id)

    def cancel_waiting(self, job_id: str, note: str = "") -> bool:
        """Take a job out of the queue; False if it is not waiting (any more)."""
        with self.transaction() as db:
            changed = db.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ?, note = ? WHERE id = ? AND state = 'queued'",
                (time.time(), note, job_id),
            )
            return changed.rowcount == 1

    # ---- pictures

    def begin_picture(self, picture: Picture, digest: str) -> None:
        """Note that `picture.path` is about to appear, holding bytes of this sha256."""
        self._put_picture(picture, digest)

    def finish_picture(self, picture: Picture) -> None:
        """Record a picture as finished (with `path` None: as kept in memory only)."""
        self._put_picture(picture, None)

    def _put_picture(self, picture: Picture, digest: str | None) -> None:
        row = (picture.job_id, picture.index, str(picture.seed), picture.width, picture.height, picture.infotext)
        with self.transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO pictures ({_PICTURE}, digest) VALUES (?,?,?,?,?,?,?,?,?)",
                (*row, picture.path, picture.saved, digest),
            )

    def drop_picture(self, job_id: str, index: int) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM pictures WHERE job_id = ? AND number = ?", (job_id, index))

    def picture(self, job_id: str, index: int) -> Picture:
        """Raise JobNotFound if the job has no such picture."""
        for picture in self.get(job_id).pictures:
            if picture.index == index:
                return picture
        raise JobNotFound(f"Job “{job_id:.80}” has no picture {index}.")

    def unsaved_pictures(self) -> list[Picture]:
        """Files of finished jobs that nobody asked to save and nobody has fetched and forgotten."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {', '.join('p.' + name for name in _PICTURE.split(', '))} FROM pictures p JOIN jobs j ON j.id = p.job_id"
                " WHERE NOT p.saved AND p.path IS NOT NULL AND j.state NOT IN ('queued', 'running')"
            ).fetchall()
        return [_picture(row) for row in rows]

    def unfinished_writes(self) -> list[Writing]:
        with self._lock:
            rows = self._db.execute(f"SELECT {_PICTURE}, digest FROM pictures WHERE digest IS NOT NULL").fetchall()
        return [Writing(_picture(row[:-1]), row[-1]) for row in rows]

    # ---- reading

    def _jobs(self, clause: str, *values: object) -> list[Job]:
        with self._lock:
            rows = self._db.execute(f"SELECT {_JOB} FROM jobs {clause}", values).fetchall()
            return [self._job(row) for row in rows]

    def _job(self, row: tuple) -> Job:
        job_id, kind, request, state, owner, save, created, started, finished, attempts, note, error, error_field, held = row
        pictures = self._db.execute(
            f"SELECT {_PICTURE} FROM pictures WHERE job_id = ? AND digest IS NULL ORDER BY number", (job_id,)
        )
        return Job(
            id=job_id,
            kind=kind,
            request=GenerationRequest() if kind == "extras" else read_request(request)[0],
            extras=read_extras(request)[0] if kind == "extras" else None,
            state=JobState(state),
            owner=owner,
            save=bool(save),
            created=created,
            started=started,
            finished=finished,
            attempts=attempts,
            note=note,
            error=error,
            error_field=error_field,
            held=bool(held) and state == JobState.QUEUED,
            pictures=tuple(_picture(picture) for picture in pictures),
        )


def _picture(row: tuple) -> Picture:
    job_id, index, seed, width, height, infotext, path, saved = row
    return Picture(job_id, index, int(seed), width, height, infotext, path, bool(saved))
