"""What stages gave, kept by everything that decides it, so that cells of a plot that share a stage share its result."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

#: Of latents: 4,000 pictures of 512 × 512.
BUDGET = 256 * 2**20


class Memo:
    """Tensors by key, the latest within a budget of bytes. They are kept in the machine's memory and come back unchanged."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget, self._held = budget, 0
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable) -> Tensor | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found.clone()

    def put(self, key: Hashable, tensor: Tensor) -> None:
        """Keep a copy. One that is larger than the budget is not kept."""
        kept = tensor.detach().to("cpu", copy=True)
        size = kept.numel() * kept.element_size()
        if size > self._budget or key in self._kept:
            return
        self._kept[key] = kept
        self._held += size
        while self._held > self._budget:
            _, oldest = self._kept.popitem(last=False)
            self._held -= oldest.numel() * oldest.element_size()
