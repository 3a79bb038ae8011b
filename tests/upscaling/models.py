"""Files of upscalers with random weights: small ones for tests, and one of the size of those in circulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from webui.upscaling.spandrel_import import import_spandrel


def esrgan(filters: int = 8, blocks: int = 2, scale: int = 4, seed: int = 0) -> Any:
    """An ESRGAN; those in circulation have 64 filters and 23 blocks. What it makes is a picture: about its input, enlarged."""
    import_spandrel()
    from spandrel.architectures.ESRGAN import ESRGAN

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ESRGAN(in_nc=3, out_nc=3, num_filters=filters, num_blocks=blocks, scale=scale).eval()


def write_upscaler(path: Path, **sizes: int) -> Path:
    """Pickled where the suffix is ".pth", with the weights inside a table as training programs have them."""
    weights = esrgan(**sizes).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pth":
        torch.save({"params_ema": weights}, path)
    else:
        save_file(weights, path)
    return path
