"""Jobs on a device that is too small, and jobs for which memory runs out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.generation.test_runner import Job, difference, request_for
from tests.simulated_device import SimulatedDevice
from tests.tiny import tiny_parts, write_tiny_checkpoint
from webui.checkpoints import offload
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.memory import MemoryMode, bytes_of
from webui.engine.protocol import CancelWhen, Event, ImageDone, Notice, Progress, Run
from webui.errors import OutOfMemory
from webui.generation import planning, sessions, vae_stage
from webui.generation import session as session_module
from webui.generation.compute_options import ComputeOptions
from webui.generation.control import JobControl
from webui.generation.runner import Runner

PLENTY = 2**30
BLOCK = 2**12


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    write_tiny_checkpoint(root / "tinier.safetensors", 2)
    return Catalog([root], [])


def sizes() -> dict[str, int]:
    parts = tiny_parts(1)
    modules = {"text": parts.text_encoder, "unet": parts.unet, "vae": parts.vae}
    return {name: bytes_of([*module.parameters(), *module.buffers()]) for name, module in modules.items()}


def a_job(catalog: Catalog, device: SimulatedDevice, options: ComputeOptions | None = None, **changes: Any) -> Job:
    return Job(Runner(catalog, device, options), request_for(**changes))


REQUEST: dict[str, Any] = {"width": 128, "height": 128, "batch_size": 2, "batch_count": 2, "negative_prompt": "a dog", "steps": 3}


@pytest.fixture(scope="module")
def plain(catalog: Catalog) -> dict[int, bytes]:
    return Job(Runner(catalog, "cpu"), request_for(**REQUEST)).pixels


# ---- medvram and lowvram


@pytest.mark.parametrize("floor", MemoryMode)
def test_pictures_are_the_same_byte_for_byte_however_weights_are_moved(
    floor: MemoryMode, catalog: Catalog, plain: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(offload, "BLOCK_BYTES", BLOCK)
    device = SimulatedDevice(PLENTY)
    job = a_job(catalog, device, ComputeOptions(floor=floor, floor_sdxl=floor), **REQUEST)
    assert job.pixels == plain
    assert job.of(Notice) == []


def test_one_part_at_a_time_moves_the_text_encoder_once_and_the_rest_once_a_batch(catalog: Catalog):
    device, size = SimulatedDevice(PLENTY), sizes()
    a_job(catalog, device, ComputeOptions(floor=MemoryMode.COMPONENT), **REQUEST)
    assert sum(device.uploads) == size["text"] + 2 * (size["unet"] + size["vae"])


def test_resident_weights_are_moved_once_for_all_jobs(catalog: Catalog):
    device, size = SimulatedDevice(PLENTY), sizes()
    runner = Runner(catalog, device)
    for _ in range(3):
        Job(runner, request_for(**REQUEST))
    assert sum(device.uploads) == sum(size.values())


@pytest.mark.parametrize("mode", MemoryMode)
def test_without_flags_the_plan_follows_the_memory_and_keeps_under_it(
    mode: MemoryMode, catalog: Catalog, plain: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(offload, "BLOCK_BYTES", BLOCK)
    # Weights of 1.86 MB, of which the text encoder has 1.59, and 0.92 MB to work with.
    budget = {MemoryMode.RESIDENT: 3_200_000, MemoryMode.COMPONENT: 2_900_000, MemoryMode.STREAMED: 2_600_000}[mode]
    device = SimulatedDevice(budget)
    made: list[MemoryMode] = []
    placement = sessions.place

    def place(*arguments: Any) -> Any:
        placed = placement(*arguments)
        made.append(placed.mode)
        return placed

    monkeypatch.setattr(sessions, "place", place)
    job = a_job(catalog, device, **REQUEST)
    assert made == [mode]
    assert job.of(Notice) == []
    assert all(difference(job.pixels[index], pixels) <= 1 for index, pixels in plain.items())  # tiles may round otherwise
    assert device.peak() <= device.budget


def test_keep_free_is_respected_from_the_next_job_on(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    device = SimulatedDevice(PLENTY)
    runner = Runner(catalog, device)
    Job(runner, request_for())
    assert sum(device.uploads) == sum(sizes().values())
    assert device.used > sum(sizes().values())
    runner.run(Run("job", request_for(), keep_free=PLENTY - 2_150_000), lambda event: None, runner.new_control())
    assert device.used < sum(sizes().values())


# ---- the steps when memory runs out


class Failing:
    """Stands in for a stage, and fails as an allocator does for the first `times` calls, or for all that `also` names."""

    def __init__(self, real: Any, times: int = 0, also: Any = lambda *arguments: False) -> None:
        self.real, self.times, self.also, self.calls = real, times, also, 0

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.calls += 1
        if self.calls <= self.times or self.also(*arguments):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GB")
        return self.real(*arguments, **more)


def words(job: Job) -> list[str]:
    return [notice.text for notice in job.of(Notice)]


@pytest.mark.parametrize(
    ("place", "while_"),
    [("make_plan", "reading the prompt"), ("sample", "sampling"), ("place", "loading the model")],
)
def test_first_caches_are_emptied_and_it_is_tried_again(
    place: str, while_: str, catalog: Catalog, plain: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
):
    module = {"make_plan": planning, "sample": session_module}.get(place, sessions)
    monkeypatch.setattr(module, place, Failing(getattr(module, place), 1))
    job = a_job(catalog, SimulatedDevice(PLENTY), **REQUEST)
    assert words(job) == [f"Memory ran out while {while_}; caches were emptied, and it is tried again."]
    assert job.pixels == plain


def test_decoding_goes_on_in_parts_without_sampling_again(
    catalog: Catalog, plain: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vae_stage, "decode", Failing(vae_stage.decode, also=lambda vae, latents, tiling, on_tile: tiling is None))
    sampling = Failing(session_module.sample)
    monkeypatch.setattr(session_module, "sample", sampling)
    runner = Runner(catalog, SimulatedDevice(PLENTY))
    job = Job(runner, request_for(**REQUEST))
    assert [text.partition("; ")[2][:26] for text in words(job)] == ["caches were emptied, and i", "it works on parts of 512 ×"]
    assert all(difference(job.pixels[index], pixels) <= 1 for index, pixels in plain.items())
    assert sampling.calls == 2
    assert words(Job(runner, request_for(**REQUEST))) == []  # it is remembered


def test_batches_are_divided_and_pictures_stay_the_same(
    catalog: Catalog, plain: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        session_module, "sample", Failing(session_module.sample, also=lambda pipeline, plan, batch, *_: len(batch) > 1)
    )
    job = a_job(catalog, SimulatedDevice(PLENTY), **REQUEST)
    assert words(job)[1] == (
        "Memory ran out while sampling; 1 instead of 2 pictures are made at once from here on. They stay the same."
    )
    assert list(job.pixels) == [0, 1, 2, 3]
    assert all(difference(job.pixels[index], pixels) == 0 for index, pixels in plain.items())
    shares = [progress.fraction for progress in job.of(Progress)]
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_noise_that_is_drawn_for_a_whole_batch_is_not_divided(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    request = request_for(noise_source="ComfyUI", batch_size=2)
    wanted = Job(Runner(catalog, "cpu"), request).pixels
    monkeypatch.setattr(session_module, "sample", Failing(session_module.sample, 2))
    job = Job(Runner(catalog, SimulatedDevice(PLENTY)), request)
    assert "only the part of this model that works" in words(job)[1]
    assert job.pixels == wanted


def test_weights_are_moved_last_and_that_is_remembered_until_there_is_more_memory(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    device, size = SimulatedDevice(PLENTY), sizes()
    runner = Runner(catalog, device)
    wanted = Job(runner, request_for()).pixels
    with monkeypatch.context() as patch:
        patch.setattr(session_module, "sample", Failing(session_module.sample, 3))
        job = Job(runner, request_for())
    assert ["--medvram" in text or "--lowvram" in text for text in words(job)] == [False, True, True]
    assert job.pixels == wanted
    assert device.used < size["vae"]
    assert words(Job(runner, request_for())) == []
    assert device.used < size["vae"]
    device.budget *= 2
    Job(runner, request_for())
    assert device.used > sum(size.values())


def test_loading_that_does_not_fit_on_the_device_goes_by_the_machines_memory(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sessions, "place", Failing(sessions.place, 2))
    runner = Runner(catalog, SimulatedDevice(PLENTY))
    job = Job(runner, request_for())
    assert "--medvram" in words(job)[1]
    assert len(job.pixels) == 1


def test_a_job_for_which_nothing_is_left_fails_in_words_and_the_next_one_runs(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    runner, events = Runner(catalog, SimulatedDevice(PLENTY)), []
    with monkeypatch.context() as patch:
        patch.setattr(session_module, "sample", Failing(session_module.sample, 99))
        expected = r"while sampling for 4 × 64×64: about 0\.0 GB were needed, .* free\. Try a smaller batch or picture"
        with pytest.raises(OutOfMemory, match=expected):
            runner.run(Run("job", request_for(batch_size=4)), events.append, JobControl())
    assert [isinstance(event, Notice) for event in events].count(True) == 5
    told = [str(event) for event in events if not isinstance(event, Progress)]  # each try begins at step 0
    assert len(set(told)) == len(told)
    assert len(Job(runner, request_for(batch_size=4)).pixels) == 4


def test_pictures_made_before_memory_ran_out_are_not_made_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    seen: list[list[int]] = []

    def also(pipeline: Any, plan: Any, batch: range, *_: Any) -> bool:
        seen.append(list(batch))
        return seen.count([1]) == 1 and list(batch) == [1]

    monkeypatch.setattr(session_module, "sample", Failing(session_module.sample, also=also))
    job = Job(Runner(catalog, SimulatedDevice(PLENTY)), request_for(batch_count=3))
    assert seen == [[0], [1], [1], [2]]
    assert [image.index for image in job.of(ImageDone)] == [0, 1, 2]


# ---- tiles


def test_tiles_are_used_where_the_whole_does_not_fit(catalog: Catalog):
    request = request_for(width=512, height=512, steps=1)
    wanted = Job(Runner(catalog, "cpu"), request).pixels[0]
    device = SimulatedDevice(14_000_000)
    job = Job(Runner(catalog, device), request)
    parts = [progress.text for progress in job.of(Progress) if progress.text]
    assert parts[0].startswith("Decoding, part 1 of ")
    assert difference(job.pixels[0], wanted) <= 1
    assert (job.of(Notice), device.peak() <= device.budget) == ([], True)
    whole = Job(Runner(catalog, SimulatedDevice(PLENTY)), request)
    assert [progress.text for progress in whole.steps] == [""]


@pytest.mark.parametrize("tile", [0, 8])
def test_tiles_that_were_asked_for_are_used_and_change_nothing(tile: int, catalog: Catalog):
    runner = Runner(catalog, "cpu")
    job = Job(runner, request_for(width=256, tiled_vae="On", decoder_tile=tile))
    assert any(progress.text.startswith("Decoding") for progress in job.of(Progress))
    assert difference(job.pixels[0], Job(runner, request_for(width=256, tiled_vae="Off")).pixels[0]) <= 1


def test_a_job_can_be_stopped_while_it_decodes(catalog: Catalog):
    def react(event: Event, control: JobControl) -> None:
        if isinstance(event, Progress) and event.text:
            control.cancel(CancelWhen.NOW)

    job = Job(Runner(catalog, "cpu"), request_for(width=256, tiled_vae="On", decoder_tile=8), react=react)
    assert len([progress for progress in job.of(Progress) if progress.text]) == 1
    assert job.pixels == {}
    assert job.finished.cancelled


# ---- figures


def test_finished_jobs_tell_the_peaks_of_device_and_host(catalog: Catalog):
    device = SimulatedDevice(PLENTY)
    memory = Job(Runner(catalog, device), request_for()).finished.memory
    assert memory.total == PLENTY
    assert memory.total - memory.free < memory.peak == device.peak()
    assert 0 < memory.host_used <= memory.host_peak < memory.host_total
