"""A job database that cannot be written for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from webui.errors import SaveFailed
from webui.jobs import following


def refuse(*_: object, **__: object) -> None:
    raise SaveFailed("The job database could not be written: disk full.")


def refuse_once(
    patch: pytest.MonkeyPatch,
    store: type,
    method: str,
    when: Callable[[Mapping[str, Any]], bool] = lambda values: True,
    *,
    told: int = 1,
) -> list[Any]:
    """Have the first call of a store's method fail for whose values this holds, and work be tried again soon.

    Returns which argument the call that fails has at the place `told`: 0 for the plot or script, 1 for the cell or part.
    """
    write, failed = getattr(store, method), []

    def write_or_refuse(self: object, *place: Any, **values: Any) -> None:
        if when(values) and not failed:
            failed.append(place[told])
            refuse()
        write(self, *place, **values)

    patch.setattr(following, "AGAIN", 0.02)
    patch.setattr(store, method, write_or_refuse)
    return failed
