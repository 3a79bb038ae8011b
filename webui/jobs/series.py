"""Queuing what a script makes of a request: a job for each, so that all of them are on disk before the first begins."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webui.core.request import GenerationRequest
from webui.core.series import WithStyles, needs_seed, requests_of, script_of
from webui.errors import InvalidRequest
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.resolve import RANDOM_SEED_LIMIT
from webui.jobs.store import Job, JobStore

#: How the ids of a script's jobs begin; what they have in common comes next.
PREFIX = "series-"


def submit_series(
    dispatcher: Dispatcher,
    request: GenerationRequest,
    options: Mapping[str, Any],
    *,
    owner: str = "",
    with_styles: WithStyles | None = None,
) -> list[Job]:
    """Queue a request, or what the script that `options` name makes of it; see `core.series`.

    All requests are looked through before the first is queued.

    Raises:
        InvalidRequest and whatever else `Dispatcher.submit` raises.
    """
    script = script_of(options)
    if script is None:
        return [dispatcher.submit(request, owner=owner)]
    if request.seed == -1 and needs_seed(script):
        request = replace(request, seed=secrets.randbelow(RANDOM_SEED_LIMIT))
    made = requests_of(script, request, with_styles)
    name = f"{PREFIX}{secrets.token_hex(5)}"
    return [
        dispatcher.submit(each.request, owner=owner, save=each.save, job_id=f"{name}-{number:04}")
        for number, each in enumerate(made, 1)
    ]


def cancel_series(dispatcher: Dispatcher, store: JobStore, job_id: str) -> int:
    """Take all jobs of the same script out of the queue, and stop the one that runs.

    Returns:
        How many were waiting or running.

    Raises:
        InvalidRequest: no script made the job.
    """
    name = job_id.rpartition("-")[0]
    if not name.startswith(PREFIX):
        raise InvalidRequest("job_id", f"The job “{job_id:.80}” was not made by a script.")
    running = store.running()
    active = [job.id for job in (*store.waiting(), *([running] if running else [])) if job.id.rpartition("-")[0] == name]
    dispatcher.cancel_waiting(active)
    for last in active[-1:]:
        dispatcher.cancel(last)  # the one that runs, if any does
    return len(active)
