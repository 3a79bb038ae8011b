"""`/sdapi/v1`: enlarging pictures that are there already, and the upscalers that do it."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from webui.api.examples import PICTURE, example
from webui.api.sdapi_img2img import decode_picture
from webui.api.sdapi_options import fetching
from webui.api.services import Services
from webui.api.sse import wait_for_job
from webui.core.fields.hires import LATENT_UPSCALERS
from webui.core.params import params_of
from webui.core.postprocessing import NO_UPSCALER, SCALE_BY, SCALE_TO, ExtrasRequest, ExtrasSource
from webui.errors import InvalidRequest, WebUIError
from webui.jobs.store import Job, JobState
from webui.storage.picture_folders import keep_picture

#: Of A1111's request, those that go by their number or are not ours.
_BY_API = {spec.api_name: name for name, spec in params_of(ExtrasRequest).items()}
_RESIZE_MODES = (SCALE_BY, SCALE_TO)


class ExtrasBody(BaseModel):
    resize_mode: int = Field(0, description="0: by upscaling_resize; 1: to upscaling_resize_w × upscaling_resize_h.")
    show_extras_results: bool = True
    gfpgan_visibility: float = 0
    codeformer_visibility: float = 0
    codeformer_weight: float = 0
    upscaling_resize: float = 2
    upscaling_resize_w: int = 512
    upscaling_resize_h: int = 512
    upscaling_crop: bool = True
    upscaler_1: str = NO_UPSCALER
    upscaler_2: str = NO_UPSCALER
    extras_upscaler_2_visibility: float = 0
    upscale_first: bool = Field(False, description="Without effect.")


class SingleBody(ExtrasBody):
    model_config = ConfigDict(json_schema_extra=example(image=PICTURE, upscaler_1="Lanczos", upscaling_resize=2))

    image: str = Field("", description="A picture as base64, with or without a data: prefix.")


class FileData(BaseModel):
    data: str = Field(description="A picture as base64, with or without a data: prefix.")
    name: str = ""


class BatchBody(ExtrasBody):
    model_config = ConfigDict(json_schema_extra=example(imageList=[{"data": PICTURE, "name": "cat.png"}], upscaler_1="Lanczos"))

    imageList: list[FileData] = Field(description="The pictures.")


class ExtrasFailed(WebUIError):
    """The job ended with an error that is no fault of the request."""


def add_routes(routes: APIRouter, services: Services) -> None:
    @routes.post("/extra-single-image")
    async def single(body: SingleBody) -> dict[str, Any]:
        """Enlarge a picture and answer when it is there."""
        if not body.image:
            raise InvalidRequest("image", "image is missing: send a picture in it, as base64.")
        job, pictures = await _made(services, body, [FileData(data=body.image)])
        return {"html_info": _html(job), "image": pictures[0]}

    @routes.post("/extra-batch-images")
    async def batch(body: BatchBody) -> dict[str, Any]:
        """Enlarge several pictures and answer when they are there."""
        job, pictures = await _made(services, body, body.imageList)
        return {"html_info": _html(job), "images": pictures}

    @routes.get("/upscalers")
    def upscalers() -> list[dict[str, Any]]:
        """The built-in upscalers and the models that can be used."""
        return [
            {
                "name": info.name,
                "model_name": None if info.path is None else info.path.stem,
                "model_path": None if info.path is None else str(info.path),
                "model_url": None,
                "scale": info.scale,
            }
            for info in services.upscalers.all()
            if info.problem is None
        ]

    @routes.get("/latent-upscale-modes")
    def latent_upscale_modes() -> list[dict[str, Any]]:
        return [{"name": name} for name in LATENT_UPSCALERS]


async def _made(services: Services, body: ExtrasBody, files: list[FileData]) -> tuple[Job, list[str]]:
    job = await run_in_threadpool(_submit, services, body, files)
    try:
        job = await wait_for_job(services, job.id)
        if job.state is not JobState.DONE or not job.pictures:
            if job.error_field:
                raise InvalidRequest(_api_name(job.error_field), job.error)
            raise ExtrasFailed(job.error or job.note or "The job was interrupted before a picture was there.")
        return job, await run_in_threadpool(_encoded, services, job)
    finally:
        await run_in_threadpool(services.dispatcher.forget_unsaved, job.id)


def _submit(services: Services, body: ExtrasBody, files: list[FileData]) -> Job:
    if body.resize_mode not in (0, 1):
        raise InvalidRequest("resize_mode", f"resize_mode is {body.resize_mode}; it can be 0 (by a factor) or 1 (to a size).")
    values = {
        name: getattr(body, api) for api, name in _BY_API.items() if api in type(body).model_fields and api != "resize_mode"
    }
    try:
        request = ExtrasRequest(
            **values, resize_mode=_RESIZE_MODES[body.resize_mode], sources=tuple(_source(services, file) for file in files)
        )
        return services.dispatcher.submit_extras(request, owner="API", save=False)
    except InvalidRequest as error:
        raise type(error)(_api_name(error.field), str(error)) from error


def _source(services: Services, file: FileData) -> ExtrasSource:
    return keep_picture(decode_picture("image", file.data, fetching(services)), file.name or "image", services.sources)


def _api_name(field: str) -> str:
    spec = params_of(ExtrasRequest).get(field)
    return spec.api_name if spec else field


def _encoded(services: Services, job: Job) -> list[str]:
    return [base64.b64encode(services.dispatcher.picture_bytes(picture)).decode() for picture in job.pictures]


def _html(job: Job) -> str:
    assert job.extras is not None
    lines = (f"<p>{escape(key)}: {escape(str(value))}</p>" for key, value in job.extras.entries().items())
    return f"<div>{''.join(lines)}</div>"
