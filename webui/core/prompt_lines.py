"""The script "Prompts from file or textbox": a request for each line, which may hold options. Standard library only."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from webui.core.params import Param, check_ranges, params_of
from webui.core.prompt_matrix import MOST
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.core.samplers import SAMPLERS, split_sampler
from webui.errors import InvalidRequest

#: Names of styles, and both prompts, with their texts put in.
WithStyles = Callable[[GenerationRequest, Sequence[str]], GenerationRequest]


@dataclass(frozen=True, kw_only=True)
class PromptLines:
    """A request for each line of a text, which may hold options: `--prompt "a cat" --steps 7`."""

    lines: Annotated[str, Param("List of prompt inputs", max_length=1_000_000)] = ""
    iterate_seeds: Annotated[bool, Param("Iterate seed every line")] = False
    same_seed: Annotated[bool, Param("Use same random seed for all lines")] = False
    place: Annotated[str, Param("Insert prompts at the", choices=("start", "end"))] = "start"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def needs_seed(self) -> bool:
        """Whether a seed that is left open is drawn once for all."""
        return self.same_seed or self.iterate_seeds


@dataclass(frozen=True)
class Made:
    """One of the requests; `save`: whether its pictures are kept."""

    request: GenerationRequest
    save: bool = True


def line_requests(script: PromptLines, request: GenerationRequest, with_styles: WithStyles | None) -> Iterator[Made]:
    """Raise InvalidRequest for a line that cannot be, with its number."""
    lines = [line.strip() for line in script.lines.splitlines() if line.strip()]
    if len(lines) > MOST:
        raise InvalidRequest("lines", f"There are {len(lines):,} lines; {MOST:,} are allowed.")
    seed = request.seed
    for number, line in enumerate(lines, 1):
        given = replace(request, seed=seed)
        try:
            made = _from_line(line, given, script.place, with_styles)
        except InvalidRequest as error:
            raise InvalidRequest("lines", f"Line {number}: {error}") from error
        yield made
        if script.iterate_seeds and seed >= 0:
            seed = (seed + made.request.image_count) % SEED_LIMIT


def _from_line(line: str, request: GenerationRequest, place: str, with_styles: WithStyles | None) -> Made:
    """A line that is no list of options is a prompt; as in A1111 so is one with an option that is not known."""
    options = read_options(line) if "--" in line else None
    if options is None:
        options = {"prompt": line}
    values: dict[str, Any] = {name: options[name] for name in options if name in _FIELDS}
    for name in ("prompt", "negative_prompt"):
        if name in values and getattr(request, name):
            parts = (values[name], getattr(request, name))
            values[name] = " ".join(parts if place == "start" else reversed(parts))
    made = replace(request, **values)
    if options.get("styles") and with_styles is not None:
        made = with_styles(made, options["styles"].split(","))
    return Made(made, save=not options.get("do_not_save_samples", False))


def read_options(line: str) -> dict[str, Any] | None:
    """Options by name: of fields by the fields' names, typed; None where the line is none of options.

    Source: A1111's script "Prompts from file or textbox": shell quoting; prompts take the words up to the next option.

    Raises:
        InvalidRequest: a value is not of its option's kind, or asks for what is not there.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    options: dict[str, Any] = {}
    place = 0
    while place < len(words):
        name = words[place].removeprefix("--")
        if not words[place].startswith("--") or name not in _OPTIONS:
            return None
        end = place + 2
        if name in ("prompt", "negative_prompt"):
            end = next((at for at in range(place + 1, len(words)) if words[at].startswith("--")), len(words))
        value = " ".join(words[place + 1 : end])
        options |= _read(name, value)
        place = max(end, place + 1)
    return options


def _read(name: str, value: str) -> dict[str, Any]:
    field, kind = _OPTIONS[name]
    if name in ("sampler_name", "sampler_index"):
        return _sampler(value)
    if kind is bool:
        switched = value.casefold() == "true"
        if switched and name in ("restore_faces", "tiling"):
            raise InvalidRequest(name, f"--{name} cannot be carried out in a line of prompts.")
        return {field: switched}
    try:
        return {field: kind(value)}
    except ValueError:
        raise InvalidRequest(name, f"--{name} is “{value:.40}”, which is no number.") from None


def _sampler(value: str) -> dict[str, Any]:
    if value.isdecimal() and int(value) < len(SAMPLERS):
        return {"sampler": SAMPLERS[int(value)].name}
    sampler, scheduler = split_sampler(value)
    return {"sampler": sampler} | ({"scheduler": scheduler} if scheduler else {})


#: A1111's options: what they are of a request, and their kinds. Those that name folders and texts for people change nothing.
_OPTIONS: Mapping[str, tuple[str, type]] = {
    "prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "styles": ("styles", str),
    "sd_model": ("checkpoint", str),
    "seed": ("seed", int),
    "subseed": ("variation_seed", int),
    "subseed_strength": ("variation_strength", float),
    "seed_resize_from_w": ("seed_resize_width", int),
    "seed_resize_from_h": ("seed_resize_height", int),
    "sampler_index": ("sampler", str),
    "sampler_name": ("sampler", str),
    "batch_size": ("batch_size", int),
    "n_iter": ("batch_count", int),
    "steps": ("steps", int),
    "cfg_scale": ("guidance_scale", float),
    "width": ("width", int),
    "height": ("height", int),
    "restore_faces": ("restore_faces", bool),
    "tiling": ("tiling", bool),
    "do_not_save_samples": ("do_not_save_samples", bool),
    "do_not_save_grid": ("do_not_save_grid", bool),
    "outpath_samples": ("outpath_samples", str),
    "outpath_grids": ("outpath_grids", str),
    "prompt_for_display": ("prompt_for_display", str),
}
_FIELDS = frozenset(params_of(GenerationRequest))
