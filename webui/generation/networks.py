"""The LoRAs that a prompt names: found, read, and brought into the weights of the model that makes the pass."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from webui.checkpoints.families import SDXL
from webui.checkpoints.keys import unet_key
from webui.checkpoints.lora.files import LoraFiles
from webui.checkpoints.lora.header import LoraInfo
from webui.checkpoints.lora.merging import Change, Changes, MergedWeights, Stamp, stamp_of
from webui.checkpoints.lora.reading import Lora, ModelNames, Target, read_lora
from webui.checkpoints.pipeline import Pipeline
from webui.core.lora_blocks import BASE, block_of, block_weights
from webui.core.lora_tags import LoraTag, lora_names, read_lora_tags
from webui.core.params import suggest
from webui.errors import InvalidRequest, UnsupportedCheckpoint
from webui.generation.models import Model
from webui.library.lora_hashes import DIGITS, LoraHashes

#: Bytes of files that stay read; those in use always do.
_KEPT_BYTES = 2 * 2**30

Say = Callable[[str], None]


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
    """

    uses: tuple[Use, ...] = ()
    block_names: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    second: bool = False

    @property
    def key(self) -> Hashable:
        """Equal for what gives equal weights."""
        return tuple((use.file, repr(use.tag), self.second) for use in self.uses)

    @property
    def vary(self) -> bool:
        """Whether the UNet's weights change on the way."""
        return any(use.tag.changes(second=self.second) for use in self.uses)

    @property
    def facts(self) -> dict[str, str]:
        """Infotext entries, as A1111 writes them. Waits for hashes that are still being worked out."""
        hashes = {use.tag.name.replace(":", "").replace(",", ""): use.digest.result()[:DIGITS] for use in self.uses}
        listed = ", ".join(f"{name}: {digest}" for name, digest in hashes.items() if digest)
        facts = {"Lora hashes": listed} if listed else {}
        return {**facts, "Networks not found": ", ".join(self.missing)} if self.missing else facts

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


class NetworkShelf:
    """The files and what was read of them, kept from job to job."""

    def __init__(self, files: LoraFiles | None = None, hashes: LoraHashes | None = None) -> None:
        self._files, self._hashes = files or LoraFiles(), hashes or LoraHashes(None)
        self._read: OrderedDict[Hashable, Lora] = OrderedDict()
        self._names: WeakKeyDictionary[MergedWeights, ModelNames] = WeakKeyDictionary()
        self._digests: dict[Stamp, Future[str]] = {}
        self._hashing = ThreadPoolExecutor(1, "lora-hashes")

    def state(self, prompts: Iterable[str]) -> Hashable:
        """Changes when a file does that one of the prompts names."""
        names = dict.fromkeys(name for prompt in prompts for name in lora_names(prompt))
        return tuple((name, stamp_of(info.path) if (info := self._files.find(name)) else None) for name in names)

    def of(self, pipeline: Pipeline, prompt: str, say: Say, *, second: bool = False, inherited: bool = False) -> Networks:
        """What a prompt names, for a lent pipeline.

        Args:
            say: tells people of what is left out.
            second: for the second pass of "Hires. fix".
            inherited: the prompt was written for another checkpoint, whose files may fit that one alone.

        Raises:
            InvalidRequest: a file is for another family, or a tag says something impossible.
            UnsupportedCheckpoint: a file cannot be read.
        """
        uses, missing = list[Use](), list[str]()
        for tag in read_lora_tags(prompt):
            info = self._files.find(tag.name)
            if info is None:
                missing.append(tag.name)
                say(self._missing(tag.name))
            elif (misfit := _misfit(info, pipeline)) is None:
                uses.append(self._use(tag, info, pipeline, say))
            elif inherited:
                say(f"{misfit} “{pipeline.checkpoint.name}” goes without it.")
            else:
                raise InvalidRequest("prompt", misfit)
        blocks = _block_names(pipeline) if any(use.blocks is not None for use in uses) else {}
        return Networks(tuple(uses), blocks, tuple(dict.fromkeys(missing)), second)

    def _missing(self, name: str) -> str:
        names = self._files.names()
        hint = suggest(name, names) if names else "LoRAs are looked for in models/Lora."
        return f"There is no LoRA “{name:.80}”, so it was left out. {hint}"

    def _use(self, tag: LoraTag, info: LoraInfo, pipeline: Pipeline, say: Say) -> Use:
        sdxl = pipeline.family.name.startswith(SDXL)
        blocks = None if tag.blocks is None else block_weights(tag.name, tag.blocks, sdxl=sdxl)
        lora, file = self._lora(info, pipeline), stamp_of(info.path)
        if lora.unused:
            say(
                f"{info.path.name}: {len(lora.unused)} of its modules have no place in “{pipeline.checkpoint.name}” and are left "
                f"out, the first is {lora.unused[0]:.80}."
            )
        if file not in self._digests:
            self._digests[file] = self._hashing.submit(self._hashes.work_out, info.path)
        return Use(tag, lora, file, self._digests[file], blocks)

    def _lora(self, info: LoraInfo, pipeline: Pipeline) -> Lora:
        names = self._names_of(pipeline)
        key = stamp_of(info.path), frozenset(names.shapes.items())
        if key not in self._read:
            with torch.inference_mode(False):  # it outlives the job
                self._read[key] = read_lora(info, names)
        self._read.move_to_end(key)
        while len(self._read) > 1 and sum(lora.size for lora in self._read.values()) > _KEPT_BYTES:
            self._read.popitem(last=False)
        return self._read[key]

    def _names_of(self, pipeline: Pipeline) -> ModelNames:
        assert pipeline.merged is not None, "a lent pipeline has it"
        if pipeline.merged not in self._names:
            self._names[pipeline.merged] = ModelNames.of(pipeline.modules)
        return self._names[pipeline.merged]


def _misfit(info: LoraInfo, pipeline: Pipeline) -> str | None:
    """Raise UnsupportedCheckpoint where the file is of no use to anybody."""
    if info.problem is not None:
        raise UnsupportedCheckpoint(f"The LoRA {info.path.name} {info.problem}.")
    misfit = info.misfit(pipeline.family.name)
    return None if misfit is None else f"{misfit} (The checkpoint is “{pipeline.checkpoint.name}”.)"


def _block_names(pipeline: Pipeline) -> dict[str, str]:
    config = pipeline.unet.config
    layers, attended = config["layers_per_block"], ["CrossAttn" in kind for kind in config["up_block_types"]]
    return {name: block_of(unet_key(name, layers, attended)) for name in pipeline.unet.state_dict()}
