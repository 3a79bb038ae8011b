"""What stages gave, kept by everything that decides it, so that cells of a plot that share a stage share its result."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from webui.core.request import GenerationRequest
from webui.core.stage_keys import Key, first_pass_key, latents_key, names

#: Of latents: 4,000 pictures of 512 × 512.
BUDGET = 256 * 2**20

Make = Callable[[], Tensor]


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


@dataclass(frozen=True)
class Sharing:
    """What one job shares with others.

    Args:
        memo: None: nothing.
        files: identities of the models that work on the latents.
        vae: that of the VAE, which counts where the request's key names it.
        encodes: the UNet sees an encoded picture behind the latents.
        altered: an extension has a hand in it, which may read anything of the request.
    """

    memo: Memo | None = None
    files: tuple[Hashable, ...] = ()
    vae: Hashable = None
    encodes: bool = False
    altered: bool = False

    def latents(self, request: GenerationRequest, batch: range, make: Make) -> Tensor:
        """Ready to be decoded: (batch, 4, height / 8, width / 8)."""
        return self._shared("latents", latents_key, request, batch, make)

    def first_pass(self, request: GenerationRequest, batch: range, make: Make) -> Tensor:
        """Of the first of two passes."""
        return self._shared("first pass", first_pass_key, request, batch, make)

    def _shared(self, stage: str, key_of: Callable[..., Key], request: GenerationRequest, batch: range, make: Make) -> Tensor:
        """A picture of a batch may differ in the last bit from the same one alone, so only single ones are shared."""
        if self.memo is None or len(batch) != 1:
            return make()
        single = request.single(batch[0])
        reaching = key_of(single, encodes=self.encodes)
        counts = self.altered or names(reaching, "vae", single)
        key = stage, single if self.altered else reaching, self.files, self.vae if counts else None
        found = self.memo.get(key)
        if found is None:
            found = make()
            self.memo.put(key, found)
        return found
