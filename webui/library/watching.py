"""Notices files that come and go in the folders of models, by the times of change of these folders: no file is opened for it, and
nothing beside the standard library is needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from webui.library.folders import Kind
from webui.library.models import ModelLibrary

log = logging.getLogger(__name__)

#: Seconds between two looks.
PAUSE = 2.0

#: Seconds between some files that are read and the next, so that the page does not wait for thousands.
REST = 0.01


class Watch:
    """A thread of its own: it also reads, after each change, the headers that were not read yet."""

    def __init__(self, library: ModelLibrary, tell: Callable[[Sequence[Kind]], None], pause: float = PAUSE) -> None:
        """`tell` hears which kinds have changed."""
        self._library, self._tell, self._pause = library, tell, pause
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="watch models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(5)

    def _work(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                self.look()
            except Exception:
                log.exception("The folders of models could not be looked at; it is tried again.")

    def look(self) -> None:
        """One look at all folders."""
        changed, first = self._library.changes(), not self._looked
        self._looked = True
        if changed:
            self._tell(changed)
        if (changed or first) and (covered := self._library.learn(lambda: self._ended.wait(REST))):
            self._tell(covered)  # once more: their cards were shown without the pictures in their headers
