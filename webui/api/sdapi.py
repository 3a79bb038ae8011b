"""`/sdapi/v1`: A1111's HTTP API, so that its clients work unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from webui.api import sdapi_extensions, sdapi_extras, sdapi_internal, sdapi_models, sdapi_options, sdapi_scripts, sdapi_server
from webui.api.answers import PngInfoAnswer, ProgressAnswer
from webui.api.examples import PICTURE, example
from webui.api.sdapi_answer import AnswerFormat, echo, encoded_pictures, info_text, progress_json
from webui.api.sdapi_fields import Img2ImgRequest, Txt2ImgRequest
from webui.api.sdapi_img2img import decode_picture, first_pass_values, source_values
from webui.api.sdapi_options import current_vae, fetching
from webui.api.sdapi_request import Translated, api_field, translate, with_styles
from webui.api.services import Services
from webui.api.sse import wait_for_job
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen
from webui.errors import InvalidRequest, JobNotFound, WebUIError
from webui.jobs.store import Job, JobState
from webui.storage.metadata import read_infotext


class PicturesResponse(BaseModel):
    images: list[str] | None = Field(description="PNG files as base64, each with its infotext.")
    parameters: dict[str, Any]
    info: str = Field(description="A JSON object as text.")


class PictureBody(BaseModel):
    model_config = ConfigDict(json_schema_extra=example(image=PICTURE))

    image: str = Field(description="A picture as base64, with or without a data: prefix.")


class JobFailed(WebUIError):
    """The job ended with an error that is no fault of the request."""


def router(services: Services) -> APIRouter:
    routes = APIRouter()
    sdapi = APIRouter(prefix="/sdapi/v1", tags=["A1111's API"])
    _add_generation(sdapi, services)
    _add_progress(sdapi, services)
    _add_png_info(sdapi, services)
    sdapi_models.add_routes(sdapi, services)
    sdapi_options.add_routes(sdapi, services)
    sdapi_extras.add_routes(sdapi, services)
    sdapi_extensions.add_routes(sdapi, services)
    sdapi_server.add_routes(sdapi, services)
    routes.include_router(sdapi)
    internal = APIRouter(tags=["A1111's API"])
    sdapi_internal.add_routes(internal, services)
    routes.include_router(internal)
    return routes


# ---- txt2img and img2img


def _add_generation(routes: APIRouter, services: Services) -> None:
    @routes.post("/txt2img", response_model=PicturesResponse)
    async def txt2img(body: Txt2ImgRequest) -> Response:  # pyright: ignore[reportInvalidTypeForm]
        """Make pictures and answer when they are there. The job goes on if the client leaves."""
        return await _make(services, "txt2img", body, lambda: first_pass_values(body, services.sources, fetching(services)))

    @routes.post("/img2img", response_model=PicturesResponse)
    async def img2img(body: Img2ImgRequest) -> Response:  # pyright: ignore[reportInvalidTypeForm]
        """Make pictures from a picture and answer when they are there. The job goes on if the client leaves."""
        return await _make(services, "img2img", body, lambda: source_values(body, services.sources, fetching(services)))


async def _make(services: Services, tab: str, body: BaseModel, read_source: Callable[[], dict[str, Any]]) -> Response:
    if script := sdapi_scripts.title_of(body, tab):
        translated = await run_in_threadpool(_translated, services, body, read_source)
        return await sdapi_scripts.make(services, body, script, translated)
    translated, job = await run_in_threadpool(_submit, services, body, read_source)
    try:
        job = await wait_for_job(services, job.id)
        return await run_in_threadpool(_answer, services, body, translated, job)
    finally:
        await run_in_threadpool(_forget_unsaved, services, job)


def _translated(services: Services, body: Any, read_source: Callable[[], dict[str, Any]]) -> Translated:
    translated = translate(body, {"sd_vae": current_vae(services)}, services.plugins.kinds, read_source())
    return with_styles(translated, body.styles, services.styles)


def _submit(services: Services, body: Any, read_source: Callable[[], dict[str, Any]]) -> tuple[Translated, Job]:
    AnswerFormat.of(body, services.preferences.current)  # it is one that there is
    translated = _translated(services, body, read_source)
    try:
        job = services.dispatcher.submit(
            translated.request, owner="API", save=bool(body.save_images), job_id=_free_id(services, body.force_task_id)
        )
    except InvalidRequest as error:
        raise type(error)(api_field(error.field, services.plugins.kinds), str(error)) from error
    if body.override_settings_restore_afterwards is False:
        _keep_overrides(services, body.override_settings or {}, translated.request)
    return translated, job


def _free_id(services: Services, wanted: str | None) -> str | None:
    """The id that was asked for; a client that always asks for the same one gets others after the first."""
    if not wanted:
        return None
    try:
        services.store.get(wanted)
    except JobNotFound:
        return wanted
    return None


def _keep_overrides(services: Services, overrides: dict[str, Any], request: GenerationRequest) -> None:
    changes: dict[str, Any] = {}
    if overrides.get("sd_model_checkpoint"):
        changes["checkpoint"] = services.catalog.find_checkpoint(request.checkpoint or "").name
    if overrides.get("sd_vae"):
        changes["vae"] = request.vae
    services.preferences.update(**changes)


def _answer(services: Services, body: BaseModel, translated: Translated, job: Job) -> Response:
    if job.state is JobState.FAILED:
        if job.error_field:
            raise InvalidRequest(api_field(job.error_field, services.plugins.kinds), job.error)
        raise JobFailed(job.error)
    parameters = body.model_dump()
    wanted = AnswerFormat.of(body, services.preferences.current)
    images = encoded_pictures(services, job, wanted) if parameters["send_images"] is not False else []
    info = info_text(services, job, parameters, translated.comments)
    content = {"images": images, "parameters": echo(parameters), "info": info}
    return Response(json.dumps(content), media_type="application/json")


def _forget_unsaved(services: Services, job: Job) -> None:
    if not job.save and job.state.finished:
        services.dispatcher.forget_unsaved(job.id)


# ---- progress


def _add_progress(routes: APIRouter, services: Services) -> None:
    dispatcher, store = services.dispatcher, services.store

    @routes.get("/progress")
    def progress(skip_current_image: bool = False) -> ProgressAnswer:
        if not skip_current_image:
            dispatcher.watch()
        running = store.running()
        latest = dispatcher.progress(running.id) if running else None
        return progress_json(running, store.coming(1), latest, skip_current_image, dispatcher.stopping)

    @routes.post("/interrupt")
    def interrupt() -> dict[str, Any]:
        """Stop the running job after this step, and the script that it is of; finished pictures are kept."""
        running = store.running()
        if running is None or not services.series.cancel_of(running.id):
            dispatcher.cancel_running(CancelWhen.NOW)
        return {}

    @routes.post("/skip")
    def skip() -> None:
        """Leave the batch that is being made and go on with the next."""
        dispatcher.cancel_running(CancelWhen.SKIP)


# ---- PNG info


def _add_png_info(routes: APIRouter, services: Services) -> None:
    @routes.post("/png-info")
    def png_info(body: PictureBody) -> PngInfoAnswer:
        """The infotext of a picture, and its entries one by one."""
        found = read_infotext(decode_picture("image", body.image, fetching(services)), "image")
        parsed = infotext.parse(found.infotext or "")
        prompts = {"Prompt": parsed.prompt, "Negative prompt": parsed.negative_prompt} if found.infotext else {}
        return {"info": found.infotext or "", "items": found.chunks, "parameters": prompts | dict(parsed.settings)}
