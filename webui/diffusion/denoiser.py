"""The UNet with scaling and guidance around it: noisy latents in, clean latents out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from webui.core.sigmas import sigma_to_timestep
from webui.diffusion.conditioning import Conditioning, Encoded
from webui.diffusion.lengths import equally_long

Scalings = tuple[float, float, float]


def epsilon_scalings(sigma: float) -> Scalings:
    """(skip, out, in) of a UNet that predicts the noise: denoised = skip · latents + out · unet(in · latents)."""
    return 1.0, -sigma, 1 / math.sqrt(sigma**2 + 1)


def v_prediction_scalings(sigma: float) -> Scalings:
    """The same for a UNet that predicts the velocity. Source: Salimans and Ho 2022, appendix D, arXiv:2202.00512."""
    return 1 / (sigma**2 + 1), -sigma / math.sqrt(sigma**2 + 1), 1 / math.sqrt(sigma**2 + 1)


SCALINGS: dict[str, Callable[[float], Scalings]] = {"epsilon": epsilon_scalings, "v_prediction": v_prediction_scalings}

#: (guided, conditional, unconditional, sigma) → guided, all clean latents.
AlterGuidance = Callable[[Tensor, Tensor, Tensor, float], Tensor]

#: (UNet, noisy latents, timesteps, vectors to attend to, what else it is told by name) → what it says.
Ask = Callable[[UNet2DConditionModel, Tensor, Tensor, Tensor, dict[str, Any]], Tensor]

#: Told of a model call by its number.
OnCall = Callable[[int], None]

#: Pictures that go through the UNet at once at most, but for the two of plain guidance; more parts of a prompt take turns.
_ROWS_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How far the result is moved away from the unconditional, and when.

    Args:
        scale: 1 is the conditional alone.
        rescale: how much of the contrast that the scale adds is taken back, 0 to 1.
        minimum_sigma: below it every other model call goes without the unconditional; with `every_call` each of them.
        skip_early: the share of the calls, from the first, that go without.
        calls: how many there will be.
        keeps_unconditional: the sampler uses it by itself, so that it is computed at a scale of 1 too.
        image_scale: how far the result is moved towards the picture that the UNet sees behind the latents, away from seeing
            none; 1 is as far as the unconditional is.
    """

    scale: float = 7.0
    rescale: float = 0.0
    minimum_sigma: float = 0.0
    every_call: bool = False
    skip_early: float = 0.0
    calls: int = 1
    keeps_unconditional: bool = False
    image_scale: float = 1.0

    def needed(self, weight: float) -> bool:
        """Whether the unconditional counts at all, for parts of that weight together: it has the share 1 − scale · weight."""
        return self.keeps_unconditional or self.scale * weight != 1.0 or self.image_scale != 1.0

    def skips(self, call: int, sigma: float) -> bool:
        """Whether a model call (counted from 0) goes without it, to save time or by wish."""
        early = self.skip_early > 0 and call / self.calls <= self.skip_early
        low = sigma < self.minimum_sigma and (self.every_call or call % 2 == 1)
        return early or low


@dataclass(frozen=True)
class _Context:
    """What the UNet is told beside noise and time, for (parts · batch) pictures.

    Args:
        vectors: (parts · batch, tokens, width) to attend to.
        named: by the UNet's names: which of the tokens exist, where parts differ in length, and what belongs to the whole text.
    """

    vectors: Tensor
    named: dict[str, Tensor | dict[str, Tensor]]

    def part(self, rows: slice) -> tuple[Tensor, dict[str, Tensor | dict[str, Tensor]]]:
        cut: dict[str, Tensor | dict[str, Tensor]] = {
            name: value[rows].contiguous()
            if isinstance(value, Tensor)
            else {key: tensor[rows].contiguous() for key, tensor in value.items()}
            for name, value in self.named.items()
        }
        return self.vectors[rows].contiguous(), cut


def ask(unet: UNet2DConditionModel, noisy: Tensor, timesteps: Tensor, vectors: Tensor, others: dict[str, Any]) -> Tensor:
    """What the UNet says, in its own type."""
    return unet(noisy, timesteps, vectors, return_dict=False, **others)[0]


