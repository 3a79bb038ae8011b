"""Small files of tensors under the names that checkpoints have, for tests of merging and converting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

CONV = "model.diffusion_model.input_blocks.0.0.weight"
MIDDLE = "model.diffusion_model.middle_block.0.in_layers.2.weight"
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
VAE_CONV = "first_stage_model.decoder.conv_in.weight"
OUTSIDE = "alphas_cumprod"


def weights(seed: int, *, channels: int = 4, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The first convolution, one in the middle, one of the VAE, and two tensors that no merge may touch."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    return {
        CONV: normal(8, channels, 3, 3),
        MIDDLE: normal(6, 5),
        VAE_CONV: normal(4, 4, 3, 3),
        POSITIONS: torch.arange(5) + seed,
        OUTSIDE: torch.rand(7, generator=generator),
    }


def save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), path, metadata)
    return path
