"""`/api/v1/history`: all pictures in the output folders, searched, filtered, liked, deleted and taken back."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParam
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from webui.api.answers import (
    DeletedAnswer,
    DeletionAnswer,
    EntryAnswer,
    FacetsAnswer,
    HistoryAnswer,
    RestoredAnswer,
    TrashAnswer,
    WholeEntryAnswer,
)
from webui.api.examples import example
from webui.api.guarding import is_at_the_machine
from webui.api.services import Services
from webui.core import infotext
from webui.core.addresses import is_loopback
from webui.errors import PictureNotFound, WebUIError
from webui.history.entries import Entry, is_picture
from webui.history.opening import open_folder
from webui.history.prompts import UsedPrompt, last_prompts
from webui.history.query import HistoryQuery
from webui.history.trash import KEEP_SECONDS, Deletion

PictureId = Annotated[int, PathParam(ge=0, lt=2**53)]
Time = Annotated[float | None, Query(ge=0, lt=2**40, description="Seconds since 1970.")]

_DAY = 24 * 3600


class NotFromHere(WebUIError):
    """What only the person at this machine may do was asked for over the network."""

    status = 403


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FavouriteBody(_Body):
    favourite: bool


class DeleteBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(ids=[1, 2]))

    ids: list[Annotated[int, Field(ge=0, lt=2**53)]] = Field(min_length=1, max_length=10_000)


def entry_json(services: Services, entry: Entry) -> EntryAnswer:
    """What a list needs of a picture; `prompt` is only its beginning."""
    return {
        "id": entry.id,
        "name": services.history.shown_path(entry),
        "width": entry.width,
        "height": entry.height,
        "made": entry.made,
        "size": entry.size,
        "kind": entry.kind,
        "model": entry.model,
        "seed": entry.seed,
        "prompt": entry.prompt,
        "favourite": entry.favourite,
        "url": f"/api/v1/history/{entry.id}/picture",
        "thumbnail": f"/api/v1/history/{entry.id}/thumbnail.webp",
    }


def _prompt_json(services: Services, used: UsedPrompt) -> dict[str, Any]:
    texts = {"prompt": used.prompt, "negative_prompt": used.negative_prompt, "infotext": used.infotext}
    return {**entry_json(services, used.entry), **texts}


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/history", tags=["history"])
    _add_lists(routes, services)
    _add_trash(routes, services)
    _add_pictures(routes, services)
    return routes


def _add_lists(routes: APIRouter, services: Services) -> None:
    history = services.history

    @routes.get("")
    def pictures(
        search: Annotated[str, Query(max_length=1_000, description="Words that all occur; “a phrase”, -without, steps:20.")] = "",
        kind: Annotated[str, Query(max_length=40)] = "",
        model: Annotated[str | None, Query(max_length=1_000)] = None,
        favourites: bool = False,
        since: Time = None,
        until: Time = None,
        oldest: Annotated[bool, Query(description="The oldest first.")] = False,
        after: Annotated[int | None, Query(ge=0, lt=2**53, description="The last id of the page before.")] = None,
        count: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> HistoryAnswer:
        """A page of pictures. `total` is told with the first page only; `scanning`: the folders are being walked."""
        query = HistoryQuery(
            search=search, kind=kind, model=model or None, favourites=favourites, since=since, until=until, oldest=oldest
        )
        if after is None:
            history.look()
        found = history.page(query, after=after, count=count + 1)
        return {
            "pictures": [entry_json(services, entry) for entry in found[:count]],
            "more": len(found) > count,
            "total": history.total(query) if after is None else None,
            "scanning": history.scanning,
        }

    @routes.get("/prompts")
    def prompts(
        search: Annotated[str, Query(max_length=1_000, description="As of the list of pictures.")] = "",
        after: Annotated[int | None, Query(ge=0, lt=2**53, description="What `after` of the page before says.")] = None,
        count: Annotated[int, Query(ge=1, le=200)] = 40,
    ) -> dict[str, Any]:
        """The prompts that were used last, each pair once with its newest picture. `after` is null where there are no more."""
        if after is None:
            history.look()
        page = last_prompts(history.index, search, after=after, count=count)
        return {"prompts": [_prompt_json(services, each) for each in page.prompts], "after": page.after}

    @routes.get("/facets")
    def facets() -> FacetsAnswer:
        """Models and kinds that there are, with how many pictures each, the commonest first."""
        found = history.facets()
        return {
            "models": [{"name": name, "count": count} for name, count in found.models],
            "kinds": [{"name": name, "count": count} for name, count in found.kinds],
            "total": found.total,
            "favourites": found.favourites,
        }

    @routes.post("/scan", status_code=202)
    def scan() -> dict[str, Any]:
        """Walk the folders for pictures that came from elsewhere; `scanning` of a list tells when that is done."""
        history.scan()
        return {"scanning": True}


def _add_trash(routes: APIRouter, services: Services) -> None:
    history = services.history

    @routes.post("/delete")
    def delete(body: DeleteBody) -> DeletedAnswer:
        """Move pictures to the trash, from where they can be restored for a while."""
        deletion, problems = history.delete(body.ids)
        return {**_deletion_json(deletion), "problems": problems}

    @routes.get("/trash")
    def trash() -> TrashAnswer:
        """What can be restored, the newest deletion first, and after how many days each is gone for good."""
        return {"days": KEEP_SECONDS // _DAY, "deletions": [_deletion_json(each) for each in history.trash.all()]}

    @routes.post("/trash/{deletion}/restore")
    def restore(deletion: Annotated[str, PathParam(max_length=40)]) -> RestoredAnswer:
        """Put the pictures of a deletion back to where they lay."""
        entries, problems = history.restore(deletion)
        return {"pictures": [entry_json(services, entry) for entry in entries], "problems": problems}


def _deletion_json(deletion: Deletion) -> DeletionAnswer:
    names = [path.name for path in deletion.paths if is_picture(path.name)]  # not the texts beside them
    return {"deletion": deletion.id, "time": deletion.time, "names": names}


def _add_pictures(routes: APIRouter, services: Services) -> None:
    history = services.history

    @routes.get("/{picture}")
    def one(picture: PictureId) -> WholeEntryAnswer:
        """A picture with its whole infotext, the same taken apart, and where it lies."""
        entry, text = history.get(picture)
        parsed = infotext.parse(text)
        return {
            **entry_json(services, entry),
            "prompt": parsed.prompt,
            "negative_prompt": parsed.negative_prompt,
            "settings": dict(parsed.settings),
            "path": str(entry.path),
            "infotext": text,
        }

    @routes.get("/{picture}/picture", response_class=FileResponse, responses={200: {"content": {"image/*": {}}}})
    def file(picture: PictureId, download: bool = False, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """The picture's file. `download=1` makes a browser save it."""
        entry, _ = history.get(picture)
        if not entry.path.is_file():
            raise PictureNotFound(f"The file {history.shown_path(entry)} is gone.")
        etag = f'"{entry.id:x}-{entry.stamp:x}-{entry.size:x}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
        if if_none_match and etag in if_none_match:
            return Response(status_code=304, headers=headers)
        kind = mimetypes.guess_type(entry.path.name)[0] or f"image/{entry.path.suffix.lstrip('.').lower()}"
        return FileResponse(entry.path, media_type=kind, headers=headers, filename=entry.path.name if download else None)

    @routes.get("/{picture}/thumbnail.webp", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
    def thumbnail(picture: PictureId, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """The picture, small."""
        entry, _ = history.get(picture)
        etag = f'"{history.thumbnails.etag(entry)}"'
        # A changed file gets another id, so what was fetched once is good for as long as the browser keeps it.
        headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        if if_none_match and etag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(history.thumbnail(entry), media_type="image/webp", headers=headers)

    @routes.put("/{picture}/favourite")
    def favourite(picture: PictureId, body: FavouriteBody) -> EntryAnswer:
        return entry_json(services, history.set_favourite(picture, body.favourite))

    @routes.post("/{picture}/open-folder")
    def show_folder(picture: PictureId, request: Request) -> dict[str, Any]:
        """Show the folder in this machine's file manager; only for the person who sits at it."""
        if not is_loopback(services.settings.host) or not is_at_the_machine(request):
            raise NotFromHere("Folders are opened on the machine that the program runs on, and only for those who sit at it.")
        entry, _ = history.get(picture)
        open_folder(entry.path.parent)
        return {"folder": str(entry.path.parent)}
