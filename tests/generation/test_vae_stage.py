"""A VAE that overflows in half precision, in a job."""

from __future__ import annotations

import pytest
import torch

from tests.generation.test_memory import Failing
from tests.generation.test_runner import Job, difference, request_for
from tests.simulated_device import SimulatedDevice
from tests.tiny import checkpoint_tensors, tiny_parts, write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.memory import MemoryMode
from webui.engine.protocol import ImageDone, Notice
from webui.generation import vae_stage
from webui.generation.compute_options import ComputeOptions
from webui.generation.runner import Runner

HALF = ComputeOptions(vae_dtype=torch.float16)
CONV = "first_stage_model.decoder.conv_in."


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    tensors = checkpoint_tensors(tiny_parts(1), torch.float32)
    large = {name: tensor * 1e5 for name, tensor in tensors.items() if name.startswith(CONV)}
    for name in ("tiny", "other"):
        write_tiny_checkpoint(root / f"{name}.safetensors", 1, dtype=torch.float32, extra=large if name == "tiny" else {})
    write_tiny_vae(root / "vaes" / "plain.safetensors", 5)
    return Catalog([root], [root / "vaes"])


def notices(job: Job) -> list[str]:
    return [notice.text for notice in job.of(Notice)]


def precisions(job: Job) -> list[str]:
    return [image.facts["VAE precision"] for image in job.of(ImageDone)]


@pytest.mark.parametrize("floor", [MemoryMode.RESIDENT, MemoryMode.COMPONENT])
def test_it_is_run_in_fp32_from_the_first_picture_on_with_one_notice_and_no_decoding_twice(
    floor: MemoryMode, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    wanted = Job(Runner(catalog, "cpu"), request_for(batch_count=3)).pixels
    counting = Failing(vae_stage.decode)
    monkeypatch.setattr(vae_stage, "decode", counting)
    device = SimulatedDevice(2**30)
    runner = Runner(catalog, device, ComputeOptions(vae_dtype=torch.float16, floor=floor))
    job = Job(runner, request_for(batch_count=3))
    (text,) = notices(job)
    assert text.startswith("The VAE of “tiny” gives numbers that are too large for fp16; it is run in fp32 from here on")
    assert job.pixels.keys() == wanted.keys()
    assert all(difference(job.pixels[index], pixels) <= 1 for index, pixels in wanted.items())
    assert (counting.calls, precisions(job)) == (1 + 3, ["fp32"] * 3)
    again = Job(runner, request_for(batch_count=2))
    assert (counting.calls, notices(again)) == (4 + 2, [])


def test_it_is_remembered_when_another_checkpoint_was_used_in_between(catalog: Catalog):
    runner = Runner(catalog, "cpu", HALF)
    first = Job(runner, request_for())
    other = Job(runner, request_for(checkpoint="other"))
    again = Job(runner, request_for())
    assert [len(notices(job)) for job in (first, other, again)] == [1, 0, 0]
    assert [*precisions(first), *precisions(other), *precisions(again)] == ["fp32", "fp16", "fp32"]
    assert again.pixels == first.pixels


def test_another_vae_file_begins_in_half_precision(catalog: Catalog):
    runner = Runner(catalog, "cpu", HALF)
    Job(runner, request_for())
    job = Job(runner, request_for(vae="plain"))
    assert (precisions(job), notices(job)) == (["fp16"], [])


def test_half_precision_that_was_asked_for_is_near_the_full_one(catalog: Catalog):
    half, full = (Job(Runner(catalog, "cpu", options), request_for(checkpoint="other")) for options in (HALF, None))
    assert (precisions(half), precisions(full)) == (["fp16"], ["fp32"])
    assert difference(half.pixels[0], full.pixels[0]) <= 3
