"""What the weights of a prompt's words do to the text encoder's vectors."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def _restoring_mean(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Multiply, then scale all so that the mean is as before, which keeps one strong word from brightening everything.

    The mean is that of all texts of a schedule together, as in A1111.
    """
    weighted = hidden * weights
    ratio = (hidden * shares).mean() / (weighted * shares).mean()
    return weighted * ratio.nan_to_num(1.0, 1.0, 1.0)  # a mean of 0 cannot be restored


def _multiplied(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    return hidden * weights


def _unchanged(hidden: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    return hidden


#: By the names of `GenerationRequest.emphasis`. Arguments: (texts, 77, width), the weights (texts, 77, 1), and how often each
#: text comes in its schedule (texts, 1, 1).
EMPHASIS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "Original": _restoring_mean,
    "No norm": _multiplied,
    "Ignore": _unchanged,
    "None": _unchanged,
}
