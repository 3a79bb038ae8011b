"""Making a part of a picture anew: what is kept is put back at every look of the model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from webui.core.request import GenerationRequest
from webui.diffusion.samplers.base import Denoise

#: sigma → how much of the made latents counts, by place: (1, 1, height / 8, width / 8), 0…1.
MaskAt = Callable[[float], Tensor]


class MaskedDenoiser:
    """A denoiser whose clean latents are those of the source wherever the mask is 0, so that the sampler steers back to them.

    Source: the method of latent inpainting with a model that was not trained for it, Lugmayr et al. 2022, equation 8,
    arXiv:2201.09865, on the foreseen clean latents instead of the noisy ones, as A1111 has it.
    """

    def __init__(self, denoiser: Denoise, original: Tensor, mask_at: MaskAt, boost: float = 1.0) -> None:
        """
        Args:
            original: latents of the source (batch or 1, 4, height / 8, width / 8), as the UNet has them.
            boost: see `blended`.
        """
        self._denoiser = denoiser
        self._original = original
        self._mask_at = mask_at
        self._boost = boost
        self.unconditional = torch.empty(0)

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        denoised = self._denoiser(latents, sigma)
        mask = self._mask_at(sigma)
        alone = self._denoiser.unconditional
        self.unconditional = blended(self._original, alone, mask, self._boost)
        return self.unconditional if alone is denoised else blended(self._original, denoised, mask, self._boost)


def blended(original: Tensor, made: Tensor, mask: Tensor, boost: float = 1.0) -> Tensor:
    """The source's own latents where the mask is 0, and what is made where it is 1.

    Args:
        boost: halfway between two different latents lies one of little contrast. With b above 1 the length of what is blended
            (over the channels of a place) becomes the b-th power mean of the two lengths, which is nearer the larger.
    """
    mixed = torch.lerp(original, made, mask)
    if boost <= 1.0:
        return mixed
    lengths = (torch.linalg.vector_norm(latents, dim=1, keepdim=True) for latents in (original, made, mixed))
    first, second, found = lengths
    largest = torch.maximum(first, second).clamp(min=1e-6)
    mean = torch.lerp((first / largest) ** boost, (second / largest) ** boost, mask) ** (1 / boost) * largest
    inside = (mask > 0) & (mask < 1)
    return torch.where(inside, mixed * (mean / found.clamp(min=1e-6)), mixed)


def content(name: str, latents: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """What the masked part begins with, by the name of `GenerationRequest.masked_content`.

    Args:
        latents: of the source (batch or 1, 4, height / 8, width / 8); "fill" was done to its pixels.
        mask: 1 where it is made anew.
        noise: of unit variance, shaped as the batch.
    """
    if name == "latent noise":
        return latents * (1 - mask) + noise * mask
    if name == "latent nothing":
        return latents * (1 - mask)
    return latents


# ---- soft inpainting


def soft_mask(request: GenerationRequest, mask: Tensor, sigma_max: float) -> MaskAt:
    """How much of what is made counts at a noise level, where the mask is soft.

    With m the mask and s = (σ / σ_max)^bias the share of the noise that is left, the weight is m^(preservation · (1 − s)): at
    first everything that is not wholly kept may change, and towards the end places of a low m are steered back to the source.
    A bias above 1 begins to steer earlier, one below 1 later.
    """

    def weight(sigma: float) -> Tensor:
        left = min(sigma / sigma_max, 1.0) ** request.soft_bias
        return mask.clamp(0, 1) ** max(request.soft_preservation * (1 - left), 1e-6) * (mask > 0)

    return weight


def changed(request: GenerationRequest, original: Tensor, made: Tensor, mask: Tensor) -> Tensor:
    """Where the made picture is to show, by how much its latents differ from the source's: (batch, 1, height / 8, width / 8).

    The difference d is the root of the mean square over the channels, blurred over neighbours; the result is
    1 / (1 + (d / threshold)^(−contrast)), which is one half at the threshold, mixed with the mask by its influence.
    """
    difference = (made - original).square().mean(dim=1, keepdim=True).sqrt()
    difference = torch.nn.functional.avg_pool2d(difference, 3, stride=1, padding=1, count_include_pad=False)
    threshold = request.soft_threshold * torch.lerp(torch.ones_like(mask), 2 * (1 - mask), request.soft_mask_influence)
    ratio = difference / threshold.clamp(min=1e-6)
    shown = ratio**request.soft_contrast / (1 + ratio**request.soft_contrast)
    return torch.lerp(shown, shown * mask, request.soft_mask_influence)
