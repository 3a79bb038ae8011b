"""Which part of a schedule is run on a source picture. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

#: A strength of 1 still begins at a level of the schedule, not before it.
_FULL = 0.999


@dataclass(frozen=True)
class PartOfSchedule:
    """A schedule of `steps` steps, run from the noise level with index `start` on; `done` steps are left of it."""

    steps: int
    start: int

    @property
    def done(self) -> int:
        return self.steps - self.start


def part_of_schedule(steps: int, strength: float, *, exact: bool = False) -> PartOfSchedule:
    """What a denoising strength means, as A1111 defines it: the share of the schedule, rounded down, and one step more.

    Args:
        exact: `steps` is what is done, and the schedule is made longer instead, as in a hires pass.

    A strength of 0 leaves no step at all: the source comes back as the VAE has it. (A1111 still does the last one.)
    """
    if strength <= 0:
        return PartOfSchedule(steps, steps)
    if exact:
        longer = int(steps / min(strength, _FULL))
        return PartOfSchedule(longer, longer - steps)
    return PartOfSchedule(steps, max(steps - int(min(strength, _FULL) * steps) - 1, 0))
