from __future__ import annotations

import pytest
import torch

from tests.tiny import tiny_parts
from webui.diffusion.vae_precision import VaePrecision, best_dtype, settle


def test_a_processor_computes_in_float32():
    assert best_dtype(torch.device("cpu")) is torch.float32


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_card_computes_in_bfloat16_where_that_is_fast(fast: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast and not including_emulation)
    assert best_dtype(torch.device("cuda:0")) is dtype


def test_a_file_that_overflowed_is_remembered_and_others_are_not():
    precision = VaePrecision(torch.float16)
    assert precision.overflowed("a")
    assert not precision.overflowed("a")
    assert (precision.dtype_of("a"), precision.dtype_of("b")) == (torch.float32, torch.float16)


def test_weights_that_were_rounded_are_read_again():
    exact, vae = tiny_parts(1).vae, tiny_parts(1).vae.half()
    asked: list[torch.dtype] = []

    def reread(dtype: torch.dtype):
        asked.append(dtype)
        return exact

    settle(vae, torch.float32, reread)
    assert (asked, vae.dtype) == ([torch.float32], torch.float32)
    wanted = exact.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in vae.state_dict().items())


def test_weights_that_hold_enough_digits_are_converted():
    vae = tiny_parts(1).vae
    settle(vae, torch.bfloat16, lambda dtype: pytest.fail("nothing had to be read"))
    assert vae.dtype is torch.bfloat16
    settle(vae, torch.bfloat16, lambda dtype: pytest.fail("nothing had to be done"))
