"""What each tool takes, as JSON schema: the fields of a request from their one table, the rest said here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webui.api.extras import field_schema
from webui.core.params import params_of
from webui.core.request import GenerationRequest

FIELDS = params_of(GenerationRequest)

#: Arguments by their own names; all other fields go into `settings`, so that the description of a tool stays short.
USUAL = (
    *("prompt", "negative_prompt", "checkpoint", "width", "height", "steps", "sampler", "scheduler", "guidance_scale"),
    *("seed", "batch_count"),
)
PICTURE_FIELDS = ("source", "mask")
_USUAL_WITH_PICTURE = ("denoising_strength", "resize_mode", "inpaint_area", "masked_content", "mask_blur")

#: How pictures are told; see `pictures.shown`.
SMALL, WHOLE, NONE = "small", "whole", "none"
LONGEST_WAIT = 600.0  # seconds
USUAL_WAIT = 50.0  # seconds; many clients give a call up after 60

PICTURE_WORDS = (
    "The `url` of a picture in an answer of these tools, such as /api/v1/jobs/ID/pictures/0.png or /api/v1/history/ID/picture; "
    "or the picture itself as base64, with or without data: before it; or the digest that POST /api/v1/sources answered; or an "
    "http(s) address, where the program's settings allow that."
)

ANSWER_FIELDS: dict[str, Any] = {
    "pictures": {
        "type": "string",
        "enum": [SMALL, WHOLE, NONE],
        "default": SMALL,
        "description": "small: at most 768 pixels wide and high, as JPEG. whole: the file. none: only where it lies.",
    },
    "wait": {
        "type": "number",
        "minimum": 0,
        "maximum": LONGEST_WAIT,
        "default": USUAL_WAIT,
        "description": "Seconds to wait for the pictures; then the answer tells how far the job is, and `job` asks again.",
    },
}


def generating(required: dict[str, Any], usual: Iterable[str] = ()) -> dict[str, Any]:
    """The schema of a tool that makes pictures; `required` are its arguments beside the fields of a request."""
    fields = {name: described(name) for name in (*USUAL, *usual)}
    return _object({**required, **fields, "settings": _others(fields), **ANSWER_FIELDS}, tuple(required)[:1])


def described(name: str) -> dict[str, Any]:
    """A field. Its default is not told: the chosen checkpoint may bring its own."""
    schema = field_schema(FIELDS[name])
    del schema["default"]
    if FIELDS[name].is_long:
        schema["type"] = [schema["type"], "string"]
    return schema


def _others(fields: Iterable[str]) -> dict[str, Any]:
    names = ", ".join(name for name in FIELDS if name not in (*fields, *PICTURE_FIELDS, "hires_source"))
    text = f"Further fields of a request by name, as in POST /api/v1/jobs, with `extras` for the options of extensions: {names}."
    return {"type": "object", "description": text}


def _object(properties: dict[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


GENERATE = generating({"prompt": {}})
IMG2IMG = generating(
    {
        "picture": {"type": "string", "description": f"The picture to begin with. {PICTURE_WORDS}"},
        "mask": {"type": "string", "description": "Only the white part is made anew. Told as `picture` is."},
    },
    _USUAL_WITH_PICTURE,
)
JOB = _object(
    {
        "job": {"type": "string", "description": "The `job` of an answer."},
        "stop": {"type": "boolean", "default": False, "description": "Stop it; finished pictures are kept."},
        **ANSWER_FIELDS,
    },
    ["job"],
)
METADATA = _object({"picture": {"type": "string", "description": PICTURE_WORDS}}, ["picture"])
MODELS = _object(
    {
        "kind": {
            "type": "string",
            "enum": ["checkpoint", "vae", "lora", "embedding", "hypernetwork", "upscaler"],
            "default": "checkpoint",
        },
        "search": {"type": "string", "default": "", "description": "Words that occur in names, tags and notes."},
        "start": {"type": "integer", "minimum": 0, "default": 0},
        "count": {"type": "integer", "minimum": 1, "maximum": 100, "default": 30},
    }
)
