"""When another checkpoint takes over the latents that are being sampled. Standard library only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

#: What a refiner is told of how pleasing the picture is, for prompt and negative prompt; A1111's defaults.
AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE = 6.0, 2.5


@dataclass(frozen=True, kw_only=True)
class ModelSwitch:
    """Another checkpoint goes on with the noisy latents of a pass, inside the same schedule.

    Args:
        checkpoint: its name; it must have latents of the same kind.
        at: the share done from which on it is asked.
        by_calls: the share is that of the model calls; else that of the noise (`share_of_noise`).
        prompt, negative_prompt: what it is told; None: what the pass has.
        aesthetic_score, negative_aesthetic_score: what it is told where its family wants to know.
        keeps_before: also keep the picture that was foreseen before it took over.
        field: of the request, at which the form shows what is wrong with the choice.
    """

    checkpoint: str
    at: float = 0.8
    by_calls: bool = False
    prompt: str | None = None
    negative_prompt: str | None = None
    aesthetic_score: float = AESTHETIC_SCORE
    negative_aesthetic_score: float = NEGATIVE_AESTHETIC_SCORE
    keeps_before: bool = False
    field: str = "checkpoint"

    def is_due(self, sigma: float, sigmas: Sequence[float], call: int, calls: int) -> bool:
        """Before a model call.

        Args:
            sigma: the noise level of the call.
            sigmas: the table of the model that is still asked, rising.
            call, calls: which it is, counted from 0, and how many there will be.
        """
        return (call / max(calls, 1) if self.by_calls else share_of_noise(sigma, sigmas)) >= self.at


def share_of_noise(sigma: float, sigmas: Sequence[float]) -> float:
    """How far a noise level is along, as A1111 counts it: (999 − timestep) / 1000 with the nearest timestep of the table."""
    above = min(bisect_left(sigmas, sigma), len(sigmas) - 1)
    timestep = above if above == 0 or sigmas[above] - sigma < sigma - sigmas[above - 1] else above - 1
    return (len(sigmas) - 1 - timestep) / len(sigmas)
