"""From request to pictures, with a tiny model of random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.catalog import Catalog
from webui.core import infotext
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.engine.protocol import CancelWhen, Event, Finished, ImageDone, Loading, Notice, Progress, Run
from webui.errors import CheckpointNotFound, InvalidRequest, OutOfMemory, UnsupportedCheckpoint, WebUIError
from webui.generation.control import JobControl
from webui.generation.runner import Runner, make_runner
from webui.settings import Settings


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "checkpoints" / "tiny.safetensors", 1)
    write_tiny_checkpoint(root / "checkpoints" / "velocity.safetensors", 1, metadata={"modelspec.prediction_type": "v"})
    write_tiny_checkpoint(root / "checkpoints" / "torn.safetensors", 1, drop=["model.diffusion_model.out.2.weight"])
    write_tiny_vae(root / "vaes" / "bright.safetensors", 5)
    return Catalog([root / "checkpoints"], [root / "vaes"])


@pytest.fixture(scope="module")
def runner(catalog: Catalog) -> Runner:
    return Runner(catalog, "cpu")


def request_for(**changes: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"prompt": "a cat", "checkpoint": "tiny", "width": 64, "height": 64, "steps": 3, "seed": 5, **changes}
    )


class Job:
    """One run and what it told; `react` hears each event as it comes and may use the control."""

    def __init__(
        self,
        runner: Runner,
        request: GenerationRequest,
        done: frozenset[int] = frozenset(),
        react: Callable[[Event, JobControl], None] = lambda event, control: None,
        previews: bool = False,
    ) -> None:
        self.events: list[Event] = []
        control = runner.new_control()
        control.previews = previews

        def emit(event: Event) -> None:
            self.events.append(event)
            react(event, control)

        runner.run(Run("job", request, done), emit, control)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def steps(self) -> list[Progress]:
        """What was told after each; before the first is told that everything is loaded."""
        return [progress for progress in self.of(Progress) if progress.step]

    @property
    def pixels(self) -> dict[int, bytes]:
        return {image.index: image.pixels for image in self.of(ImageDone)}

    @property
    def finished(self) -> Finished:
        (event,) = self.of(Finished)
        assert self.events[-1] is event
        return event


def difference(one: bytes, other: bytes) -> int:
    assert len(one) == len(other)
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_job_tells_of_loading_steps_pictures_and_its_end_in_order(catalog: Catalog):
    job = Job(Runner(catalog, "cpu"), request_for(batch_count=2))
    kinds = [type(event) for event in job.events]
    assert kinds == [Loading, Progress, *([Progress] * 3 + [ImageDone]) * 2, Finished]
    loading = job.events[0]
    assert isinstance(loading, Loading)
    assert (loading.name, loading.size > 900_000) == ("tiny", True)
    assert [(image.index, image.width, image.height, len(image.pixels)) for image in job.of(ImageDone)] == [
        (0, 64, 64, 64 * 64 * 3),
        (1, 64, 64, 64 * 64 * 3),
    ]
    assert job.of(ImageDone)[0].facts == {"VAE precision": "fp32"}
    assert job.finished == Finished("job")


def test_second_job_with_the_same_checkpoint_loads_nothing(runner: Runner):
    Job(runner, request_for())
    assert Job(runner, request_for()).of(Loading) == []


@pytest.mark.parametrize("scheduler", SCHEDULER_LABELS)
def test_every_schedule_makes_a_picture(scheduler: str, runner: Runner):
    job = Job(runner, request_for(sampler="Euler", scheduler=scheduler, steps=2, width=64, height=128))
    assert len(set(job.pixels[0])) > 10
    assert job.of(ImageDone)[0].height == 128


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize("scheduler", ["Karras", "KL Optimal", "DDIM"])
def test_every_sampler_takes_schedules_that_are_not_its_own(sampler: str, scheduler: str, runner: Runner):
    assert len(set(Job(runner, request_for(sampler=sampler, scheduler=scheduler, steps=3)).pixels[0])) > 10


def test_automatic_schedule_is_the_samplers_own(runner: Runner):
    automatic = Job(runner, request_for(sampler="DPM++ 2M")).pixels
    assert automatic == Job(runner, request_for(sampler="DPM++ 2M", scheduler="Karras")).pixels
    assert automatic != Job(runner, request_for(sampler="DPM++ 2M", scheduler="Uniform")).pixels


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_picture_of_a_batch_is_the_single_one_of_its_seed(sampler: str, runner: Runner):
    request = request_for(sampler=sampler, batch_size=4, seed=SEED_LIMIT - 2)
    batch = Job(runner, request).pixels
    assert list(batch) == [0, 1, 2, 3]
    allowed = 1 if sampler == "DPM adaptive" else 0  # whose steps are chosen for the batch together
    for index, pixels in batch.items():
        assert difference(pixels, Job(runner, request.single(index)).pixels[0]) <= allowed


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_infotext_of_a_picture_makes_it_again(sampler: str, runner: Runner):
    request = request_for(
        sampler=sampler,
        prompt="[a cat:a dog:0.5] AND (red:1.3) :0.5",
        noise_source="NV",
        emphasis="Ignore",
        variation_strength=0.2,
        variation_seed=4,
        eta_noise_seed_delta=31337,
        cfg_rescale=0.5,
    )
    restored = infotext.restore(infotext.parse(infotext.format(request, {})))
    assert Job(runner, GenerationRequest(**restored.values)).pixels == Job(runner, request).pixels


def test_batches_count_their_seeds_on(runner: Runner):
    request = request_for(batch_size=2, batch_count=2)
    pixels = Job(runner, request).pixels
    assert pixels[3] == Job(runner, request.single(3)).pixels[0]


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_same_request_gives_the_same_bytes_and_previews_change_nothing(sampler: str, runner: Runner):
    request = request_for(sampler=sampler, prompt="[a cat:a dog:0.5] AND (red:1.3) :0.5")
    first = Job(runner, request).pixels
    watched = Job(runner, request, previews=True)
    assert watched.pixels == first
    assert (watched.steps[0].preview or b"").startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"prompt": "a dog"},
        {"negative_prompt": "red"},
        {"steps": 4},
        {"guidance_scale": 3},
        {"noise_source": "NV"},
        {"noise_source": "ComfyUI", "batch_size": 2},
        {"variation_strength": 0.2, "variation_seed": 9},
        {"seed_resize_width": 128, "seed_resize_height": 64},
        {"eta_noise_seed_delta": 31337, "sampler": "Euler a"},
        {"emphasis": "Ignore", "prompt": "a (cat:1.5)"},
        {"emphasis": "None", "prompt": "a (cat:1.5)"},
        {"old_prompt_editing": True, "prompt": "[a cat:red:2.0]", "steps": 6},
        {"eta": 0.5, "sampler": "Euler a"},
        {"eta": 0.5, "sampler": "DDIM"},
        {"sigma_churn": 5.0, "sampler": "Euler"},
        {"sigma_churn": 5.0, "sigma_tmin": 5.0, "sampler": "Euler"},
        {"sigma_churn": 5.0, "sigma_tmax": 5.0, "sampler": "Euler"},
        {"sigma_noise": 1.05, "sampler": "DPM2 a"},
        {"sgm_noise_multiplier": True},
        {"discard_penultimate": True},
        {"schedule_low": 0.5},
        {"schedule_high": 10.0},
        {"schedule_rho": 3.0},
        {"scheduler": "Beta", "beta_alpha": 1.0},
        {"scheduler": "Beta", "beta_beta": 1.0},
        {"ngms": 15.0},
        {"ngms": 15.0, "ngms_all_steps": True},
        {"skip_early_cfg": 0.3},
        {"cfg_rescale": 0.7},
        {"zero_terminal_snr": True},
        {"downcast_alphas": True},
        {"pad_conds": True, "prompt": "a cat, " * 40, "negative_prompt": "red"},
        {"pad_conds_v0": True, "prompt": "a cat, " * 40},
        {"pad_conds_v0": True, "negative_prompt": "a dog, " * 40},
        {"unipc_variant": "bh2", "sampler": "UniPC", "steps": 5},
        {"unipc_variant": "vary_coeff", "sampler": "UniPC", "steps": 5},
        {"unipc_skip_type": "logSNR", "sampler": "UniPC"},
        {"unipc_order": 2, "sampler": "UniPC", "steps": 6},
        {"unipc_lower_order_final": False, "sampler": "UniPC", "steps": 6},
    ],
    ids=lambda change: " ".join(f"{name}={value}" for name, value in change.items()),
)
def test_what_a_request_changes_shows(change: dict, runner: Runner):
    field = next(iter(change))
    plain = request_for(**{name: value for name, value in change.items() if name != field and name != "ngms"})
    if field == "ngms" and len(change) > 1:
        plain = request_for(ngms=15.0)
    changed = Job(runner, request_for(**change)).pixels
    assert changed != Job(runner, plain).pixels


@pytest.mark.parametrize("sampler", [name for name in SAMPLER_NAMES if not name.endswith("CFG++")])
def test_without_guidance_the_negative_prompt_does_not_count(sampler: str, runner: Runner):
    plain = Job(runner, request_for(sampler=sampler, guidance_scale=1)).pixels
    assert plain == Job(runner, request_for(sampler=sampler, guidance_scale=1, negative_prompt="red " * 200)).pixels


# ---- seeds


def test_variations_count_their_own_seed_and_keep_the_other(runner: Runner):
    request = request_for(batch_size=2, variation_strength=0.3, variation_seed=SEED_LIMIT - 1)
    batch = Job(runner, request).pixels
    for index in (0, 1):
        assert difference(batch[index], Job(runner, request.single(index)).pixels[0]) == 0
    assert request.single(1).variation_seed == 0


@pytest.mark.parametrize("sampler", ["DPM++ 2M SDE", "DPM++ SDE"])
def test_noise_of_brownian_paths_has_the_source_of_the_request(sampler: str, runner: Runner):
    cpu, card = (Job(runner, request_for(sampler=sampler, noise_source=source)).pixels for source in ("CPU", "NV"))
    assert cpu != card
    assert card == Job(runner, request_for(sampler=sampler, noise_source="GPU")).pixels


# ---- prompts


def test_prompt_that_changes_lies_between_its_texts(runner: Runner):
    changing = Job(runner, request_for(prompt="[a cat:a dog:0.5]", steps=6)).pixels
    assert changing != Job(runner, request_for(prompt="a cat", steps=6)).pixels
    assert changing != Job(runner, request_for(prompt="a dog", steps=6)).pixels


def test_samplers_of_second_order_count_model_calls(runner: Runner):
    """Twice the calls: 5 of 6 steps' calls, counted from 0, say the first text; by shares both say it half the time."""
    early = request_for(sampler="Heun", prompt="[a cat:a dog:2]", steps=6)
    assert Job(runner, early).pixels == Job(runner, request_for(sampler="Heun", prompt="[a cat:a dog:0.17]", steps=6)).pixels


