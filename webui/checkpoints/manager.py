"""The pipeline in memory: lent by lease, and not swapped while it is lent."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.loader import load_checkpoint, load_vae
from webui.checkpoints.pipeline import Pipeline

#: Told of each file before it is read: its name and its size in bytes.
OnLoad = Callable[[str, int], None]
_Identity = tuple[Path, int, int]


@dataclass(frozen=True)
class _Held:
    """A pipeline, the files it is from, and the checkpoint's own VAE, kept to be put back."""

    pipeline: Pipeline
    checkpoint: _Identity
    vae: _Identity | None
    built_in_vae: AutoencoderKL


class PipelineManager:
    """Holds one pipeline. Thread-safe: who wants another checkpoint or VAE waits until nobody uses this one."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self._changed = threading.Condition()
        self._lent = 0
        self._held: _Held | None = None

    @contextmanager
    def lease(
        self, checkpoint: CheckpointInfo, vae: VaeInfo | None, on_load: OnLoad = lambda name, size: None
    ) -> Iterator[Pipeline]:
        """Lend the pipeline of a checkpoint, loading what is not in memory; `vae` None is the checkpoint's own.

        Raises:
            UnsupportedCheckpoint: it cannot be loaded; the pipeline held before is still there.
        """
        with self._changed:
            while (held := self._matching(checkpoint, vae)) is None:
                if self._lent == 0:
                    held = self._load(checkpoint, vae, on_load)
                    break
                self._changed.wait()
            self._lent += 1
            pipeline = held.pipeline
        del held  # a lease keeps the pipeline alive, not the rest
        try:
            yield pipeline
        finally:
            with self._changed:
                self._lent -= 1
                self._changed.notify_all()

    def unload(self) -> None:
        """Free the memory, once nobody uses the pipeline."""
        with self._changed:
            self._changed.wait_for(lambda: self._lent == 0)
            self._held = None
        _release_memory(self.device)

    def _matching(self, checkpoint: CheckpointInfo, vae: VaeInfo | None) -> _Held | None:
        held = self._held
        fits = held and held.checkpoint == _identity(checkpoint) and held.vae == (_identity(vae) if vae else None)
        return held if fits else None

    def _load(self, checkpoint: CheckpointInfo, vae: VaeInfo | None, on_load: OnLoad) -> _Held:
        """Build what is wanted beside what is held, and only then let go of that."""
        held, identity = self._held, _identity(checkpoint)
        if held is None or held.checkpoint != identity:
            on_load(checkpoint.name, checkpoint.size)
            pipeline = load_checkpoint(checkpoint, self.device, self.dtype)
            held = _Held(pipeline, identity, None, pipeline.vae)
        held = self._held = self._with_vae(held, vae, on_load)
        _release_memory(self.device)
        return held

    def _with_vae(self, held: _Held, vae: VaeInfo | None, on_load: OnLoad) -> _Held:
        if vae is None:
            restored = held.pipeline.with_vae(held.built_in_vae, None)
            return replace(held, pipeline=restored, vae=None)
        on_load(vae.name, vae.size)
        other = load_vae(vae, self.device, self.dtype)
        return replace(held, pipeline=held.pipeline.with_vae(other, vae.name), vae=_identity(vae))


def _identity(info: CheckpointInfo | VaeInfo) -> _Identity:
    """A file that was replaced by another of the same name is another."""
    try:
        status = info.path.stat()
    except OSError:
        return info.path, -1, -1
    return info.path, status.st_size, status.st_mtime_ns


def _release_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
