"""`/api/v1/models`: model files with notes and previews; hashing, converting, merging and downloading them as tasks."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParam
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from webui.api.examples import example
from webui.api.services import Services
from webui.api.tasks import task_json
from webui.errors import InvalidRequest
from webui.library.entries import Entry
from webui.library.merge import MergeRequest
from webui.library.notes import Notes
from webui.library.open_models import OpenModel

Kind = Annotated[str, PathParam(max_length=40)]
Name = Annotated[str, PathParam(max_length=2_000)]
_LONG = 100_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NotesBody(_Body):
    """What is left out stays as it is."""

    description: str | None = Field(None, max_length=_LONG)
    notes: str | None = Field(None, max_length=_LONG)
    vae: str | None = Field(None, max_length=1_000, description="The VAE preferred with a checkpoint.")
    activation_text: str | None = Field(None, max_length=_LONG)
    preferred_weight: float | None = Field(None, ge=-10, le=10)
    negative_text: str | None = Field(None, max_length=_LONG)
    sd_version: str | None = Field(None, max_length=100)


class HashBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(kind="checkpoint", name="starter"))

    kind: str = "checkpoint"
    name: str | None = Field(None, max_length=2_000, description="Left out: all models whose hash is not known.")


class ConvertBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(kind="checkpoint", name="old.ckpt"))

    name: str = Field(max_length=2_000, description="Of a pickled file (.ckpt, .pt, .pth).")
    kind: str = "checkpoint"


class DownloadBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(source="org/repo/model.safetensors", kind="checkpoint"))

    source: str = Field(max_length=4_000, description="org/repo/file of the Hugging Face hub, or any http(s) address.")
    kind: str = "checkpoint"
    file_name: str | None = Field(None, max_length=300, description="What to call it. Default: the server's name.")
    sha256: str | None = Field(None, max_length=100, description="Refuse a file that has another.")
    token: str | None = Field(None, max_length=1_000, description="Access token, sent to the address's host only.")
    allow_pickled: bool = Field(False, description="Take .ckpt, .pt and .pth files too.")


class MergeBody(_Body):
    """A1111's Checkpoint Merger."""

    model_config = ConfigDict(json_schema_extra=example(primary="starter", secondary="other", multiplier=0.3, name="both"))

    primary: str = Field(max_length=2_000)
    secondary: str | None = Field(None, max_length=2_000)
    tertiary: str | None = Field(None, max_length=2_000)
    name: str = Field("", max_length=300)
    multiplier: float = 0.3
    method: str = Field("Weighted sum", max_length=40)
    half: bool = False
    vae: str | None = Field(None, max_length=2_000)
    discard: str = Field("", max_length=1_000, description="Regular expression; weights whose names match are left out.")
    config_source: str = Field("A, B or C", max_length=40)
    save_metadata: bool = True
    add_recipe: bool = True
    copy_metadata: bool = True
    metadata: dict[str, Any] = Field(default_factory=dict)


def entry_json(entry: Entry) -> dict[str, Any]:
    notes = asdict(entry.notes)
    del notes["other"]
    return {**_fields(entry), "path": str(entry.path), "notes": notes, "adds": asdict(entry.adds)}


def _fields(entry: Entry | OpenModel) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/models", tags=["models"])
    _add_lists(routes, services)
    _add_work(routes, services)
    _add_beside(routes, services)
    return routes


