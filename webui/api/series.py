"""`/api/v1/series`: several jobs of one request, by a script."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from webui.api.job_json import job_json
from webui.api.services import Services
from webui.core.request import GenerationRequest
from webui.jobs.series import cancel_series, submit_series


class SeriesBody(BaseModel):
    request: dict[str, Any] = Field({}, description="The fields of a job.")
    script: dict[str, Any] = Field({}, description="`script`: its name; the others are its options.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])

    @routes.post("/series", status_code=201)
    def submit(body: SeriesBody) -> list[dict[str, Any]]:
        """Queue what a script makes of a request; all of it is on disk when this answers."""
        request = GenerationRequest.from_dict(body.request)
        jobs = submit_series(services.dispatcher, request, body.script, owner=body.owner)
        return [job_json(job, services.store.ahead(job)) for job in jobs]

    @routes.post("/series/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, int]:
        """Stop all jobs that the script made which this one is of; finished pictures are kept."""
        services.store.get(job_id)
        return {"cancelled": cancel_series(services.dispatcher, services.store, job_id)}

    return routes
