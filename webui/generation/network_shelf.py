"""The files of LoRAs and hypernetworks, found by the names in prompts, read, and kept from job to job."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from weakref import WeakKeyDictionary

import torch

from webui.checkpoints.families import SDXL
from webui.checkpoints.keys import unet_key
from webui.checkpoints.lora.files import LoraFiles
from webui.checkpoints.lora.header import LoraInfo
from webui.checkpoints.lora.merging import MergedWeights, Stamp, stamp_of
from webui.checkpoints.lora.reading import Lora, ModelNames, read_lora
from webui.checkpoints.pipeline import Pipeline
from webui.core.lora_blocks import block_of, block_weights
from webui.core.lora_tags import LoraTag, lora_names, read_lora_tags
from webui.core.params import suggest
from webui.errors import InvalidRequest, UnsupportedCheckpoint
from webui.generation.hypernetworks import HypernetworkShelf
from webui.generation.networks import Networks, Use
from webui.library.lora_hashes import LoraHashes

#: Bytes of files that stay read; those in use always do.
_KEPT_BYTES = 2 * 2**30

Say = Callable[[str], None]


class NetworkShelf:
    """The files and what was read of them, kept from job to job."""

    def __init__(
        self,
        files: LoraFiles | None = None,
        hashes: LoraHashes | None = None,
        hypernetworks: HypernetworkShelf | None = None,
    ) -> None:
        self._files, self._hashes = files or LoraFiles(), hashes or LoraHashes(None)
        self._hypernetworks = hypernetworks or HypernetworkShelf()
        self._read: OrderedDict[Hashable, Lora] = OrderedDict()
        self._names: WeakKeyDictionary[MergedWeights, ModelNames] = WeakKeyDictionary()
        self._digests: dict[Stamp, Future[str]] = {}
        self._hashing = ThreadPoolExecutor(1, "lora-hashes")

    def forget(self) -> None:
        """Give back the memory of what no job uses."""
        self._read.clear()
        self._hypernetworks.forget()

    def state(self, prompts: Iterable[str]) -> Hashable:
        """Changes when a file does that one of the prompts names."""
        prompts = list(prompts)
        names = dict.fromkeys(name for prompt in prompts for name in lora_names(prompt))
        loras = tuple((name, stamp_of(info.path) if (info := self._files.find(name)) else None) for name in names)
        return loras, self._hypernetworks.state(prompts)

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
                try:
                    uses.append(self._use(tag, info, pipeline, say))
                except UnsupportedCheckpoint as error:
                    if info.family is not None or not inherited:
                        raise
                    say(f"{error} “{pipeline.checkpoint.name}” goes without it.")
            elif inherited:
                say(f"{misfit} “{pipeline.checkpoint.name}” goes without it.")
            else:
                raise InvalidRequest("prompt", misfit)
        blocks = _block_names(pipeline) if any(use.blocks is not None for use in uses) else {}
        hypernetworks, absent = self._hypernetworks.of(prompt, pipeline.unet.config["cross_attention_dim"], say)
        return Networks(tuple(uses), blocks, tuple(dict.fromkeys([*missing, *absent])), second, hypernetworks)

    def _missing(self, name: str) -> str:
        names = self._files.names()
        hint = suggest(name, names) if names else "LoRAs are looked for in models/Lora."
        if self._files.reading:
            hint += " The files are still being looked into: if it is the name that a trainer gave, try again in a while."
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
        for each in info.embeddings:
            if each.problem is not None:
                say(f"{info.path.name}: the embedding “{each.name:.80}” in it {each.problem}. Its name is read as plain text.")
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
