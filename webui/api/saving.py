"""`/api/v1`: the buttons Save and Zip below a finished picture."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from webui.api.downloads import attachment
from webui.api.examples import example
from webui.api.services import Services
from webui.jobs.resolve import model_hashes
from webui.jobs.saving import PictureSaver
from webui.jobs.store import Job

_Index = Annotated[int, Field(ge=0, lt=2**31)]
_JobId = Annotated[str, PathParam(max_length=200)]


class SaveBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=example(pictures=[0, 2]))

    pictures: list[_Index] | None = Field(None, max_length=10_000, description="Their indexes; all of the job where left out.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])
    saver = saver_of(services)

    @routes.post("/jobs/{job_id}/save")
    def save(job_id: _JobId, body: SaveBody) -> dict[str, Any]:
        """Copy finished pictures into the folder log/images, with a row each in its log.csv."""
        paths = saver.save(job_id, body.pictures)
        return {"folder": str(saver.folder), "files": [path.relative_to(saver.folder).as_posix() for path in paths]}

    @routes.get(
        "/jobs/{job_id}/pictures.zip", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}}
    )
    def archive(job_id: _JobId, picture: Annotated[list[_Index] | None, Query(max_length=10_000)] = None) -> StreamingResponse:
        """A zip archive of a job's pictures: all, or those named as `picture=0&picture=3`."""
        name, parts = saver.archive(job_id, picture)
        headers = {"Content-Disposition": attachment(name), "Cache-Control": "private, no-store"}
        return StreamingResponse(parts, media_type="application/zip", headers=headers)

    return routes


def saver_of(services: Services) -> PictureSaver:
    def hash_of(job: Job) -> str:
        return model_hashes(job.request, services.catalog)[0] or ""

    dispatcher = services.dispatcher
    return PictureSaver(
        services.store, services.settings, services.preferences, services.styles.all, dispatcher.picture_bytes, hash_of
    )
