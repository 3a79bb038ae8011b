"""`/api/v1`: "Hires. fix" on a picture that is there already."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as PathParam
from pydantic import BaseModel, ConfigDict, Field, create_model

from webui.api.answers import JobAnswer
from webui.api.examples import example
from webui.api.job_json import job_json
from webui.api.jobs import JobId, field_of
from webui.api.once import IdempotencyKey, once
from webui.api.services import Services
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.jobs.second_pass import SECOND_PASS, second_pass_on
from webui.jobs.store import Job


class _Options(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra=example(hires_upscaler="Latent", hires_scale=1.5, denoising_strength=0.5),
    )

    save: bool = Field(True, description="Whether the picture is kept in the outputs folder.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")


_FIELDS: dict[str, Any] = {name: field_of(params_of(GenerationRequest)[name]) for name in SECOND_PASS}
SecondPass: type[BaseModel] = create_model("SecondPass", __base__=_Options, **_FIELDS)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])

    @routes.post("/jobs/{job_id}/pictures/{index}/hires", status_code=201)
    def hires(
        job_id: JobId,
        index: Annotated[int, PathParam(ge=0)],
        body: SecondPass,  # pyright: ignore[reportInvalidTypeForm]
        response: Response,
        key: IdempotencyKey = None,
    ) -> JobAnswer:
        """Queue the second pass of a finished picture. All that is not said here is as it was when the picture was made."""
        values = body.model_dump()
        save, owner = values.pop("save"), values.pop("owner")
        picture = services.store.picture(job_id, index)
        made = services.store.get(job_id).request.single(index)
        source = services.sources.put(services.dispatcher.picture_bytes(picture), "the picture")
        request = second_pass_on(made, (picture.width, picture.height), source, values)

        def make(new_id: str | None, asked: str | None) -> Job:
            return services.dispatcher.submit(request, owner=owner, save=save, job_id=new_id, asked=asked)

        job = once(services.store, key, ["hires", job_id, index, body.model_dump()], make)
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return job_json(job, services.store.ahead(job))

    return routes
