"""How a changed weight follows from a file's tensors, for each kind of file."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Patch(Protocol):
    """What one file does to one parameter."""

    def merged(self, weight: Tensor, strength: float, *, dyn: int | None = None) -> Tensor:
        """The parameter with the change in it.

        Args:
            weight: as it is without; never written to. Any number type, any device.
            strength: the share of the change, 1 for all of it; negative ones are allowed.
            dyn: of a LoRA's ranks only the first so many (DyLoRA).

        Returns:
            A new tensor of the weight's shape on its device in float32 (float64 for a float64 weight), so that several files
            can be merged one after another before the sum is rounded once: `one.merged(two.merged(weight, a), b)`.
        """
        ...
