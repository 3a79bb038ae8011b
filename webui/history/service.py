"""The history of all pictures: one thread keeps the index up to date, everybody asks it."""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from webui.errors import PictureNotFound, UnreadableImage
from webui.history.entries import Entry, is_picture
from webui.history.favourites import Favourites
from webui.history.index import Facets, HistoryIndex
from webui.history.query import HistoryQuery
from webui.history.scanning import Scanner
from webui.history.thumbnails import ThumbnailCache
from webui.history.trash import Deletion, Trash
from webui.jobs.events import EventBus, PictureSaved, Subscription
from webui.settings import Settings

log = logging.getLogger(__name__)

#: Who looks at the history has the folders walked, but not more often than this, in seconds.
LOOK_EVERY = 20.0

#: Small pictures that are made before anybody asks, of the newest pictures.
AHEAD = 240

_SCAN, _CHANGED, _STOP = object(), object(), object()


class History:
    """Opened when it is first asked; `start` begins to follow what is made. Thread-safe."""

    def __init__(self, settings: Settings, bus: EventBus) -> None:
        self._settings, self._bus = settings, bus
        self._outputs = settings.outputs_dir.absolute()
        self.thumbnails = ThumbnailCache(settings.state_dir / "thumbnails")
        self.trash = Trash(self._outputs / ".trash")
        self._tasks: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._opening, self._closed = threading.Lock(), threading.Event()
        self._wanted = self._scanning = False  # a walk is asked for; it is done now
        self._told = self._following = False  # jobs have made something; it is taken in now
        self._looked = -LOOK_EVERY  # when the last walk ended
        self._subscription: Subscription | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="history")

    @cached_property
    def _favourites(self) -> Favourites:
        return Favourites(self._outputs)

    @cached_property
    def _opened(self) -> HistoryIndex:
        return HistoryIndex(self._settings.state_dir / "history.sqlite")

    @property
    def index(self) -> HistoryIndex:
        with self._opening:
            return self._opened

    @property
    def _scanner(self) -> Scanner:
        return Scanner(self.index, self._outputs, self._favourites, self._rest)

    # ---- life

    def start(self) -> None:
        """Walk the folders in the background, and follow what jobs make."""
        self._subscription = self._bus.subscribe(replay=False)
        self._subscription.on_event(self._on_event)
        self.scan()
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._tasks.put(_STOP)
        if self._thread.is_alive():
            self._thread.join(5)
        if self._subscription is not None:
            self._subscription.close()
        if "_opened" in self.__dict__:
            self._opened.close()

    def _on_event(self) -> None:
        if not self._told:
            self._told = True
            self._tasks.put(_CHANGED)

    def scan(self) -> None:
        """Walk the folders, later."""
        if not self._wanted:
            self._wanted = True
            self._tasks.put(_SCAN)

    def look(self) -> None:
        """Somebody looks at the history: walk the folders unless that was just done."""
        if not self._scanning and time.monotonic() - self._looked > LOOK_EVERY:
            self.scan()

    @property
    def scanning(self) -> bool:
        """Whether the index may still lack something."""
        return self._wanted or self._scanning or self._told or self._following

    # ---- what others ask

    def page(self, query: HistoryQuery, *, after: int | None = None, count: int = 100) -> list[Entry]:
        """At most `count` pictures after the one of id `after`."""
        return self.index.page(query, after=after, count=count)

    def total(self, query: HistoryQuery) -> int:
        return self.index.total(query)

    def facets(self) -> Facets:
        return self.index.facets()

    def get(self, number: int) -> tuple[Entry, str]:
        """A picture and its infotext. Raise PictureNotFound."""
        return self.index.get(number)

    def shown_path(self, entry: Entry) -> str:
        """Where it lies, as people read it: below the outputs folder."""
        inside = entry.path.is_relative_to(self._outputs)
        return entry.path.relative_to(self._outputs).as_posix() if inside else str(entry.path)

    def set_favourite(self, number: int, favourite: bool) -> Entry:
        """Raise PictureNotFound, SaveFailed."""
        entry, _ = self.index.get(number)
        self._favourites.set(entry.path, favourite)
        self.index.set_favourite(number, favourite)
        return self.index.get(number)[0]

    def delete(self, numbers: Sequence[int]) -> tuple[Deletion, list[str]]:
        """Move pictures to the trash; also a sentence for each that could not be moved. Raise PictureNotFound, SaveFailed."""
        entries = []
        for number in dict.fromkeys(numbers):
            with contextlib.suppress(PictureNotFound):
                entries.append(self.index.get(number)[0])
        if not entries:
            raise PictureNotFound("None of these pictures is in the history any more.")
        deletion, problems = self.trash.delete(entry.path for entry in entries)
        self.index.remove(entry.path for entry in entries if not entry.path.exists())
        return deletion, problems

    def restore(self, deletion_id: str) -> tuple[list[Entry], list[str]]:
        """Take back a deletion; what lies there again, and a sentence for each that does not. Raise PictureNotFound."""
        restored, problems = self.trash.restore(deletion_id)
        paths = [path for path in restored if is_picture(path.name)]  # a text beside one is none
        for path in paths:
            self._scanner.read(path)
        return [entry for path in paths if (entry := self.index.find(path))], problems

    def thumbnail(self, entry: Entry) -> bytes:
        """Raise UnreadableImage."""
        return self.thumbnails.of(entry)

    # ---- the thread

    def _work(self) -> None:
        while (task := self._tasks.get()) is not _STOP:
            try:
                if task is _SCAN:
                    self._scan()
                else:
                    self._follow()
            except _Closing:
                return
            except (sqlite3.Error, OSError) as error:  # a full disk, say; the next look tries again
                log.warning("The history could not be brought up to date: %s", error)
            except Exception:
                log.exception("While bringing the history up to date")

    def _follow(self) -> None:
        """Take in what jobs have made since."""
        self._following = True  # before `_told` goes: `scanning` must not be False in between
        try:
            self._told = False
            while self._subscription is not None and (event := self._subscription.get_nowait()) is not None:
                if isinstance(event, PictureSaved) and event.picture.saved and event.picture.path:
                    self._take_in(Path(event.picture.path).absolute())
        finally:
            self._following = False

    def _take_in(self, path: Path) -> None:
        if self._scanner.read(path) and (entry := self.index.find(path)):
            self._make_small(entry)

    def _scan(self) -> None:
        self._scanning, self._wanted = True, False
        try:
            self._scanner.scan(on_change=self._follow_meanwhile)
            self.trash.sweep()
        finally:
            self._looked, self._scanning = time.monotonic(), False
        for entry in self.index.page(HistoryQuery(), after=None, count=AHEAD):
            self._follow_meanwhile()
            if not self.thumbnails.has(entry):
                begun = time.monotonic()
                self._make_small(entry)
                self._rest(time.monotonic() - begun)

    def _follow_meanwhile(self) -> None:
        if self._closed.is_set():
            raise _Closing
        self._follow()

    def _make_small(self, entry: Entry) -> None:
        with contextlib.suppress(UnreadableImage):
            self.thumbnails.of(entry)

    def _rest(self, worked: float) -> None:
        """As long as was worked, so that half of a processor at most is taken."""
        self._closed.wait(min(worked, 1.0))


class _Closing(Exception):
    """The program ends while the folders are walked."""