def _add_lists(routes: APIRouter, services: Services) -> None:
    library = services.library

    @routes.get("")
    def models(
        kind: Annotated[str, Query(max_length=40)] = "checkpoint",
        search: Annotated[str, Query(max_length=1_000)] = "",
        sort: Annotated[str, Query(max_length=40)] = "name",
        descending: bool = False,
        folder: Annotated[str, Query(max_length=2_000)] = "",
        start: Annotated[int, Query(ge=0, lt=2**31)] = 0,
        count: Annotated[int, Query(ge=0, le=500)] = 60,
        checkpoint: Annotated[str, Query(max_length=2_000, description="`fits` tells whether a model suits this one.")] = "",
        fitting: Annotated[bool, Query(description="Only those that suit the checkpoint.")] = False,
    ) -> dict[str, Any]:
        """Some of the models of a kind: checkpoint, vae, lora, embedding, hypernetwork or upscaler.

        `family` is that of the checkpoint that was named; `adds` what choosing a model adds to the prompts.
        """
        family = library.family_of(checkpoint)
        page = library.page(kind, search, sort, descending, folder, start, count, family, fitting)
        entries = [entry_json(entry) for entry in page.entries]
        return {"entries": entries, "total": page.total, "folders": list(page.folders), "family": family}

    @routes.get("/words")
    def words(
        name: Annotated[list[str], Query(max_length=100, description="As prompts call them; may be repeated.")],
        kind: Annotated[Literal["lora", "embedding", "hypernetwork"], Query()] = "lora",
    ) -> list[dict[str, Any]]:
        """The words that make models act: what is noted for each, and how often which tags occur in its training."""
        return [asdict(each) for each in library.calling.words(kind, name)]

    @routes.get("/open")
    def open_models() -> list[dict[str, Any]]:
        """Well-known open models that can be downloaded, with size and licence."""
        return [_fields(model) for model in library.open_models()]

    @routes.post("/refresh")
    def refresh() -> None:
        """Look at the folders again."""
        library.refresh()


def _add_work(routes: APIRouter, services: Services) -> None:
    library = services.library

    @routes.post("/hash", status_code=202)
    def hash_models(body: HashBody) -> dict[str, Any]:
        """Work out the SHA-256 of a model, or of all."""
        return task_json(library.hash_all() if body.name is None else library.hash(body.kind, body.name))

    @routes.post("/convert", status_code=202)
    def convert(body: ConvertBody) -> dict[str, Any]:
        """Write the weights of a pickled file as .safetensors beside it. Nothing in the file is run."""
        return task_json(library.convert(body.name, body.kind))

    @routes.post("/download", status_code=202)
    def download(body: DownloadBody) -> dict[str, Any]:
        """Fetch a model into the folder of its kind."""
        return task_json(library.download(**body.model_dump()))

    @routes.post("/merge", status_code=202)
    def merge(body: MergeBody) -> dict[str, Any]:
        """Merge checkpoints into a new one in models/Stable-diffusion."""
        return task_json(library.merge(MergeRequest(**body.model_dump())))


def _add_beside(routes: APIRouter, services: Services) -> None:
    library = services.library

    @routes.get("/{kind}/{name:path}/preview", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
    def preview(
        kind: Kind,
        name: Name,
        side: Annotated[int, Query(ge=16, le=2_048)] = 256,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The model's preview picture, at most `side` pixels wide and high."""
        etag = f'"{library.preview_etag(kind, name)}-{side}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        if if_none_match and etag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(library.thumbnail(kind, name, side), media_type="image/webp", headers=headers)

    @routes.put("/{kind}/{name:path}/preview", openapi_extra={"requestBody": {"content": {"image/*": {}}, "required": True}})
    async def set_preview(kind: Kind, name: Name, request: Request) -> dict[str, Any]:
        """Make the picture in the body (PNG, JPEG, WebP or GIF) the model's preview."""
        picture = await request.body()
        return entry_json(await run_in_threadpool(library.set_preview, kind, name, picture))

    @routes.put("/{kind}/{name:path}/notes")
    def save_notes(kind: Kind, name: Name, body: NotesBody) -> dict[str, Any]:
        """Change the notes beside the model (`<stem>.json`)."""
        current: Notes = library.entry(kind, name).notes
        changes = body.model_dump(exclude_none=True)
        if not changes:
            raise InvalidRequest("notes", "Nothing to change was given.")
        return entry_json(library.save_notes(kind, name, replace(current, **changes)))

    @routes.get("/{kind}/{name:path}/header")
    def header(kind: Kind, name: Name) -> dict[str, Any]:
        """What its makers wrote into the file."""
        found = library.header(kind, name)
        return {"facts": dict(found.facts), "tags": [list(tag) for tag in found.tags]}

    @routes.get("/{kind}/{name:path}")
    def model(kind: Kind, name: Name) -> dict[str, Any]:
        """One model."""
        return entry_json(library.entry(kind, name))
