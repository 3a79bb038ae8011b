"""Whether a tensor that was unpickled is what it seems to be."""

from __future__ import annotations

import torch
from torch import Tensor


def is_plain(tensor: Tensor) -> bool:
    """Whether its real numbers lie in memory, every one of them.

    A pickle of a few bytes may hold a tensor in which one number stands for 10¹² of them, or one without any.
    """
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_nested:
        return False
    return not tensor.is_complex() and tensor.nbytes <= tensor.untyped_storage().nbytes()
