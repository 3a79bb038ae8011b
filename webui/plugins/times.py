"""How long extensions take for a picture, in both processes together."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping


class Times:
    """In the engine it hands over what a job spent; in the web process it adds up."""

    def __init__(self, spent: defaultdict[str, float]) -> None:
        """
        Args:
            spent: seconds by extension, counted on by this process's hooks.
        """
        self._spent = spent
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._pictures: defaultdict[str, int] = defaultdict(int)

    def taken(self) -> dict[str, float]:
        """What was spent since it was last asked."""
        found = dict(self._spent)
        self._spent.clear()
        return found

    def count(self, engine: Mapping[str, float], pictures: int) -> None:
        """Count a finished job with what the engine says of it. An extension that had no part in it is not made quicker by it."""
        own = self.taken()
        with self._lock:
            for name in {**engine, **own}:
                self._seconds[name] += engine.get(name, 0.0) + own.get(name, 0.0)
                self._pictures[name] += pictures

    def per_picture(self, name: str) -> float | None:
        """Seconds; None: nothing has been made with it since the program started."""
        with self._lock:
            return self._seconds[name] / self._pictures[name] if self._pictures.get(name) else None
