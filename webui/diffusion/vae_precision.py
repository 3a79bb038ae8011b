"""Which number type a VAE is run in: narrow where that is fast and right, float32 where the numbers need it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

#: How a number type is called in infotext and on the command line.
NAMES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}

#: Digits that weights keep in it.
_MANTISSA = {torch.float32: 23, torch.float16: 10, torch.bfloat16: 7}


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where it is fast, for it does not overflow; else float16; float32 on a CPU.

    A CPU with AMX or AVX512-BF16 decodes in 0.4 to 0.6 of the time in bfloat16, but sampling takes most of a job's, and the
    picture differs by up to 13/255 from that of other CPUs, where bfloat16 takes 5 to 60 times as long.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32 if device.type == "cpu" else torch.float16


class VaePrecision:
    """Decides per file, and remembers which one overflowed in what it was given first.

    Files are told apart by any hashable identity.
    """

    def __init__(self, preferred: torch.dtype) -> None:
        self._preferred = preferred
        self._overflowed: set[Hashable] = set()

    def dtype_of(self, file: Hashable) -> torch.dtype:
        return torch.float32 if file in self._overflowed else self._preferred

    def overflowed(self, file: Hashable) -> bool:
        """Remember it; False if that was known."""
        known = file in self._overflowed
        self._overflowed.add(file)
        return not known


def settle(vae: AutoencoderKL, dtype: torch.dtype, reread: Callable[[torch.dtype], AutoencoderKL]) -> None:
    """Have the VAE in a number type, with weights as exact as that holds them.

    Args:
        reread: the same VAE from its file, on the CPU; asked for where the weights were rounded to less.
    """
    if vae.dtype == dtype:
        return
    exact = _MANTISSA.get(vae.dtype, 0) >= _MANTISSA[dtype]
    source = (vae if exact else reread(dtype)).state_dict()
    for name, tensor in vae.state_dict(keep_vars=True).items():
        tensor.data = source[name].data.to(tensor.device, dtype)