def test_comments_do_not_count(runner: Runner):
    assert Job(runner, request_for(prompt="a cat# nothing")).pixels == Job(runner, request_for()).pixels


def test_networks_are_left_out_and_each_is_told_of_once(runner: Runner):
    tags = "<lora:fluffy:0.8><lora:fluffy:0.8> <unknown:soft:1>"
    job = Job(runner, request_for(prompt="a cat" + tags, batch_count=2))
    texts = [notice.text for notice in job.of(Notice)]
    assert texts[0].startswith("<unknown:soft:1> in the prompt was left out")
    assert texts[1:] == ["There is no LoRA “fluffy”, so it was left out. LoRAs are looked for in models/Lora."]
    assert job.pixels == Job(runner, request_for(prompt="a cat ", batch_count=2)).pixels


def test_network_in_the_negative_prompt_stays_text_and_is_told_of(runner: Runner):
    job = Job(runner, request_for(negative_prompt="red <lora:fluffy:1>"))
    (notice,) = job.of(Notice)
    assert "negative prompt is read as plain text" in notice.text
    assert notice.job_id == "job"
    assert job.pixels != Job(runner, request_for(negative_prompt="red ")).pixels


def test_clip_skip_beyond_the_layers_of_the_checkpoint_is_refused(runner: Runner):
    with pytest.raises(InvalidRequest, match="has 1 layers") as caught:
        Job(runner, request_for(clip_skip=2))
    assert caught.value.field == "clip_skip"


