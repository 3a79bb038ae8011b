"""The index of all pictures in SQLite. A cache: it may be deleted at any time, the folders are walked anew then."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from webui.errors import PictureNotFound
from webui.history.entries import Entry, Facts
from webui.history.query import IDS_EACH, HistoryQuery, conditions, id_at

log = logging.getLogger(__name__)

#: Texts lie in a table of their own, so that filters read little; `words` finds them by word.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    id INTEGER PRIMARY KEY, folder TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, stamp INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL, seed TEXT NOT NULL,
    prompt TEXT NOT NULL, favourite INTEGER NOT NULL, UNIQUE (folder, file)
);
CREATE INDEX IF NOT EXISTS pictures_by_model ON pictures (model);
CREATE INDEX IF NOT EXISTS pictures_by_kind ON pictures (kind);
CREATE INDEX IF NOT EXISTS pictures_counted ON pictures (model, kind);
CREATE INDEX IF NOT EXISTS pictures_liked ON pictures (favourite) WHERE favourite;
CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, infotext TEXT NOT NULL);
"""
_WORDS = """
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    name, infotext, content='texts', content_rowid='id', tokenize="unicode61 remove_diacritics 2", prefix='2 3'
);
CREATE TRIGGER IF NOT EXISTS text_added AFTER INSERT ON texts BEGIN
    INSERT INTO words (rowid, name, infotext) VALUES (new.id, new.name, new.infotext);
END;
CREATE TRIGGER IF NOT EXISTS text_gone AFTER DELETE ON texts BEGIN
    INSERT INTO words (words, rowid, name, infotext) VALUES ('delete', old.id, old.name, old.infotext);
END;
"""
_VERSION = 1  # of the schema, in SQLite's user_version; another one is made anew
_ENTRY = "p.id, p.folder, p.file, p.size, p.stamp, p.width, p.height, p.kind, p.model, p.seed, p.prompt, p.favourite"


@dataclass(frozen=True)
class Facets:
    """What can be filtered by: models and kinds, each with its number of pictures, the commonest first."""

    models: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, int], ...]
    total: int
    favourites: int


