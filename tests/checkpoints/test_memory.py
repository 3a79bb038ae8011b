from __future__ import annotations

import pytest
import torch

from webui.checkpoints.memory import Device, MemoryMode, bytes_of, plan, unet_bytes

GB = 2**30
SD15 = {"text_encoders": 235 * 2**20, "unet": 1640 * 2**20, "vae": 160 * 2**20}
SDXL = {"text_encoders": 1560 * 2**20, "unet": 4897 * 2**20, "vae": 160 * 2**20}


@pytest.mark.parametrize(
    ("weights", "free", "mode"),
    [
        (SD15, 4 * GB, MemoryMode.RESIDENT),
        (SD15, 2.5 * GB, MemoryMode.COMPONENT),
        (SD15, 1.5 * GB, MemoryMode.STREAMED),
        (SDXL, 12 * GB, MemoryMode.RESIDENT),
        (SDXL, 7 * GB, MemoryMode.COMPONENT),
        (SDXL, 4 * GB, MemoryMode.STREAMED),
    ],
    ids=str,
)
def test_plan_is_the_first_mode_that_fits(weights: dict[str, int], free: float, mode: MemoryMode):
    assert plan(weights, 400 * 2**20, int(free)) is mode


def test_plan_leaves_a_margin():
    weights = {"unet": GB}
    assert plan(weights, 0, GB) is not MemoryMode.RESIDENT
    assert plan(weights, 0, round(GB * 1.2)) is MemoryMode.RESIDENT


def test_larger_pictures_and_batches_need_more_beside_the_weights():
    small = unet_bytes(2, 64, 64, 320, 2)
    assert unet_bytes(8, 64, 64, 320, 2) == 4 * small
    assert unet_bytes(2, 128, 64, 320, 4) == 4 * small


def test_a_processor_has_the_memory_of_the_machine_and_holds_everything():
    device = Device(torch.device("cpu"))
    total, free = device.figures()
    assert 0 < free <= total
    tensor = torch.zeros(8)
    assert device.holds(tensor)
    assert device.upload(tensor).data_ptr() == tensor.data_ptr()
    assert (device.separate, device.peak()) == (False, 0)
    device.release()


def test_bytes_are_those_of_the_number_type():
    assert bytes_of([torch.zeros(3, dtype=torch.float16), torch.zeros(2)]) == 14
