"""The networks that a prompt names, at work: LoRAs in the weights of the model that makes the pass, hypernetworks around them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from torch import nn

from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.embeddings import Embedding
from webui.checkpoints.hypernetworks import attended_through
from webui.checkpoints.lora.merging import Change, Changes, Stamp
from webui.checkpoints.lora.reading import Lora, Target
from webui.core.lora_blocks import BASE
from webui.core.lora_tags import HASHES, NOT_FOUND, LoraTag
from webui.generation.hypernetworks import HypernetworkUse
from webui.generation.models import Model
from webui.library.lora_hashes import DIGITS


@dataclass(frozen=True, eq=False)
class Use:
    """A tag and what it names. `blocks`: the share of each UNet block; None: all take the same."""

    tag: LoraTag
    lora: Lora
    file: Stamp
    digest: Future[str]
    blocks: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Networks:
    """Those of one pass.

    Args:
        block_names: the block of each of the UNet's weights; only where some tag asks for blocks.
        missing: names that no file has.
        second: whether it is the second pass of "Hires. fix".
        hypernetworks: in the order of their tags.
    """

    uses: tuple[Use, ...] = ()
    block_names: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    second: bool = False
    hypernetworks: tuple[HypernetworkUse, ...] = ()

    @property
    def key(self) -> Hashable:
        """Equal for what gives equal answers of the model."""
        loras = tuple((use.file, repr(use.tag), self.second) for use in self.uses)
        return loras, tuple((use.file, use.strength) for use in self.hypernetworks)

    @property
    def vary(self) -> bool:
        """Whether the UNet's weights change on the way."""
        return any(use.tag.changes(second=self.second) for use in self.uses)

    @property
    def facts(self) -> dict[str, str]:
        """Infotext entries, as A1111 writes them. Waits for hashes that are still being worked out."""
        hashes = {use.tag.name.replace(":", "").replace(",", ""): use.digest.result()[:DIGITS] for use in self.uses}
        listed = ", ".join(f"{name}: {digest}" for name, digest in hashes.items() if digest)
        facts = {HASHES: listed} if listed else {}
        return {**facts, NOT_FOUND: ", ".join(self.missing)} if self.missing else facts

    @property
    def embeddings(self) -> dict[EmbeddingInfo, Embedding]:
        """What the LoRAs carry: of one name the first counts. They act whatever weights tags have."""
        return {info: embedding for use in self.uses for info, embedding in use.lora.embeddings.items()}

    @classmethod
    def facts_of(cls, several: Iterable[Networks]) -> dict[str, str]:
        """The same of several passes together."""
        several = list(several)
        uses = tuple(use for each in several for use in each.uses)
        return cls(uses, missing=tuple(dict.fromkeys(name for each in several for name in each.missing))).facts

    def attended(self, unet: nn.Module) -> AbstractContextManager[None]:
        """While a UNet's attention goes through the hypernetworks."""
        return attended_through(unet, [(use.hypernetwork, use.strength) for use in self.hypernetworks])

    def merge_text(self, model: Model, check: Callable[[], None] = lambda: None) -> None:
        """Have the text encoders' weights with their shares, which are those of the pass's beginning."""
        parts = [encoder.name for encoder in model.pipeline.text_encoders]
        _merge(model, "text_encoders", parts, self._changes(parts, self._text_share), check)

    def merge_unet(self, model: Model, call: int, calls: int, check: Callable[[], None] = lambda: None) -> None:
        """Have the UNet's weights with their shares at a model call of the pass, counted from 0."""

        def share(use: Use, target: Target) -> float:
            weight = use.tag.unet_at(call, calls, second=self.second)
            return weight if use.blocks is None else weight * use.blocks.get(self.block_names[target.name], 0.0)

        _merge(model, "unet", ["unet"], self._changes(["unet"], share), check)

    def _text_share(self, use: Use, target: Target) -> float:
        weight = use.tag.share(second=self.second).te.at(0, 1)
        return weight if use.blocks is None else weight * use.blocks.get(BASE, 0.0)

    def _changes(self, parts: Iterable[str], share: Callable[[Use, Target], float]) -> Changes:
        found: dict[Target, tuple[Change, ...]] = {}
        parts = frozenset(parts)
        for use in self.uses:
            for target, patch in use.lora.patches.items():
                if target.part in parts and (strength := share(use, target)):
                    found[target] = (*found.get(target, ()), Change(patch, use.file, strength, use.tag.dyn))
        return found


def _merge(model: Model, place: str, parts: Iterable[str], changes: Changes, check: Callable[[], None]) -> None:
    merged = model.pipeline.merged
    if merged is not None and merged.differ(parts, changes):
        with model.placement.rewriting(place):
            merged.merge(parts, changes, model.pipeline.device, check)
