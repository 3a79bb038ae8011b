"""Scripts as what they are: makers of several requests out of one. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from webui.core.folder_batch import FolderBatch
from webui.core.loopback import Loopback
from webui.core.prompt_lines import Made, PromptLines, WithStyles, line_requests
from webui.core.prompt_matrix import PromptMatrix, matrix_requests
from webui.core.request import GenerationRequest
from webui.core.sd_upscale import SDUpscale
from webui.errors import InvalidRequest

Script = PromptMatrix | PromptLines | Loopback | SDUpscale | FolderBatch

#: By their names. "Batch" is a sub-tab of img2img, not one of the list of scripts.
BATCH = "Batch"
SCRIPTS: Mapping[str, type[Script]] = {
    "Prompt matrix": PromptMatrix,
    "Prompts from file or textbox": PromptLines,
    "Loopback": Loopback,
    "SD upscale": SDUpscale,
    BATCH: FolderBatch,
}

#: Those that begin with a picture.
OF_PICTURES = ("Loopback", "SD upscale")


def scripts_of(tab: str) -> list[str]:
    """The names that the list of a tab has."""
    return [name for name in SCRIPTS if name != BATCH and (tab == "img2img" or name not in OF_PICTURES)]


def name_of(script: Script) -> str:
    return next(name for name, kind in SCRIPTS.items() if isinstance(script, kind))


def script_of(values: Mapping[str, Any]) -> Script | None:
    """The script that is named by `script`, with its options by field name; None for "None".

    Raises:
        InvalidRequest: there is no such script, or it has no such option.
    """
    options = dict(values)
    name = options.pop("script", "None")
    if name in (None, "", "None"):
        return None
    if not isinstance(name, str) or name not in SCRIPTS:
        raise InvalidRequest("script", f"There is no script “{name!s:.80}”; {', '.join(SCRIPTS)} are.")
    known = {part.name for part in fields(SCRIPTS[name])}
    if unknown := sorted(set(options) - known):
        raise InvalidRequest(unknown[0], f"The script {name} has no option “{unknown[0]:.80}”.")
    return SCRIPTS[name](**options)


def to_dict(script: Script) -> dict[str, Any]:
    """Plain values for JSON; `script_of` is the inverse."""
    return {"script": name_of(script), **asdict(script)}


def check_source(script: Script, request: GenerationRequest) -> None:
    """Raise InvalidRequest where a script that begins with a picture has none."""
    if isinstance(script, Loopback | SDUpscale) and request.source is None:
        raise InvalidRequest("source", f"{name_of(script)} begins with a picture, and there is none: use it in img2img.")


def requests_of(
    script: PromptMatrix | PromptLines, request: GenerationRequest, with_styles: WithStyles | None = None
) -> list[Made]:
    """What a script makes of a request, in order, where all of it is known beforehand.

    Raises:
        InvalidRequest: there would be none, or too many; a line holds what cannot be.
    """
    if isinstance(script, PromptMatrix):
        return [Made(made) for made in matrix_requests(script, request)]
    made = list(line_requests(script, request, with_styles))
    if not made:
        raise InvalidRequest("lines", "There are no prompts; type one on each line.")
    return made
