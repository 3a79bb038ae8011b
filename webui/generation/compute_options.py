"""What the command line says of how to compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from webui.checkpoints.memory import MemoryMode
from webui.diffusion.vae_precision import NAMES
from webui.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """As it was said for all jobs.

    Args:
        floor: no mode that needs more memory is used; `floor_sdxl` for SDXL.
        no_half: everything in float32.
        vae_dtype: None is the best for the device.
        small_decoders: the folder of decoders for previews.
        kept: bytes of checkpoints that stay in memory; None: by what is free.
    """

    floor: MemoryMode = MemoryMode.RESIDENT
    floor_sdxl: MemoryMode = MemoryMode.RESIDENT
    no_half: bool = False
    vae_dtype: torch.dtype | None = None
    small_decoders: Path | None = None
    kept: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> ComputeOptions:
        floor = MemoryMode.COMPONENT if settings.medvram else MemoryMode.RESIDENT
        floor = MemoryMode.STREAMED if settings.lowvram else floor
        return cls(
            floor=floor,
            floor_sdxl=max(floor, MemoryMode.COMPONENT) if settings.medvram_sdxl else floor,
            no_half=settings.no_half,
            vae_dtype=next((dtype for dtype, name in NAMES.items() if name == settings.vae_precision), None),
            small_decoders=settings.models_dir / "VAE-taesd",
            kept=None if settings.checkpoints_memory is None else round(settings.checkpoints_memory * 2**30),
        )
