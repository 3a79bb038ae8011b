"""What A1111's img2img request says of pictures: kept as sources, and its numbers told by their names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from webui.core.fields.source import INPAINT_AREAS, MASK_MODES, MASKED_CONTENTS, RESIZE_MODES
from webui.errors import InvalidRequest
from webui.storage.fetching import fetch_picture
from webui.storage.sources import SourceStore


class NoSourcePicture(InvalidRequest):
    """A1111 answers 404 where `init_images` is missing."""

    status = 404


def source_values(body: Any, sources: SourceStore, fetching: bool = False) -> dict[str, Any]:
    """Fields of a `GenerationRequest`, by name; the pictures are kept.

    Args:
        body: an `Img2ImgRequest`.
        fetching: whether pictures may be given as addresses.

    Raises:
        InvalidRequest: naming the field as the client spelled it.
    """
    if not body.init_images:
        raise NoSourcePicture("init_images", "init_images is missing: send the source picture in it, as base64.")
    if len(body.init_images) > 1:
        raise InvalidRequest("init_images", f"init_images has {len(body.init_images)} pictures; send one with each request.")
    if body.latent_mask:
        raise InvalidRequest("latent_mask", "A latent_mask is not supported; send a mask.")
    values: dict[str, Any] = {
        "source": sources.put(decode_picture("init_images", body.init_images[0], fetching), "init_images"),
        "resize_mode": _name("resize_mode", body.resize_mode, RESIZE_MODES),
    }
    if body.mask:
        values |= _mask_values(body, sources, fetching)
    return values


def first_pass_values(body: Any, sources: SourceStore, fetching: bool = False) -> dict[str, Any]:
    """A `firstpass_image` stands for the first pass, which is not done then; see `source_values`."""
    if not body.enable_hr or not body.firstpass_image:
        return {}
    return {"hires_source": sources.put(decode_picture("firstpass_image", body.firstpass_image, fetching), "firstpass_image")}


def _mask_values(body: Any, sources: SourceStore, fetching: bool) -> dict[str, Any]:
    return {
        "mask": sources.put(decode_picture("mask", body.mask, fetching), "mask"),
        "mask_mode": _name("inpainting_mask_invert", body.inpainting_mask_invert, MASK_MODES),
        "masked_content": _name("inpainting_fill", body.inpainting_fill, MASKED_CONTENTS),
        "inpaint_area": INPAINT_AREAS[body.inpaint_full_res is not False],
        "mask_blur": _blur(body),
    }


def _blur(body: Any) -> int:
    if body.mask_blur is not None:
        return body.mask_blur
    across, down = (4 if blur is None else blur for blur in (body.mask_blur_x, body.mask_blur_y))
    if across != down:
        raise InvalidRequest("mask_blur_y", f"mask_blur_y ({down}) must be mask_blur_x ({across}): a mask is blurred equally.")
    return across


def _name(field: str, number: int | None, names: Sequence[str]) -> str:
    if number is None or 0 <= number < len(names):
        return names[number or 0]
    listed = ", ".join(f"{place} ({name})" for place, name in enumerate(names))
    raise InvalidRequest(field, f"{field} is {number}; it can be {listed}.")


def decode_picture(field: str, text: str, fetching: bool = False) -> bytes:
    """The bytes of a picture that came as base64, or as an address where `fetching` is allowed.

    Raises:
        InvalidRequest: it is neither, or the address cannot be fetched or leads to this machine or its network.
    """
    if text.startswith(("http://", "https://")):
        return fetch_picture(text, allowed=fetching, field=field)
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(field, f"The picture is no valid base64: {error}.") from error
