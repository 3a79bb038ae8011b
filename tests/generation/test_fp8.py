"""The field "FP8 weight" from the request to the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generation.test_networks import Studio
from tests.simulated_device import SimulatedDevice
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.families import SD1, SDXL
from webui.checkpoints.memory import MemoryMode
from webui.core import infotext
from webui.core.fields.weights import FP8_OFF, FP8_ON, FP8_SDXL
from webui.core.request import GenerationRequest
from webui.generation.compute_options import ComputeOptions
from webui.generation.legs import files_of, second_leg


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("fp8"))


def test_the_picture_is_near_to_the_one_without_which_comes_back_to_the_last_byte(studio: Studio):
    plain = studio.pixels("a cat")
    narrow = studio.pixels("a cat", fp8_weight=FP8_ON)
    one, other = (np.frombuffer(pixels, np.uint8).astype(float) for pixels in (plain, narrow))
    assert 0 < np.abs(one - other).mean() < 8
    assert studio.pixels("a cat", fp8_weight=FP8_SDXL) == plain
    assert studio.pixels("a cat", fp8_weight=FP8_ON) == narrow
    assert studio.pixels("a cat") == plain


@pytest.mark.parametrize("mode", [MemoryMode.COMPONENT, MemoryMode.STREAMED])
def test_offloaded_weights_travel_narrow_and_give_the_same_picture(studio: Studio, mode: MemoryMode):
    uploads = {}
    for choice in (FP8_OFF, FP8_ON):
        device = SimulatedDevice(2**26)
        runner = studio.new_runner(device=device, options=ComputeOptions(floor=mode))
        prompt = "a cat <lora:oil:0.5>"
        assert studio.pixels(prompt, runner, fp8_weight=choice) == studio.pixels(prompt, fp8_weight=choice)
        uploads[choice] = sum(device.uploads)
    assert uploads[FP8_ON] < uploads[FP8_OFF]


def test_cells_of_a_plot_with_and_without_are_not_taken_for_each_other(studio: Studio):
    runner = studio.new_runner()
    shared = {choice: studio.shared(runner, "a cat", fp8_weight=choice) for choice in (FP8_OFF, FP8_ON, FP8_OFF)}
    assert shared == {choice: studio.pixels("a cat", fp8_weight=choice) for choice in (FP8_OFF, FP8_ON)}


def test_enable_for_sdxl_means_checkpoints_of_that_family_alone(tmp_path: Path):
    for name, family in (("one", SD1), ("large", SDXL)):
        write_tiny_checkpoint(tmp_path / f"{name}.safetensors", 1, family=family)
    catalog = Catalog([tmp_path], [])
    found: dict[Any, list[bool]] = {}
    for choice in (FP8_OFF, FP8_SDXL, FP8_ON):
        request = GenerationRequest(
            prompt="a", checkpoint="one", vae="None", fp8_weight=choice, hires=True, hires_checkpoint="large"
        )
        second = second_leg(request, catalog)
        assert second is not None
        found[choice] = [files_of(request, catalog)[0].fp8, second.checkpoint.fp8]
    assert found == {FP8_OFF: [False, False], FP8_SDXL: [False, True], FP8_ON: [True, True]}


def test_infotext_has_it_as_a1111_writes_it():
    text = infotext.format(GenerationRequest(prompt="a", fp8_weight=FP8_SDXL), {})
    assert "FP8 weight: Enable for SDXL" in text
    assert infotext.restore(infotext.parse(text)).values["fp8_weight"] == FP8_SDXL
    assert "FP8" not in infotext.format(GenerationRequest(prompt="a"), {})
