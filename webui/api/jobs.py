"""`/api/v1`: jobs that are queued at once, followed by server-sent events, and whose pictures are fetched as files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi import Path as PathParam
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from starlette.concurrency import run_in_threadpool

from webui.api.answers import JobAnswer
from webui.api.downloads import attachment
from webui.api.extras import extras_schema
from webui.api.job_json import event_json, job_json
from webui.api.once import IdempotencyKey, once
from webui.api.services import Services
from webui.api.sse import event_stream, following
from webui.core.extras import ExtraKinds
from webui.core.params import FieldSpec, params_of
from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen
from webui.jobs.events import Event, JobChanged, JobProgress, NoticePosted, PictureSaved, QueueChanged, SettingsChanged
from webui.jobs.store import Job, JobState
from webui.storage.encoding import media_type_of

JobId = Annotated[str, PathParam(max_length=200)]


def _whole_number(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value) else value


def field_of(spec: FieldSpec) -> tuple[Any, Any]:
    """A field as pydantic wants it. Ranges are documented here and checked by the request, whose words are better."""
    param = spec.param
    limits = {"minimum": param.low, "maximum": param.high, "multipleOf": param.multiple_of, "enum": list(param.choices) or None}
    extra: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    kind: Any = spec.kind | None if spec.optional else spec.kind
    if spec.is_long:
        kind = Annotated[kind, BeforeValidator(_whole_number, json_schema_input_type=int | str)]
    text = ". ".join(part.rstrip(".") for part in (param.label, param.help) if part) + "."
    return kind, Field(spec.default, description=text, json_schema_extra=extra)


_REQUEST_FIELDS: dict[str, Any] = {name: field_of(spec) for name, spec in params_of(GenerationRequest).items()}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


#: What the description shows of a request, rather than all its fields.
_EXAMPLE = {"prompt": "red heart", "steps": 20, "width": 128, "height": 128, "guidance_scale": 4, "seed": "18446744073709551615"}


class _JobOptions(_Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "owner": "my script"}]})

    save: bool = Field(True, description="Whether the pictures are kept in the outputs folder.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")


def request_model(name: str, kinds: ExtraKinds, base: type[BaseModel] = _Strict) -> type[BaseModel]:
    """The fields of a request, with the options of these extensions, added to those of `base`."""
    described = Field({}, description="Options of extensions.", json_schema_extra={"properties": extras_schema(kinds)})
    extras: Any = (dict[str, dict[str, Any]], described)
    return create_model(name, __base__=base, extras=extras, **_REQUEST_FIELDS)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])
    _add_job_routes(routes, services)
    _add_cancel_routes(routes, services)
    _add_picture_route(routes, services)
    _add_event_routes(routes, services)
    return routes


def as_json(services: Services, job: Job) -> JobAnswer:
    return job_json(job, services.store.ahead(job))


def _add_job_routes(routes: APIRouter, services: Services) -> None:
    def submit(body: BaseModel, response: Response, key: IdempotencyKey = None) -> JobAnswer:
        """Queue a job; it is on disk when this answers. Fields that are left out have the form's defaults."""
        values = body.model_dump()
        save, owner = values.pop("save"), values.pop("owner")
        request = GenerationRequest.from_dict(values)

        def make(job_id: str | None, asked: str | None) -> Job:
            return services.dispatcher.submit(request, owner=owner, save=save, job_id=job_id, asked=asked)

        job = once(services.store, key, ["jobs", body.model_dump()], make)
        answer = as_json(services, job)
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return answer

    submit.__annotations__["body"] = request_model(
        "JobBody", services.plugins.kinds, _JobOptions
    )  # only known here, when extensions are loaded
    routes.post("/jobs", status_code=201)(submit)

    @routes.get("/jobs")
    def recent(limit: Annotated[int, Field(ge=1, le=200)] = 20) -> list[JobAnswer]:
        """The newest jobs, in any state."""
        return [as_json(services, job) for job in services.store.recent(limit)]

    @routes.get("/jobs/{job_id}")
    def job(job_id: JobId) -> JobAnswer:
        return as_json(services, services.store.get(job_id))


