"""Source pictures of `/api/v1`: handed in once, named by digest in requests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from webui.api.services import Services
from webui.errors import UnreadableImage
from webui.storage.picture_folders import infotext_of


class SourceNotFound(UnreadableImage):
    """No source picture of that digest is kept."""

    status = 404


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["sources"])
    sources = services.sources

    @routes.post("/sources", status_code=201)
    async def keep(request: Request) -> dict[str, Any]:
        """Keep a picture (the body, of any usual format); `source` and `mask` of a job name it by the digest in the answer.

        `infotext` is what the file says of how it was made; the picture is kept without it.
        """
        data = await request.body()
        digest = await run_in_threadpool(sources.put, data, "The picture that was sent")
        width, height = sources.size(digest)
        return {"digest": digest, "width": width, "height": height, "infotext": infotext_of(data, "The picture")}

    @routes.get("/sources/{digest}.png", response_class=FileResponse)
    def picture(digest: str) -> FileResponse:
        path = sources.path(digest)
        if not path.is_file():
            raise SourceNotFound(
                f"There is no source picture {digest[:12]}…; it may have been deleted since nothing refers to it."
            )
        headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/png", headers=headers)

    return routes