class HistoryIndex:
    """Thread-safe. One connection writes; one reads, which waits for no writer; one counts, since that may take long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing, self._reading, self._counting = threading.RLock(), threading.RLock(), threading.RLock()
        try:
            self._writer = self._open()
        except sqlite3.DatabaseError as error:
            log.warning("The index of pictures %s is made anew: %s", path, error)
            self._delete()
            self._writer = self._open()
        self._reader, self._counter = (sqlite3.connect(path, check_same_thread=False, isolation_level=None) for _ in range(2))
        self.indexes_words = self._has_words()

    def close(self) -> None:
        with self._writing, self._reading, self._counting:
            self._writer.close()
            self._reader.close()
            self._counter.close()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"it is of version {version}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # what a crash takes is found again
            db.executescript(_SCHEMA)
            with contextlib.suppress(sqlite3.OperationalError):  # an SQLite without FTS5: letters are compared instead
                db.executescript(_WORDS)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            db.close()
            raise
        return db

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _has_words(self) -> bool:
        return self._writer.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'words'").fetchone()[0] == 1

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise

    def _ask(self, sql: str, *values: object) -> list[tuple]:
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def _count(self, sql: str, *values: object) -> list[tuple]:
        with self._counting:
            return self._counter.execute(sql, values).fetchall()

    # ---- writing

    def put(self, files: Iterable[tuple[Path, int, int, Facts, str, bool]]) -> None:
        """Add files, or what they are now: (path, size, stamp, facts, name to be found by, whether it is a favourite)."""
        with self.transaction() as db:
            for path, size, stamp, facts, name, favourite in files:
                _remove(db, path)
                number = _free_id(db, stamp)
                db.execute(
                    "INSERT INTO pictures VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                    (number, str(path.parent), path.name, size, stamp, facts.width, facts.height, facts.kind, facts.model,
                     facts.seed, facts.prompt, favourite),
                )  # fmt: skip
                db.execute("INSERT INTO texts VALUES (?,?,?)", (number, name, facts.infotext))

    def remove(self, paths: Iterable[Path]) -> None:
        with self.transaction() as db:
            for path in paths:
                _remove(db, path)

    def set_favourite(self, number: int, favourite: bool) -> None:
        with self.transaction() as db:
            db.execute("UPDATE pictures SET favourite = ? WHERE id = ?", (favourite, number))

    # ---- reading

    def page(self, query: HistoryQuery, *, after: int | None, count: int) -> list[Entry]:
        """At most `count` pictures that come after the one of id `after` (or the first)."""
        where, values, match = conditions(query, indexed=self.indexes_words)
        # Asked of the index of words by its own number: then it hands its hits over in this order, without sorting them.
        number, tables = ("words.rowid", "words JOIN pictures p ON p.id = words.rowid") if match else ("p.id", "pictures p")
        if match:
            where, values = ["words MATCH ?", *where], [match, *values]
        if after is not None:
            where, values = [*where, f"{number} {'>' if query.oldest else '<'} ?"], [*values, after]
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        order = f" ORDER BY {number} {'ASC' if query.oldest else 'DESC'} LIMIT ?"
        return [_entry(row) for row in self._ask(f"SELECT {_ENTRY} FROM {tables}{condition}{order}", *values, count)]

    def total(self, query: HistoryQuery) -> int:
        where, values, match = conditions(query, indexed=self.indexes_words)
        if match and not where:
            return self._count("SELECT COUNT(*) FROM words WHERE words MATCH ?", match)[0][0]
        if match:
            where, values = ["p.id IN (SELECT rowid FROM words WHERE words MATCH ?)", *where], [match, *values]
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        return self._count(f"SELECT COUNT(*) FROM pictures p{condition}", *values)[0][0]

    def get(self, number: int) -> tuple[Entry, str]:
        """A picture and its infotext. Raise PictureNotFound."""
        rows = self._ask(f"SELECT {_ENTRY}, t.infotext FROM pictures p JOIN texts t ON t.id = p.id WHERE p.id = ?", number)
        if not rows:
            raise PictureNotFound("This picture is no longer in the history: its file was moved, changed or deleted.")
        return _entry(rows[0][:-1]), rows[0][-1]

    def infotexts(self, numbers: Iterable[int]) -> dict[int, str]:
        """By number, of those that there are."""
        asked = [*numbers]
        marks = ",".join("?" * len(asked))
        return dict(self._ask(f"SELECT id, infotext FROM texts WHERE id IN ({marks})", *asked))

    def find(self, path: Path) -> Entry | None:
        rows = self._ask(f"SELECT {_ENTRY} FROM pictures p WHERE folder = ? AND file = ?", str(path.parent), path.name)
        return _entry(rows[0]) if rows else None

    def facets(self) -> Facets:
        rows = self._count("SELECT model, kind, COUNT(*) FROM pictures GROUP BY model, kind")
        models: dict[str, int] = {}
        kinds: dict[str, int] = {}
        for model, kind, count in rows:
            kinds[kind] = kinds.get(kind, 0) + count
            if model:
                models[model] = models.get(model, 0) + count
        liked = self._count("SELECT COUNT(*) FROM pictures WHERE favourite")[0][0]
        return Facets(_commonest(models), _commonest(kinds), sum(kinds.values()), liked)

    def files(self, folder: Path) -> dict[str, tuple[int, int]]:
        """The files of a folder that are known, each with its size and stamp."""
        return {name: (size, stamp) for name, size, stamp in self._ask(
            "SELECT file, size, stamp FROM pictures WHERE folder = ?", str(folder))}  # fmt: skip

    def folders(self) -> set[Path]:
        return {Path(row[0]) for row in self._ask("SELECT DISTINCT folder FROM pictures")}


def _remove(db: sqlite3.Connection, path: Path) -> None:
    row = db.execute("SELECT id FROM pictures WHERE folder = ? AND file = ?", (str(path.parent), path.name)).fetchone()
    if row is not None:
        db.execute("DELETE FROM pictures WHERE id = ?", row)
        db.execute("DELETE FROM texts WHERE id = ?", row)


def _free_id(db: sqlite3.Connection, stamp: int) -> int:
    first = id_at(stamp / 1e9)
    while True:
        last = db.execute("SELECT MAX(id) FROM pictures WHERE id >= ? AND id < ?", (first, first + IDS_EACH)).fetchone()[0]
        number = first if last is None else last + 1
        if number < first + IDS_EACH:
            return number
        first += IDS_EACH


def _entry(row: tuple) -> Entry:
    number, folder, file, size, stamp, width, height, kind, model, seed, prompt, favourite = row
    return Entry(
        id=number, path=Path(folder) / file, size=size, stamp=stamp, width=width, height=height, kind=kind, model=model,
        seed=seed, prompt=prompt, favourite=bool(favourite),
    )  # fmt: skip


def _commonest(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
