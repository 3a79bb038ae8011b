"""Pictures that a tool is given or answers with."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from webui.api.mcp.schemas import NONE, WHOLE
from webui.api.sdapi_img2img import decode_picture
from webui.api.sdapi_options import fetching
from webui.api.services import Services
from webui.errors import InvalidRequest, JobNotFound
from webui.jobs.store import Picture
from webui.storage.encoding import media_type_of

SIDE = 768  # pixels
#: Of one answer: clients pass all of them on to a model, which pays for each.
MOST = 8

_OF_JOB = re.compile(r"(?:https?://[^/]+)?/?api/v1/jobs/(?P<job>[^/?#]+)/pictures/(?P<index>\d{1,9})\.png")
_OF_HISTORY = re.compile(r"(?:https?://[^/]+)?/?api/v1/history/(?P<id>\d{1,16})/picture")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def given(services: Services, field: str, text: str) -> bytes:
    """The file that an argument means: see `schemas.PICTURE_WORDS`. Nothing outside the program's own folders is opened.

    Raises:
        JobNotFound, PictureNotFound: what it names is not there.
        InvalidRequest: it names nothing, or an address that may not be fetched.
    """
    text = text.strip()
    if found := _OF_JOB.fullmatch(text):
        return services.dispatcher.picture_bytes(services.store.picture(unquote(found["job"]), int(found["index"])))
    if found := _OF_HISTORY.fullmatch(text):
        return _read(field, services.history.get(int(found["id"]))[0].path)
    if _DIGEST.fullmatch(text):
        return _read(field, services.sources.path(text))
    if not text:
        raise InvalidRequest(field, f"{field} is missing: name a picture by its url, or send it as base64.")
    return decode_picture(field, text, fetching(services))


def _read(field: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(field, f"The file of the picture is gone: {path.name}.") from error


def shown(services: Services, pictures: tuple[Picture, ...], how: str) -> list[tuple[str, str]]:
    """The last pictures that are still there, as (base64, media type) each; `how` is one of the argument `pictures`."""
    if how == NONE:
        return []
    files = filter(None, (_there(services, picture) for picture in pictures[-MOST:]))
    made = ((data, media_type_of(data)) if how == WHOLE else (_small(data), "image/jpeg") for data in files)
    return [(base64.b64encode(data).decode(), kind) for data, kind in made]


def _there(services: Services, picture: Picture) -> bytes | None:
    """None where it was deleted meanwhile; the others are shown."""
    try:
        return services.dispatcher.picture_bytes(picture)
    except JobNotFound:
        return None


def _small(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=90)
    return out.getvalue()
