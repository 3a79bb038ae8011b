"""The job database's file: its tables, opening it, and what becomes of one that is damaged."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path

from webui.errors import WebUIError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL,
    save INTEGER NOT NULL, place REAL NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', error_field TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, place);
CREATE INDEX IF NOT EXISTS jobs_by_creation ON jobs (created);
CREATE TABLE IF NOT EXISTS pictures (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL, seed TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, infotext TEXT NOT NULL, path TEXT, saved INTEGER NOT NULL,
    digest TEXT, PRIMARY KEY (job_id, number)
);
CREATE TABLE IF NOT EXISTS plots (
    id TEXT PRIMARY KEY, plot TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, save INTEGER NOT NULL,
    created REAL NOT NULL, started REAL, finished REAL, note TEXT NOT NULL DEFAULT '', grids TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS plots_by_creation ON plots (created);
CREATE TABLE IF NOT EXISTS plot_cells (
    plot_id TEXT NOT NULL REFERENCES plots (id) ON DELETE CASCADE, place TEXT NOT NULL, position INTEGER NOT NULL,
    state TEXT NOT NULL, job_id TEXT, error TEXT NOT NULL DEFAULT '', error_field TEXT, seconds REAL, sharpness REAL,
    similarity REAL, PRIMARY KEY (plot_id, place)
);
CREATE INDEX IF NOT EXISTS plot_cells_by_job ON plot_cells (job_id);
CREATE TABLE IF NOT EXISTS series (
    id TEXT PRIMARY KEY, script TEXT NOT NULL, request TEXT NOT NULL, asked TEXT NOT NULL, state TEXT NOT NULL,
    owner TEXT NOT NULL, save INTEGER NOT NULL, created REAL NOT NULL, begun REAL NOT NULL, finished REAL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS series_by_creation ON series (created);
CREATE TABLE IF NOT EXISTS series_parts (
    series_id TEXT NOT NULL REFERENCES series (id) ON DELETE CASCADE, number INTEGER NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, state TEXT NOT NULL, job_id TEXT, error TEXT NOT NULL DEFAULT '', seconds REAL,
    facts TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (series_id, number)
);
CREATE INDEX IF NOT EXISTS series_parts_by_job ON series_parts (job_id);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY);
"""
_VERSION = 2  # of the schema, in SQLite's user_version

#: Columns that came after version 1 of a table, which older files lack: `held` back in the queue; what was `asked` with
#: a key, as a digest, which series call their `body`.
_ADDED = {
    "jobs": {"held": "INTEGER NOT NULL DEFAULT 0", "asked": "TEXT"},
    "plots": {"asked": "TEXT"},
    "series": {"body": "TEXT"},
    "plot_cells": {"favourite": "INTEGER NOT NULL DEFAULT 0"},
}


def open_or_set_aside(path: Path) -> tuple[sqlite3.Connection, str]:
    """The connection, and what people must be told: a file that is no database any more is set aside and an empty one serves.

    Raises:
        sqlite3.OperationalError: it cannot be read or written at all.
        WebUIError: it was made by a newer version.
    """
    try:
        return _open(path), ""
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        aside = _set_aside(path)
        problem = f"The job database {path} is damaged ({error}). It was set aside as {aside.name}; the queue is empty."
        return _open(path), problem


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise WebUIError(
                f"The job database {path} was made by a newer version of Periplus. Use that one, or move the file away."
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.executescript(_SCHEMA)
        _add_columns(db)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        db.close()
        raise
    return db


def _add_columns(db: sqlite3.Connection) -> None:
    for table, columns in _ADDED.items():
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in columns.items():
            if name not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def _set_aside(path: Path) -> Path:
    number = next(number for number in itertools.count(1) if not path.with_suffix(f".broken-{number}").exists())
    aside = path.with_suffix(f".broken-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
