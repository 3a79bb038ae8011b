"""The event bus for asyncio: following it, waiting for a job, and telling of it as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from webui.api.services import Services
from webui.errors import WebUIError
from webui.jobs.events import Event, EventBus, JobChanged, Subscription
from webui.jobs.store import Job

KEEP_ALIVE = 10.0

_ENDED = object()


class Stopping(WebUIError):
    """The program ends while somebody waits."""

    status = 503


@contextlib.asynccontextmanager
async def following(bus: EventBus, keep_alive: float | None = None) -> AsyncIterator[AsyncIterator[Event | None]]:
    """Listen from here on: the state of things, then what happens; None after each `keep_alive` seconds of silence.

    Holds no thread while it waits, and ends when the bus is closed.
    """
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(changed.set)

    with bus.subscribe() as subscription:
        subscription.on_event(wake)
        yield _events(subscription, changed, KEEP_ALIVE if keep_alive is None else keep_alive)


async def _events(subscription: Subscription, changed: asyncio.Event, keep_alive: float) -> AsyncIterator[Event | None]:
    while not subscription.closed:
        changed.clear()  # before looking: what comes while we look wakes us again
        while (event := subscription.get_nowait()) is not None:
            yield event
        try:
            await asyncio.wait_for(changed.wait(), keep_alive)
        except TimeoutError:
            yield None


async def wait_for_job(services: Services, job_id: str) -> Job:
    """The job when it is finished, however long that takes. Raise Stopping if the program ends before."""
    async with following(services.bus) as events:
        job = await run_in_threadpool(services.store.get, job_id)
        while not job.state.finished:
            event = await anext(events, _ENDED)
            if event is _ENDED:
                raise Stopping(f"The program is being stopped; job {job_id} goes on after the next start.")
            if event is None or (isinstance(event, JobChanged) and event.job.id == job_id):
                job = await run_in_threadpool(services.store.get, job_id)
        return job


def event_stream(messages: AsyncIterator[Mapping[str, Any] | None]) -> StreamingResponse:
    """Each message as one event, whose data is JSON; None as a comment that keeps the connection alive."""

    async def lines() -> AsyncIterator[str]:
        yield ": connected\n\n"  # proxies and browsers then know that the stream is open
        async for message in messages:
            yield ": keep-alive\n\n" if message is None else f"data: {json.dumps(message)}\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)
