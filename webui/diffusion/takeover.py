"""A denoiser that gives way to another model's on the way."""

from __future__ import annotations

from collections.abc import Callable

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from webui.diffusion.denoiser import Denoiser


class SwitchingDenoiser:
    """(latents, sigma) → clean latents, by one model first and by another from some noise level on.

    The other stays, also where a sampler goes back to higher levels. It gets the latents as they are: nothing is added to them.
    """

    def __init__(
        self, first: Denoiser, take_over: Callable[[Denoiser, Tensor | None], Denoiser], is_due: Callable[[float, int], bool]
    ) -> None:
        """
        Args:
            take_over: gives the other, asked once; gets the first, and the clean latents that it foresaw last.
            is_due: (sigma, model calls so far) → whether the other is to be asked from here on.
        """
        self._asked, self._take_over, self._is_due = first, take_over, is_due
        self._taken_over = False
        self._foreseen: Tensor | None = None
        #: See `Denoiser`.
        self.unconditional = first.unconditional

    def unet_at(self, sigma: float) -> UNet2DConditionModel:
        """The UNet that a call at this noise level would ask."""
        return self._due(sigma).unet_at(sigma)

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        denoised = self._due(sigma)(latents, sigma)
        self.unconditional = self._asked.unconditional
        if not self._taken_over:
            self._foreseen = denoised
        return denoised

    def _due(self, sigma: float) -> Denoiser:
        if not self._taken_over and self._is_due(sigma, self._asked.calls):
            self._asked, self._taken_over = self._take_over(self._asked, self._foreseen), True
            self._foreseen = None
        return self._asked
