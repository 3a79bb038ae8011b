"""`/api/v1/metadata`: what a picture's file says of how it was made, and the file without it or with another's."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from webui.api.examples import example
from webui.api.services import Services
from webui.core import infotext
from webui.core.extras import ExtraKinds
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.storage.encoding import ending_of, media_type_of
from webui.storage.fetching import fetch_picture
from webui.storage.metadata import read_infotext
from webui.storage.metadata.rewriting import with_infotext, without_metadata

_NAME = "The picture"
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}}}


class FetchBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=example(url="https://example.org/cat.png"))

    url: str = Field(max_length=8_000, description="An http or https address of a picture.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/metadata", tags=["metadata"])

    @routes.post("")
    async def read(request: Request) -> dict[str, Any]:
        """The settings in a picture (the body) of any known program: as infotext, and as fields of a job's request.

        `unused` holds entries that no field takes, `problems` says in words what is wrong with values, `notes` tell the steps
        of a graph, `chunks` are the file's other texts.
        """
        data = await request.body()
        return await run_in_threadpool(told_of, data, services.plugins.kinds)

    @routes.post("/fetch", response_class=Response, responses=_PICTURE)
    def fetch(body: FetchBody) -> Response:
        """The picture at an address, where the settings allow it; never from this machine or its private network."""
        data = fetch_picture(body.url, allowed=services.preferences.current.api_enable_requests)
        if not ending_of(data):
            raise InvalidRequest(
                "url", "What lies at the address is no PNG, JPEG, WebP, AVIF or GIF. Copy that of the picture itself."
            )
        return _as_file(data)

    @routes.post("/remove", response_class=Response, responses=_PICTURE)
    async def remove(request: Request) -> Response:
        """The picture (the body) without settings, comments and camera data. Its pixels stay byte for byte."""
        return _as_file(await run_in_threadpool(without_metadata, await request.body(), _NAME))

    @routes.post("/write", response_class=Response, responses=_PICTURE)
    def write(picture: UploadFile, infotext: Annotated[str, Form(max_length=500_000)]) -> Response:
        """The picture with this infotext in place of all that it told before. Its pixels stay byte for byte."""
        return _as_file(with_infotext(picture.file.read(), infotext, _NAME))

    return routes


def _as_file(data: bytes) -> Response:
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=media_type_of(data), headers=headers)


def told_of(data: bytes, kinds: ExtraKinds) -> dict[str, Any]:
    """What a picture's file says of how it was made. Raise UnreadableImage."""
    picture = read_infotext(data, _NAME)
    told = infotext.restore(infotext.parse(picture.infotext or ""), kinds)
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "infotext": picture.infotext,
        "request": _as_json(told.values) if picture.infotext else {},
        "unused": told.unused,
        "problems": told.problems,
        "program": picture.program,
        "notes": list(picture.notes),
        "chunks": picture.chunks,
    }


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Seeds as text, for a browser's number would lose digits of them; a job takes them back so."""
    long = [name for name, spec in params_of(GenerationRequest).items() if spec.is_long and values.get(name) is not None]
    return values | {name: str(values[name]) for name in long}
