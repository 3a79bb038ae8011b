"""`/api/v1/extras`: work on pictures that are there already, queued as a job like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from webui.api.answers import ExtrasJobAnswer
from webui.api.examples import DIGEST, example
from webui.api.job_json import job_json
from webui.api.once import IdempotencyKey, once
from webui.api.services import Services
from webui.core.postprocessing import ExtrasRequest
from webui.jobs.store import Job
from webui.storage.picture_folders import chosen_folder, read_pictures


class ExtrasJobBody(BaseModel):
    model_config = ConfigDict(
        json_schema_extra=example(
            request={"sources": [{"digest": DIGEST, "name": "cat", "infotext": ""}], "upscaler_1": "Lanczos", "upscale_by": 2}
        )
    )

    request: dict[str, Any] = Field(
        {}, description="Fields of an ExtrasRequest; its sources are [{digest, name, infotext}], kept by POST /api/v1/sources."
    )
    folder: str = Field("", max_length=4_000, description="Work on the pictures of this folder instead of the sources.")
    save: bool = Field(True, description="Whether the results are kept in the outputs folder.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])

    @routes.post("/extras", status_code=201)
    def submit(body: ExtrasJobBody, response: Response, key: IdempotencyKey = None) -> ExtrasJobAnswer:
        """Queue a job; it is on disk when this answers. `problems` are sentences on files that cannot be used."""
        request, problems = ExtrasRequest.from_dict(body.request), []
        if body.folder:
            folder = chosen_folder(body.folder, services.settings, "folder")
            found, problems = read_pictures(folder, services.sources, "folder")
            request = replace(request, sources=tuple(found))
        if request.output_folder:
            output = chosen_folder(request.output_folder, services.settings, "output_folder")
            request = replace(request, output_folder=str(output))

        def make(job_id: str | None, asked: str | None) -> Job:
            return services.dispatcher.submit_extras(request, owner=body.owner, save=body.save, job_id=job_id, asked=asked)

        job = once(services.store, key, ["extras", body.model_dump()], make)
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return {**job_json(job, services.store.ahead(job)), "problems": problems}

    return routes
