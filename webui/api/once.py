"""A POST that is sent again because its answer was lost must not begin the same work twice: the client names it by a key of its
own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Protocol, TypeVar

from fastapi import Header

from webui.errors import InvalidRequest, JobNotFound, PlotNotFound, WebUIError

Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)


class Kept(Protocol[Made_co]):
    """Where jobs, plots or series are kept by their ids."""

    def get(self, made_id: str, /) -> Made_co:
        """Raise JobNotFound or PlotNotFound."""
        ...

    def asked(self, made_id: str, /) -> str | None:
        """The digest that it was begun with."""
        ...


#: The header, as a route's argument.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text, new for each job, plot or series. Sent again with the same body, it answers with what is there.",
    ),
]

#: How the ids of jobs begin whose clients named a key.
_JOB = "key-"

_NOT_THERE = (JobNotFound, PlotNotFound)


def once(
    kept: Kept[Made], key: str | None, what: object, make: Callable[[str | None, str | None], Made], prefix: str = _JOB
) -> Made:
    """The job (or plot, or series) that was made for this key, or a new one.

    Args:
        what: is asked for, as plain values.
        make: begins it under this id, keeping this digest of what was asked (see `JobStore.add`); both None without a key.
        prefix: how the ids of its kind begin.

    Raises:
        InvalidRequest: the key has been used for something else; and what `make` raises.
    """
    if key is None:
        return make(None, None)
    # The id is made of the key, so that the database decides between two that come at the same moment.
    made_id, asked = f"{prefix}{_digest(key)[:24]}", _digest(json.dumps(what))
    with suppress(*_NOT_THERE):
        return _known(kept, made_id, asked)
    try:
        return make(made_id, asked)
    except (WebUIError, ValueError):
        with suppress(*_NOT_THERE):  # the other one came first
            return _known(kept, made_id, asked)
        raise


def _known(kept: Kept[Made], made_id: str, asked: str) -> Made:
    made = kept.get(made_id)
    if kept.asked(made_id) != asked:
        raise InvalidRequest("Idempotency-Key", "This Idempotency-Key was used for another request; take a new one.")
    return made


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