# ---- noise levels


def test_schedule_that_would_rise_is_refused(runner: Runner):
    with pytest.raises(InvalidRequest, match=r"lowest noise level \(10\) must be below the highest \(5\)") as caught:
        Job(runner, request_for(schedule_low=10, schedule_high=5))
    assert caught.value.field == "schedule_low"


def test_progress_counts_the_steps_that_the_schedule_has(runner: Runner):
    # A stride of ⌊1000 / 7⌋ = 142 timesteps gives 8 levels.
    told = Job(runner, request_for(sampler="DDIM", steps=7)).steps
    assert [progress.step for progress in told] == list(range(1, 9))
    assert {progress.steps for progress in told} == {8}


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_progress_never_falls_and_ends_before_decoding(sampler: str, runner: Runner):
    shares = [progress.fraction for progress in Job(runner, request_for(sampler=sampler, steps=4)).of(Progress)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1


def test_long_prompts_and_odd_texts_work(runner: Runner):
    for prompt in ("", "cat, " * 4000, "((((", "BREAK BREAK", "(a:0)", "日本 😀 \u202e"):
        assert len(Job(runner, request_for(prompt=prompt, steps=1)).pixels) == 1


def test_prediction_type_of_the_file_is_respected(runner: Runner):
    assert Job(runner, request_for(checkpoint="velocity")).pixels != Job(runner, request_for()).pixels


def test_vae_is_changed_alone_and_put_back(runner: Runner):
    plain = Job(runner, request_for(vae="None")).pixels
    other = Job(runner, request_for(vae="bright"))
    assert [event.name for event in other.of(Loading)] == ["bright"]
    assert other.pixels != plain
    back = Job(runner, request_for(vae="Automatic"))
    assert (back.of(Loading), back.pixels) == ([], plain)


# ---- what is there already


def test_finished_batches_are_left_out_and_a_part_done_one_tells_only_what_is_missing(runner: Runner):
    request = request_for(batch_size=2, batch_count=3)
    everything = Job(runner, request).pixels
    job = Job(runner, request, done=frozenset({0, 1, 3}))
    assert [progress.image for progress in job.steps] == [2] * 3 + [4] * 3
    assert job.of(Progress)[-1].fraction > 0.8
    assert job.pixels == {index: everything[index] for index in (2, 4, 5)}


def test_job_with_everything_done_just_finishes(catalog: Catalog):
    job = Job(Runner(catalog, "cpu"), request_for(batch_count=2), done=frozenset({0, 1}))
    assert job.events == [Finished("job")]


# ---- stopping


def cancel_at(step: int, image: int, when: CancelWhen) -> Callable[[Event, JobControl], None]:
    def react(event: Event, control: JobControl) -> None:
        if isinstance(event, Progress) and (event.image, event.step) == (image, step):
            control.cancel(when)

    return react


def test_interrupt_leaves_after_the_step_and_keeps_finished_pictures(runner: Runner):
    job = Job(runner, request_for(batch_count=3), react=cancel_at(2, 1, CancelWhen.NOW))
    assert list(job.pixels) == [0]
    assert len(job.steps) == 3 + 2
    assert job.finished == Finished("job", cancelled=True)


def test_interrupt_after_the_batch_finishes_the_batch(runner: Runner):
    job = Job(runner, request_for(batch_count=3), react=cancel_at(1, 1, CancelWhen.AFTER_BATCH))
    assert list(job.pixels) == [0, 1]
    assert job.finished == Finished("job", cancelled=True)


def test_interrupt_after_the_last_batch_is_a_finished_job(runner: Runner):
    job = Job(runner, request_for(batch_count=2), react=cancel_at(1, 1, CancelWhen.AFTER_BATCH))
    assert (list(job.pixels), job.finished) == ([0, 1], Finished("job"))


def test_skip_leaves_one_batch_and_goes_on(runner: Runner):
    job = Job(runner, request_for(batch_count=3, batch_size=2), react=cancel_at(2, 2, CancelWhen.SKIP))
    assert list(job.pixels) == [0, 1, 4, 5]
    assert job.finished == Finished("job", skipped=2)


def test_job_cancelled_before_it_begins_loads_nothing(catalog: Catalog):
    runner, control, events = Runner(catalog, "cpu"), JobControl(), []
    control.cancel(CancelWhen.NOW)
    runner.run(Run("job", request_for()), events.append, control)
    assert events == [Finished("job", cancelled=True)]


# ---- failing, and serving on


def assert_serves(runner: Runner) -> None:
    assert len(Job(runner, request_for()).pixels) == 1


def test_unknown_checkpoint_and_vae_fail_the_job_by_name(runner: Runner):
    with pytest.raises(CheckpointNotFound, match="no such"):
        Job(runner, request_for(checkpoint="no such"))
    with pytest.raises(CheckpointNotFound, match="no such") as caught:
        Job(runner, request_for(vae="no such"))
    assert caught.value.field == "vae"
    assert_serves(runner)


def test_file_that_cannot_be_loaded_fails_the_job_and_keeps_the_pipeline(runner: Runner):
    assert_serves(runner)
    with pytest.raises(UnsupportedCheckpoint, match=r"torn\.safetensors"):
        Job(runner, request_for(checkpoint="torn"))
    assert Job(runner, request_for()).of(Loading) == []


def test_no_checkpoint_at_all_says_where_to_put_one(tmp_path: Path):
    with pytest.raises(CheckpointNotFound, match="models/Stable-diffusion"):
        Job(Runner(Catalog([tmp_path], []), "cpu"), request_for(checkpoint=None))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
        MemoryError(),
    ],
    ids=["device", "processor", "Python"],
)
def test_out_of_memory_fails_the_job_in_words(error: BaseException, runner: Runner, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("webui.generation.session.sample", fail)
        with pytest.raises(OutOfMemory, match=r"4 × 64×64: about .* Try a smaller batch or picture"):
            Job(runner, request_for(batch_size=4))
    assert_serves(runner)


def test_memory_that_is_really_not_there_is_recognised(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> torch.Tensor:
        return torch.empty(2**60)

    monkeypatch.setattr("webui.generation.session.sample", fail)
    with pytest.raises(OutOfMemory, match="64×64"):
        Job(runner, request_for())


def test_other_defects_come_through_as_they_are(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("shape mismatch")

    with monkeypatch.context() as patch:
        patch.setattr("webui.generation.session.sample", fail)
        with pytest.raises(RuntimeError, match="shape mismatch"):
            Job(runner, request_for())
    assert_serves(runner)


def test_weights_that_are_no_numbers_fail_the_job(tmp_path: Path):
    broken = torch.full((4, 8, 3, 3), float("nan"), dtype=torch.float16)
    write_tiny_checkpoint(tmp_path / "nan.safetensors", extra={"model.diffusion_model.out.2.weight": broken})
    with pytest.raises(WebUIError, match="not finite"):
        Job(Runner(Catalog([tmp_path], []), "cpu"), request_for(checkpoint="nan"))


# ---- devices


def test_runner_describes_device_and_memory(runner: Runner):
    ready = runner.describe()
    assert (ready.device, bool(ready.device_name)) == ("cpu", True)
    memory = runner.memory()
    assert 0 < memory.free <= memory.total == ready.memory.total
    assert 0 < memory.host_used <= memory.host_peak <= memory.host_total


@pytest.mark.parametrize("name", ["no such", "cuda:99", "meta:3x"])
def test_device_that_cannot_be_used_is_named(name: str, catalog: Catalog):
    with pytest.raises(InvalidRequest, match=name):
        Runner(catalog, name)


def test_runner_of_an_engine_reads_the_folders_of_the_settings(tmp_path: Path):
    write_tiny_checkpoint(tmp_path / "models" / "Stable-diffusion" / "own.safetensors")
    runner = make_runner(Settings(data_dir=tmp_path, device="cpu"))
    assert len(Job(runner, request_for(checkpoint="own")).pixels) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_picture_on_a_gpu_is_near_that_of_a_cpu(catalog: Catalog, runner: Runner):
    on_gpu = Job(Runner(catalog, "cuda:0"), request_for(batch_size=2)).pixels
    on_cpu = Job(runner, request_for(batch_size=2)).pixels
    for index in (0, 1):
        assert difference(on_gpu[index], on_cpu[index]) <= 8
