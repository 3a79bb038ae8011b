"""`/api/v1`: the jobs that wait: their order, holding them back, changing and repeating them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from webui.api.answers import JobAnswer, QueueAnswer
from webui.api.jobs import JobId, as_json, request_model
from webui.api.services import Services
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.jobs.queue_store import Place


class MoveBody(BaseModel):
    """Where to put the job."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "before", "other": "t2i-0123456789ab"}]})

    to: Place
    other: Annotated[str, Field(max_length=200, description="The id of the job that `before` and `after` speak of.")] = ""


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])
    _add_queue_routes(routes, services)
    _add_job_routes(routes, services)
    _add_request_routes(routes, services)
    return routes


def _add_queue_routes(routes: APIRouter, services: Services) -> None:
    def state() -> QueueAnswer:
        queue, running = services.dispatcher.queue, services.store.running()
        return {"waiting": queue.order, "running": running and running.id, "paused": queue.paused}

    @routes.get("/queue")
    def queue() -> QueueAnswer:
        """The ids of the jobs that wait, next one first, that of the running one, and whether the queue is paused."""
        return state()

    @routes.post("/queue/pause")
    def pause() -> QueueAnswer:
        """Begin no job that waits; the running one is finished. It lasts over a restart of the program."""
        services.dispatcher.queue.pause()
        return state()

    @routes.post("/queue/resume")
    def resume() -> QueueAnswer:
        services.dispatcher.queue.pause(False)
        return state()


def _add_job_routes(routes: APIRouter, services: Services) -> None:
    @routes.post("/jobs/{job_id}/move")
    def move(job_id: JobId, body: MoveBody) -> JobAnswer:
        """Put a waiting job first, last, or before or after another that waits."""
        if body.to in (Place.BEFORE, Place.AFTER) and not body.other:
            raise InvalidRequest("other", f"other is missing: {body.to.value} which job?")
        return as_json(services, services.dispatcher.queue.move(job_id, body.to, body.other))

    @routes.post("/jobs/{job_id}/pause")
    def pause(job_id: JobId) -> JobAnswer:
        """Hold a waiting job back: it keeps its place, and others go before it."""
        return as_json(services, services.dispatcher.queue.hold(job_id, True))

    @routes.post("/jobs/{job_id}/resume")
    def resume(job_id: JobId) -> JobAnswer:
        return as_json(services, services.dispatcher.queue.hold(job_id, False))


def _add_request_routes(routes: APIRouter, services: Services) -> None:
    def change(job_id: JobId, body: BaseModel) -> JobAnswer:
        """Have a waiting job make something else. The body holds the whole request, as for a new job; the place stays."""
        request = GenerationRequest.from_dict(body.model_dump())
        return as_json(services, services.dispatcher.queue.change(job_id, request))

    change.__annotations__["body"] = request_model("RequestBody", services.plugins.kinds)  # extensions are loaded by now
    routes.put("/jobs/{job_id}/request")(change)

    @routes.post("/jobs/{job_id}/duplicate", status_code=201)
    def duplicate(job_id: JobId, response: Response, new_seed: bool = False) -> JobAnswer:
        """Queue what a job asks for once more: behind it if it waits, else at the end. `new_seed=true`: of another picture."""
        job = services.dispatcher.duplicate(job_id, new_seed=new_seed)
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return as_json(services, job)
