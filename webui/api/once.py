"""A POST that is sent again because its answer was lost must not queue a second job: the client names it by a key of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from webui.api.services import Services
from webui.errors import InvalidRequest, JobNotFound
from webui.jobs.store import Job

#: The header, as a route's argument.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text that is new for each job. Sent again with the same body, it answers with the job that is there.",
    ),
]

#: How the ids of jobs begin whose clients named a key.
_PREFIX = "key-"


def once(services: Services, key: str | None, what: object, make: Callable[[str | None, str | None], Job]) -> Job:
    """The job that was made for this key, or a new one.

    Args:
        what: is asked for, as plain values.
        make: queues a job with this id and this digest of what was asked (see `JobStore.add`); both None where there is no key.

    Raises:
        InvalidRequest: the key has been used for something else; and what `make` raises.
    """
    if key is None:
        return make(None, None)
    # The id is made of the key, so that the database decides between two that come at the same moment.
    job_id, asked = f"{_PREFIX}{_digest(key)[:24]}", _digest(json.dumps(what))
    try:
        return _known(services, job_id, asked)
    except JobNotFound:
        pass
    try:
        return make(job_id, asked)
    except InvalidRequest as error:
        if error.field != "force_task_id":
            raise
        return _known(services, job_id, asked)


def _known(services: Services, job_id: str, asked: str) -> Job:
    job = services.store.get(job_id)
    if services.store.asked(job_id) != asked:
        raise InvalidRequest("Idempotency-Key", "This Idempotency-Key was used for another request; take a new one.")
    return job


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
