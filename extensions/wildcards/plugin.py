"""Wildcards: prompts that draw from lists before the job is queued, so that the picture's settings have what was drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from webui.core.params import Param, suggest
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.plugins.hooks import hookimpl

from .grammar import TemplateError, count, draw, nth, parse

#: Beside the lists of this folder, those of the data folder's.
_FOLDERS = [Path(__file__).resolve().parent / "lists"]


@dataclass(frozen=True, kw_only=True)
class Wildcards:
    """Infotext keys are those of the Dynamic Prompts extension, where it has them."""

    use: Annotated[bool, Param("Use wildcards in the prompts", help="__name__ and {a|2::b}: one is drawn, by the seed.")] = False
    combination: Annotated[
        int,
        Param(
            "Combination",
            infotext="Wildcard combination",
            low=0,
            high=1_000_000,
            help="0: by chance. Else that one of all, counted through; beyond the last it begins anew.",
        ),
    ] = 0
    template: Annotated[
        str,
        Param("Template", infotext="Template", max_length=20_000, help="What the prompt was drawn from; filled in by itself."),
    ] = ""
    negative_template: Annotated[str, Param("Negative template", infotext="Negative Template", max_length=20_000)] = ""


@hookimpl
def register_params() -> list[type]:
    return [Wildcards]


@hookimpl
def on_start(data_dir: Path) -> None:
    """The lists of the data folder go before those that come along."""
    if (own := data_dir / "wildcards") not in _FOLDERS:
        _FOLDERS.insert(0, own)


@hookimpl(tryfirst=True)
def alter_request(request: GenerationRequest) -> GenerationRequest | None:
    if not (options := request.extra(Wildcards)) or not options.use:
        return None
    others = tuple(extra for extra in request.extras if extra is not options)
    (prompt, combinations), (negative, others_too) = _drawn(request, "prompt"), _drawn(request, "negative_prompt")
    kept = replace(options, use=False)
    if (combinations, others_too) != (1, 1):  # where there is nothing to draw, what is known of an earlier draw stays
        kept = replace(
            kept,
            combination=(options.combination - 1) % combinations + 1 if options.combination else 0,
            template=request.prompt if combinations > 1 else "",
            negative_template=request.negative_prompt if others_too > 1 else "",
        )
    return replace(request, prompt=prompt, negative_prompt=negative, extras=(*others, kept))


def _drawn(request: GenerationRequest, field: str) -> tuple[str, int]:
    """The text, and how many there could be."""
    options = request.extra(Wildcards)
    try:
        row = parse(getattr(request, field), _lines)
    except TemplateError as error:
        raise InvalidRequest(field, str(error)) from error
    if options and options.combination and field == "prompt":
        return nth(row, (options.combination - 1) % count(row)), count(row)
    return draw(row, random.Random(f"{field} {request.seed}")), count(row)


@hookimpl
def register_completions() -> list[tuple[str, str, str]]:
    return [("wildcard", name, f"__{name}__") for name in sorted(_files())]


def _lines(name: str) -> list[str]:
    """Of the list of that name, or of all whose names fit "animals/*". What stands behind # is a remark."""
    files = _files()
    texts = [path.read_text("utf-8", "replace") for key, path in files.items() if fnmatchcase(key, name.casefold())]
    lines = [line.partition("#")[0].strip() for text in texts for line in text.splitlines()]
    if not texts:
        nearest = suggest(name, tuple(files))
        raise TemplateError(f"There is no wildcard __{name:.80}__; {_FOLDERS[0]}/{name}.txt would hold it. {nearest}")
    if not any(lines):
        raise TemplateError(f"The wildcard __{name:.80}__ is empty.")
    return list(filter(None, lines))


def _files() -> dict[str, Path]:
    """The lists by name."""
    places = [(folder, path) for folder in reversed(_FOLDERS) for path in sorted(folder.rglob("*.txt"))]
    return {path.relative_to(folder).with_suffix("").as_posix().casefold(): path for folder, path in places}