def _add_cancel_routes(routes: APIRouter, services: Services) -> None:
    def cancel(job_id: str, when: CancelWhen) -> JobAnswer:
        return as_json(services, services.dispatcher.cancel(job_id, when))

    @routes.delete("/jobs/{job_id}")
    def delete(job_id: JobId) -> JobAnswer:
        """Take a waiting job out of the queue, or stop a running one after this step. Finished pictures are kept."""
        return cancel(job_id, CancelWhen.NOW)

    @routes.post("/jobs/{job_id}/interrupt")
    def interrupt(job_id: JobId, when: CancelWhen = CancelWhen.NOW) -> JobAnswer:
        return cancel(job_id, when)

    @routes.post("/jobs/{job_id}/skip")
    def skip(job_id: JobId) -> JobAnswer:
        """Leave the batch that is being made unfinished and go on with the next."""
        return cancel(job_id, CancelWhen.SKIP)


def _add_picture_route(routes: APIRouter, services: Services) -> None:
    @routes.get("/jobs/{job_id}/pictures/{index}.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    def picture(
        job_id: JobId,
        index: Annotated[int, PathParam(ge=0, lt=2**31)],
        download: bool = False,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The picture's file, with its infotext, in the format it was saved in. `download=1` makes a browser save it."""
        found = services.store.picture(job_id, index)
        data = services.dispatcher.picture_bytes(found)
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        if if_none_match and etag in if_none_match:
            return Response(status_code=304, headers=headers)
        if download:
            name = Path(found.path).name if found.path else f"{index:05}-{found.seed}.png"
            headers["Content-Disposition"] = attachment(name)
        return Response(data, media_type=media_type_of(data), headers=headers)


def _add_event_routes(routes: APIRouter, services: Services) -> None:
    kinds = "engine, job, queue, progress, picture, plot, task, models, settings or notice"
    description = f"Server-sent events; the data of each is JSON with a `type`: {kinds}."
    stream: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}, "description": description}}

    @routes.get("/events", response_class=StreamingResponse, responses=stream)
    async def events() -> StreamingResponse:
        """The state of things, then everything that happens. Disconnecting cancels nothing."""

        async def messages() -> AsyncIterator[Mapping[str, Any] | None]:
            async with following(services.bus) as events:
                yield event_json(SettingsChanged({}, services.bus.settings_version))  # after listening: none falls between
                async for event in events:
                    yield event and event_json(event)

        return event_stream(messages())

    @routes.get("/jobs/{job_id}/events", response_class=StreamingResponse, responses=stream)
    async def job_events(job_id: JobId) -> StreamingResponse:
        """The job's state, then what happens to it; ends when the job is finished. Disconnecting cancels nothing."""
        await run_in_threadpool(services.store.get, job_id)  # an unknown job answers 404 rather than an empty stream
        return event_stream(_job_messages(services, job_id))


async def _job_messages(services: Services, job_id: str) -> AsyncIterator[Mapping[str, Any] | None]:
    async with following(services.bus) as events:
        # Read after subscribing: what happens between the two is told twice rather than not at all.
        told = await run_in_threadpool(_now, services, job_id)
        yield {"type": "job", "job": told}
        if JobState(told["state"]).finished:
            return
        async for event in events:
            if event is None:
                yield None
            elif isinstance(event, QueueChanged):
                if job_id in event.waiting and (now := await run_in_threadpool(_now, services, job_id)) != told:
                    told = now  # it was moved, or another was
                    yield {"type": "job", "job": told}
            elif _concerns(event, job_id):
                yield event_json(event)
                if isinstance(event, JobChanged) and event.job.state.finished:
                    return


def _now(services: Services, job_id: str) -> JobAnswer:
    return as_json(services, services.store.get(job_id))


def _concerns(event: Event, job_id: str) -> bool:
    if isinstance(event, JobChanged):
        return event.job.id == job_id
    return isinstance(event, JobProgress | PictureSaved | NoticePosted) and event.job_id == job_id