class Denoiser:
    """(latents, sigma) → clean latents, with classifier-free guidance.

    All conditionals and the unconditional go through the UNet in one call. It counts its calls, for prompts that change.
    Source of the guidance: Ho and Salimans 2022, arXiv:2207.12598; of several conditionals: Liu et al. 2022, arXiv:2206.01714;
    of that by a picture: Brooks et al. 2023, equation 3, arXiv:2211.09800.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        conditioning: Conditioning,
        guidance: Guidance,
        sigmas: Sequence[float],
        prediction_type: str,
        batch_size: int,
        concat: Tensor | None = None,
        calls: int = 0,
        alter: AlterGuidance | None = None,
        apart: bool = False,
        ask: Ask = ask,
        on_call: OnCall = lambda call: None,
    ) -> None:
        """
        Args:
            conditioning: for every picture of the batch.
            sigmas: the model's table, rising.
            prediction_type: a key of `SCALINGS`.
            concat: (batch or 1, channels, height / 8, width / 8), what the UNet sees behind the latents at every call: the
                picture to be changed, and which part of it.
            calls: how many there were before it, of another model.
            alter: changes what guidance makes; None: nothing does.
            apart: each picture goes through the UNet alone, so that it is the one made alone to the last bit, which depends on
                how many go at once.
            ask: how the UNet is asked: what is known already need not be.
            on_call: told of each call before it: its number, counted from 0 over all models.
        """
        self._unet = unet
        self._conditioning = conditioning
        self._guidance = guidance
        needed = guidance.needed(conditioning.weight)
        self._guided = needed and conditioning.unconditional is not None
        # Where the unconditional has no share in the sum, the sum is the same from wherever it starts.
        self._scale_alone = 1.0 if needed else guidance.scale
        self._sigmas = sigmas
        self._scalings = SCALINGS[prediction_type]
        self._batch_size = batch_size
        self._concat = None if concat is None else concat.to(unet.dtype).expand(batch_size, -1, -1, -1)
        self._alter = alter
        self._apart = apart
        self._ask = ask
        self._on_call = on_call
        #: How many there were.
        self.calls = calls
        self._contexts: dict[tuple[int, ...], _Context] = {}
        #: The clean latents of the last call by the unconditional alone; the same as its result where that was left out.
        self.unconditional = torch.empty(0)

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """Latents (batch, 4, height / 8, width / 8) in float32, as is the result; sigma is a plain number, so no device waits."""
        skip, out, scale = self._scalings(sigma)
        self._on_call(self.calls)
        guided = self._guided and not self._guidance.skips(self.calls, sigma)
        context = self._context(self.calls, guided)
        self.calls += 1
        scaled, timestep = (latents * scale).to(self._unet.dtype), sigma_to_timestep(sigma, self._sigmas)
        outputs = self._predict(scaled, timestep, context, self._concat)
        if guided:
            conditionals, unconditional = outputs[:-1], outputs[-1]
            output = self._guide(conditionals, unconditional)
            if self._guidance.image_scale != 1.0 and self._concat is not None:
                output = output + self._towards_picture(scaled, timestep, context, unconditional)
            denoised = latents * skip + output * out
            self.unconditional = latents * skip + unconditional * out
            if self._alter is not None:
                conditional = latents * skip + self._composed(conditionals, unconditional, 1.0) * out
                denoised = self._alter(denoised, conditional, self.unconditional, sigma)
        else:
            denoised = latents * skip + self._composed(outputs, outputs[0], self._scale_alone) * out
            self.unconditional = denoised
        return denoised

    def unet_at(self, sigma: float) -> UNet2DConditionModel:
        """The UNet that a call at this noise level would ask."""
        return self._unet

    def succeeded_by(
        self,
        unet: UNet2DConditionModel,
        conditioning: Conditioning,
        sigmas: Sequence[float],
        prediction_type: str,
        concat: Tensor | None,
        on_call: OnCall,
    ) -> Denoiser:
        """One of another model that goes on from here: with the same guidance, and counting on."""
        return Denoiser(
            unet,
            conditioning,
            self._guidance,
            sigmas,
            prediction_type,
            self._batch_size,
            concat,
            self.calls,
            self._alter,
            self._apart,
            on_call=on_call,
        )

    def _predict(self, scaled: Tensor, timestep: float, context: _Context, concat: Tensor | None) -> Tensor:
        """(parts, batch, 4, height / 8, width / 8), float32: what the UNet says to each part."""
        seen = scaled if concat is None else torch.cat([scaled, concat], dim=1)
        if len(seen) == 1 or not self._apart:
            return self._predict_together(seen, timestep, context)
        pictures = range(len(seen))
        alone = [_Context(*context.part(slice(picture, None, len(seen)))) for picture in pictures]
        return torch.cat([self._predict_together(seen[k : k + 1], timestep, alone[k]) for k in pictures], dim=1)

    def _predict_together(self, seen: Tensor, timestep: float, context: _Context) -> Tensor:
        parts = len(context.vectors) // len(seen)
        rows = max(_ROWS_AT_ONCE, 2 * len(seen))
        pieces = []
        for start in range(0, len(context.vectors), rows):
            vectors, named = context.part(slice(start, start + rows))
            noisy = seen.repeat(parts, 1, 1, 1)[start : start + rows]
            timesteps = torch.full((len(noisy),), timestep, device=noisy.device)
            pieces.append(self._ask(self._unet, noisy, timesteps, vectors, named).float())
        return torch.cat(pieces).unflatten(0, (parts, len(seen)))

    # ---- guidance

    def _towards_picture(self, scaled: Tensor, timestep: float, context: _Context, unconditional: Tensor) -> Tensor:
        """(image scale − 1) · (unconditional − what the UNet says to it without seeing the picture)."""
        assert self._concat is not None
        alone = _Context(*context.part(slice(len(context.vectors) - len(scaled), None)))
        blind = self._predict(scaled, timestep, alone, torch.zeros_like(self._concat))[0]
        return (self._guidance.image_scale - 1.0) * (unconditional - blind)

    def _guide(self, conditionals: Tensor, unconditional: Tensor) -> Tensor:
        guided = self._composed(conditionals, unconditional, self._guidance.scale)
        if self._guidance.rescale == 0:
            return guided
        plain = self._composed(conditionals, unconditional, 1.0)
        return rescaled(guided, plain, self._guidance.rescale)

    def _composed(self, conditionals: Tensor, base: Tensor, scale: float) -> Tensor:
        """base + Σ scale · weight · (conditional − base)."""
        if len(conditionals) == 1:
            return torch.lerp(base, conditionals[0], scale * self._conditioning.weight)
        weights = [scale * part.weight for part in self._conditioning.conditionals]
        moved = base
        for weight, conditional in zip(weights, conditionals, strict=True):
            moved = moved + weight * (conditional - base)
        return moved

    # ---- what is attended to

    def _context(self, call: int, guided: bool) -> _Context:
        """Made once for each combination of texts."""
        parts = [part.at(call) for part in self._conditioning.conditionals]
        unconditional = self._conditioning.unconditional
        last = [unconditional.at(call)] if guided and unconditional is not None else []
        texts = [*parts, *last]
        key = tuple(id(encoded) for encoded in texts)
        if key not in self._contexts:
            vectors = equally_long([part.vectors for part in parts])
            if last:
                level = self._conditioning.level
                vectors = level(vectors, last[0].vectors) if level else [*vectors, last[0].vectors]
            self._contexts[key] = self._joined(vectors, texts)
        return self._contexts[key]

    def _joined(self, parts: list[Tensor], texts: list[Encoded]) -> _Context:
        """Parts of different length are filled up with nothing and a mask that hides it: each counts as if it were alone."""
        lengths = [len(part) for part in parts]
        filled = [torch.nn.functional.pad(part, (0, 0, 0, max(lengths) - len(part))) for part in parts]
        vectors, named = self._for_batch(filled), {}
        if len(set(lengths)) > 1:
            present = [torch.arange(max(lengths), device=vectors.device) < length for length in lengths]
            named["encoder_attention_mask"] = self._for_batch(present)
        pooled = [encoded.pooled for encoded in texts if encoded.pooled is not None]
        if pooled:
            ids = [torch.tensor(encoded.size_ids, device=vectors.device) for encoded in texts]
            # Sizes stay in full precision: half of it could not tell 1032 from 1024.
            added = {
                "text_embeds": self._for_batch(pooled),
                "time_ids": torch.stack(ids).repeat_interleave(self._batch_size, dim=0),
            }
            named["added_cond_kwargs"] = added
        return _Context(vectors, named)

    def _for_batch(self, rows: list[Tensor]) -> Tensor:
        return torch.stack(rows).to(self._unet.dtype).repeat_interleave(self._batch_size, dim=0)


def rescaled(guided: Tensor, plain: Tensor, share: float) -> Tensor:
    """Bring the spread of each picture towards what it is without guidance, which keeps a high scale from overexposing.

    Source: Lin et al. 2023, equations 15 and 16, arXiv:2305.08891.
    """
    spread = plain.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
    return guided * (share * spread + 1 - share)
