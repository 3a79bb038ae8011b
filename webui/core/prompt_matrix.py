"""The script "Prompt matrix": every choice of the parts of a prompt that may be left out. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from webui.core.params import Param, check_ranges
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.errors import InvalidRequest

#: More requests than this are a slip of the hand.
MOST = 512


@dataclass(frozen=True, kw_only=True)
class PromptMatrix:
    """Every choice of the parts of a prompt that stand behind a "|"; the first part is always there."""

    at_start: Annotated[bool, Param("Put variable parts at start of prompt")] = False
    vary_seeds: Annotated[bool, Param("Use different seed for each picture")] = False
    prompt: Annotated[str, Param("Select prompt", choices=("positive", "negative"))] = "positive"
    joiner: Annotated[str, Param("Select joining char", choices=("comma", "space"))] = "comma"
    margin: Annotated[int, Param("Grid margins (px)", low=0, high=500, step=2)] = 0

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def needs_seed(self) -> bool:
        """Whether a seed that is left open is drawn once for all."""
        return True

    @property
    def field(self) -> str:
        """The request's, whose parts are chosen from."""
        return "prompt" if self.prompt == "positive" else "negative_prompt"


def matrix_requests(script: PromptMatrix, request: GenerationRequest) -> Iterator[GenerationRequest]:
    """Raise InvalidRequest where nothing may be left out, or too much."""
    first, *others = getattr(request, script.field).split("|")
    if not others:
        raise InvalidRequest(
            script.field, f"There is no “|” in the {script.prompt} prompt: put one before each part that may be left out."
        )
    if 2 ** len(others) > MOST:
        raise InvalidRequest(
            script.field, f"{len(others)} parts that may be left out give {2 ** len(others):,} pictures; {MOST:,} are allowed."
        )
    joiner = ", " if script.joiner == "comma" else " "
    for number in range(2 ** len(others)):
        chosen = [part.strip().strip(",") for place, part in enumerate(others) if number >> place & 1]
        parts = [*chosen, first] if script.at_start else [first, *chosen]
        text = joiner.join(part.strip() for part in parts if part.strip())
        seed = (request.seed + number) % SEED_LIMIT if script.vary_seeds else request.seed
        yield replace(request, **{script.field: text, "seed": seed, "batch_count": 1, "batch_size": 1})


def matrix_titles(script: PromptMatrix, request: GenerationRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The titles of the grid's columns and rows: the first half of the parts goes across, as in A1111, the others down.

    Picture `number` of the matrix stands in column `number % columns` and row `number // columns`.
    """
    others = [part.strip() for part in getattr(request, script.field).split("|")[1:]]
    across = (len(others) + 1) // 2
    return _titles(others[:across]), _titles(others[across:])


def _titles(parts: list[str]) -> tuple[str, ...]:
    if not parts:
        return ("",)
    return tuple(
        "\n".join(part for place, part in enumerate(parts) if number >> place & 1) or "–" for number in range(2 ** len(parts))
    )
