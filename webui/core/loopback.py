"""The script "Loopback": what comes out goes in again. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from webui.core.params import Param, settle
from webui.core.request import SEED_LIMIT, GenerationRequest

#: How far along the way from the first strength to the last one a loop is, by how far it is along the loops.
_CURVES = {
    "Aggressive": lambda share: math.sin(share * math.pi / 2),
    "Linear": lambda share: share,
    "Lazy": lambda share: 1 - math.cos(share * math.pi / 2),
}


@dataclass(frozen=True, kw_only=True)
class Loopback:
    """Makes a picture of the last one, `loops` times; begins with the source anew for each batch."""

    loops: Annotated[int, Param("Loops", low=1, high=32, step=1)] = 4
    final_strength: Annotated[float, Param("Final denoising strength", low=0, high=1, step=0.01)] = 0.5
    curve: Annotated[str, Param("Denoising strength curve", choices=tuple(_CURVES))] = "Linear"

    def __post_init__(self) -> None:
        settle(self)

    @property
    def needs_seed(self) -> bool:
        """Whether a seed that is left open is drawn once for all."""
        return True

    def strength(self, first: float, loop: int) -> float:
        """The denoising strength of a loop, counted from 0."""
        if self.loops == 1:
            return first
        along = _CURVES[self.curve](loop / (self.loops - 1))
        return min(1.0, max(0.0, first + (self.final_strength - first) * along))


def loop_request(script: Loopback, request: GenerationRequest, number: int, before: str | None) -> GenerationRequest:
    """The request of picture `number`, counted through all batches; its seed is that many further.

    As in A1111 the masked content of all loops but the first is what is there.

    Args:
        before: the picture of the loop before, by digest; None: the source.
    """
    loop = number % script.loops
    changes = {} if loop == 0 else {"source": before, "masked_content": "original"}
    return replace(
        request,
        **changes,
        seed=(request.seed + number) % SEED_LIMIT,
        denoising_strength=script.strength(request.denoising_strength, loop),
        batch_count=1,
        batch_size=1,
    )
