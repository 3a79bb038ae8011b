"""What cells of a plot have in common: whole passes by what decides them, and model calls by all that the model is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.families import FAMILIES
from webui.checkpoints.residents import Identity, identity_of
from webui.core.fields.hires import SAME_CHECKPOINT
from webui.core.request import GenerationRequest
from webui.core.stage_keys import Key, first_pass_key, latents_key, names
from webui.core.switching import ModelSwitch
from webui.diffusion.denoiser import Ask, ask
from webui.diffusion.latents import CHANNELS
from webui.generation.memo import Memo
from webui.plugins.loader import PluginManager

#: The hooks that change latents. Of `switch_model` it is known how.
_BEFORE_DECODING = (
    "change_modules",
    "alter_conditioning",
    "alter_noise",
    "wrap_denoiser",
    "alter_guidance",
    "alter_latents",
)

#: Those of them that can change the UNet itself.
_IN_THE_UNET = ("change_modules", "wrap_denoiser")

Make = Callable[[], Tensor]


@dataclass(frozen=True)
class Sharing:
    """What one job shares with others.

    Args:
        memo: None: nothing.
        files: identities of the models and embeddings that work on the latents, and who takes over from whom.
        vae: that of the VAE, which counts where the request's key names it.
        enlarging: what beside the request decides how the picture of a first pass is enlarged.
        encodes: the UNet sees an encoded picture behind the latents.
        altered: an extension has a hand in it, which may read anything.
        unet_as_known: nothing beside its file and networks decides what the UNet says; an extension may, too.
    """

    memo: Memo | None = None
    files: tuple[Hashable, ...] = ()
    vae: Hashable = None
    enlarging: Hashable = None
    encodes: bool = False
    altered: bool = False
    unet_as_known: bool = False

    def latents(self, request: GenerationRequest, batch: range, make: Make) -> Tensor:
        """Ready to be decoded: (batch, 4, height / 8, width / 8)."""
        return self._shared(("latents", self.enlarging), latents_key, request, batch, make)

    def first_pass(self, request: GenerationRequest, batch: range, make: Make) -> Tensor:
        """Of the first of two passes."""
        return self._shared("first pass", first_pass_key, request, batch, make)

    def _shared(
        self, stage: Hashable, key_of: Callable[..., Key], request: GenerationRequest, batch: range, make: Make
    ) -> Tensor:
        """A picture of a batch may differ in the last bit from the same one alone, so only single ones are shared."""
        if self.memo is None or self.altered or len(batch) != 1:
            return make()
        single = request.single(batch[0])
        reaching = key_of(single, encodes=self.encodes)
        key = stage, reaching, self.files, self.vae if names(reaching, "vae", single) else None
        found = self.memo.get(key)
        if found is None:
            found = make()
            self.memo.put(key, found)
        return found

    def ask(self, model: Identity, networks: Hashable) -> Ask:
        """Has a checkpoint's UNet answer what it was not asked before; for passes that begin as others do and end otherwise.

        Args:
            networks: equal for equal weights of the UNet.
        """
        if self.memo is None or not self.unet_as_known:
            return ask
        return partial(_recalled, self.memo, (model, networks))


def sharing_of(
    request: GenerationRequest,
    checkpoint: CheckpointInfo,
    vae: VaeInfo | None,
    memo: Memo,
    catalog: Catalog,
    plugins: PluginManager,
    embeddings: Hashable = (),
    enlarging: Hashable = None,
    networks: Callable[[list[str]], Hashable] = lambda prompts: (),
) -> Sharing:
    """What a cell of a plot shares with the others, as far as all that decides a stage is told by the request.

    Args:
        embeddings: changes when one of their files does.
        enlarging: see `Sharing`.
        networks: tells what the files are that prompts name.

    Raises:
        CheckpointNotFound, UnsupportedCheckpoint: another that it wants cannot be used.
    """
    passes = (False, True) if request.hires else (False,)
    asked = [plugins.only("switch_model", ModelSwitch, request=request, second_pass=second) for second in passes]
    switches = [switch for switch in asked if switch is not None]
    named = [switch.checkpoint for switch in switches]
    if request.hires and request.hires_checkpoint != SAME_CHECKPOINT:
        named.append(request.hires_checkpoint)
    prompts = [request.prompt, request.hires_prompt, *(switch.prompt or "" for switch in switches)]
    models = [checkpoint, *map(catalog.find_checkpoint, named)]
    return Sharing(
        memo,
        files=(*map(identity_of, models), *switches, embeddings, networks(prompts)),
        vae=None if vae is None else identity_of(vae),
        enlarging=enlarging,
        encodes=any(FAMILIES[model.family or ""].channels != CHANNELS for model in models),
        # A picture that is wanted from the way to the latents is not kept with them.
        altered=any(switch.keeps_before for switch in switches) or plugins.acts(_BEFORE_DECODING, request),
        unet_as_known=not plugins.acts(_IN_THE_UNET, request),
    )


def _recalled(
    memo: Memo, model: Hashable, unet: Any, noisy: Tensor, timesteps: Tensor, vectors: Tensor, others: dict[str, Any]
) -> Tensor:
    """What the UNet says, or said when it was told the same to the last bit."""
    key = "model call", model, _digest(noisy, timesteps, vectors, others)
    found = memo.get(key)
    if found is None:
        found = ask(unet, noisy, timesteps, vectors, others)
        memo.put(key, found)
    return found.to(noisy.device)


def _digest(*told: Tensor | Mapping[str, Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for each in told:
        if isinstance(each, Tensor):
            digest.update(f"{each.dtype} {tuple(each.shape)}".encode())
            digest.update(each.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        else:
            for name, value in sorted(each.items()):
                digest.update(name.encode() + _digest(value))
    return digest.digest()
