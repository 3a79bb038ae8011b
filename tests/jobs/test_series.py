"""A script's jobs: queued, ended and taken up again together."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fakes import FAKE_RUNNER, FakeRunner
from tests.jobs.conftest import close
from tests.jobs.full_disk import refuse, refuse_once
from webui.app import Services, build_services
from webui.core.request import GenerationRequest
from webui.engine.client import InlineEngine
from webui.engine.protocol import Run
from webui.errors import InvalidRequest, SaveFailed, UnsupportedCheckpoint
from webui.jobs import following, series_store
from webui.jobs.events import NoticePosted
from webui.jobs.series_store import PartState, Series, SeriesState, SeriesStore
from webui.jobs.series_work import SeriesWorker
from webui.jobs.store import Job, JobState
from webui.settings import Settings

MATRIX = {"script": "Prompt matrix"}
QUICK = GenerationRequest(steps=1, seed=5, width=64, height=64)


@pytest.fixture
def running(services: Services) -> Services:
    return start(services)


def start(services: Services) -> Services:
    services.dispatcher.start()
    services.series.start()
    return services


@pytest.fixture
def again(settings: Settings) -> Iterator[Services]:
    """What a new process over the same folder has; not started yet."""
    services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    yield services
    close(services)


def jobs_of(services: Services, series: Series | None) -> list[Job]:
    assert series is not None
    return [services.store.get(part.job_id) for part in services.series.get(series.id).parts if part.job_id]


def done(services: Services, request: GenerationRequest, options: dict, **more) -> Series:
    series = services.series.submit(request, options, **more).series
    assert series is not None
    return services.series.wait(series.id, 120)


def wait_until(services: Services, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 120
    with services.bus.subscribe(replay=False) as events:
        while not (found := condition()):
            assert time.monotonic() < deadline
            events.get(0.05)
    return found


def put(services: Services, size: tuple[int, int] = (64, 64), seed: int = 0) -> str:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return services.sources.put(out.getvalue())


# ---- known beforehand


def test_all_jobs_of_a_matrix_wait_in_order_with_one_seed(services: Services):
    series = services.series.submit(GenerationRequest(prompt="a|b|c", steps=1), MATRIX, owner="me").series
    jobs = jobs_of(services, series)
    assert [job.request.prompt for job in jobs] == ["a", "a, b", "a, c", "a, b, c"]
    assert len({job.request.seed for job in jobs}) == 1 and jobs[0].request.seed >= 0
    assert {job.owner for job in jobs} == {"me"} and [job.id for job in services.store.waiting()] == [job.id for job in jobs]


def test_without_a_script_it_is_one_job(services: Services):
    submitted = services.series.submit(GenerationRequest(prompt="a|b"), {})
    assert submitted.series is None and submitted.job is not None and submitted.job.request.prompt == "a|b"


def test_a_script_that_cannot_be_queues_nothing(services: Services):
    options = {"script": "Prompts from file or textbox", "lines": "a\n--steps none"}
    with pytest.raises(InvalidRequest, match="Line 2"):
        services.series.submit(GenerationRequest(), options)
    with pytest.raises(InvalidRequest, match="begins with a picture"):
        services.series.submit(GenerationRequest(), {"script": "Loopback"})
    assert services.store.waiting() == [] and services.series.recent() == []


def test_all_that_is_left_of_a_script_is_ended_and_others_stay(services: Services):
    other = services.dispatcher.submit(GenerationRequest(prompt="other"))
    series = services.series.submit(GenerationRequest(prompt="a|b"), MATRIX).series
    jobs = jobs_of(services, series)
    assert services.series.cancel(jobs[0].id) == 3
    assert {services.store.get(job.id).state for job in jobs} == {JobState.CANCELLED}
    assert [job.id for job in services.store.waiting()] == [other.id]


def test_a_picture_that_is_ready_counts_though_the_script_that_is_stopped_has_not_heard_of_it(services: Services):
    services.dispatcher.start()
    series = services.series.submit(replace(QUICK, prompt="a|b"), MATRIX).series
    assert series is not None
    wait_until(services, lambda: all(job.state is JobState.DONE for job in jobs_of(services, series)))
    services.series.cancel(series.id)
    stopped = services.series.get(series.id)
    assert stopped.state is SeriesState.CANCELLED
    assert [part.state for part in stopped.parts if part.kind == "picture"] == [PartState.DONE] * 2


def test_a_matrix_ends_with_a_grid_that_is_a_jobs_picture(running: Services, settings: Settings):
    series = done(running, replace(QUICK, prompt="city|ink|rain", negative_prompt="bad"), {**MATRIX, "margin": 2})
    grid = jobs_of(running, series)[-1]
    assert (series.state, grid.state, grid.kind) == (SeriesState.DONE, JobState.DONE, "txt2img")
    assert grid.request.prompt == "city|ink|rain" and "city|ink|rain\nNegative prompt: bad" in grid.pictures[0].infotext
    path = Path(grid.pictures[0].path or "")
    assert path.is_relative_to(settings.outputs_dir / "txt2img-grids") and "prompt_matrix" in path.name
    with Image.open(path) as picture:
        assert picture.width > 2 * 8 + 2 and picture.height > 2 * 8 + 2  # the fake's pictures are 8 × 8


def test_a_part_that_fails_is_reported_and_the_others_are_made(running: Services):
    options = {"script": "Prompts from file or textbox", "lines": "fine\nbroken\nfine too"}
    series = done(running, QUICK, options)
    assert [part.state for part in series.parts] == [PartState.DONE, PartState.FAILED, PartState.DONE]
    assert series.note.startswith(
        "Prompts from file or textbox: 2 of 3 are done, 1 could not be made.\nbroken: The file is broken."
    )


def test_a_grid_is_put_together_anew_of_what_was_missing(running: Services):
    series = done(running, replace(QUICK, prompt="a|b"), MATRIX)
    [first, second, grid] = jobs_of(running, series)
    running.series.resume(series.id)
    assert [job.id for job in jobs_of(running, series)] == [first.id, second.id, grid.id]  # nothing is missing
    SeriesStore(running.store).set_part(series.id, 2, state=PartState.FAILED, error="It broke.")
    running.series.resume(series.id)
    again = running.series.wait(series.id, 120)
    assert again.count(PartState.DONE) == 3
    assert [job.id for job in jobs_of(running, again)] == [first.id, f"{second.id}-2", f"{grid.id}-2"]


def test_a_series_that_cannot_be_taken_up_keeps_nobody_from_starting(services: Services, monkeypatch: pytest.MonkeyPatch):
    services.series.submit(replace(QUICK, prompt="a|b"), MATRIX)

    def broken(worker: SeriesWorker, series_id: str) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(SeriesWorker, "_feed", broken)
    with services.bus.subscribe(replay=False) as events:
        services.series.start()
        notice = events.get(10)
    assert isinstance(notice, NoticePosted) and "a defect" in notice.text


def test_a_script_goes_on_by_itself_when_the_database_could_not_be_written(running: Services, monkeypatch: pytest.MonkeyPatch):
    failed = refuse_once(monkeypatch, SeriesStore, "set_part", lambda values: values.get("state") is PartState.DONE)
    series = done(running, replace(QUICK, prompt="a|b"), MATRIX)
    assert failed == [1]
    assert (series.state, series.count(PartState.DONE)) == (SeriesState.DONE, 3)


def test_a_script_that_could_not_be_begun_begins_by_itself(running: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "AGAIN", 0.02)
    with monkeypatch.context() as patch:
        patch.setattr(SeriesStore, "set_part", refuse)
        with pytest.raises(SaveFailed, match="disk full"):
            running.series.submit(replace(QUICK, prompt="a|b"), MATRIX)
    [series] = running.series.recent()
    assert running.series.wait(series.id, 120).count(PartState.DONE) == 3


def test_pictures_that_a_stopped_script_needs_are_kept_for_a_while(services: Services, monkeypatch: pytest.MonkeyPatch):
    source = put(services)
    series = services.series.submit(replace(QUICK, source=source), {"script": "Loopback"}).series
    assert series is not None and services.series.cancel(series.id)
    assert services.series.sources() == {source}
    monkeypatch.setattr(series_store, "_RESUMABLE_SECONDS", -1)
    assert services.series.sources() == set()


# ---- loopback


def test_each_loop_begins_with_the_picture_of_the_one_before(running: Services):
    request = replace(QUICK, source=put(running), denoising_strength=1.0, batch_count=2)
    series = done(running, request, {"script": "Loopback", "loops": 3, "final_strength": 0.5})
    jobs = jobs_of(running, series)
    assert [job.request.seed for job in jobs] == [5, 6, 7, 8, 9, 10]
    assert [job.request.denoising_strength for job in jobs] == [1.0, 0.75, 0.5] * 2
    assert jobs[0].request.source == jobs[3].request.source == request.source
    for before, after in itertools.pairwise(jobs[:3]):
        assert after.request.source == running.sources.put(running.dispatcher.picture_bytes(before.pictures[0]))


def test_a_loop_that_fails_pauses_the_others_and_resuming_tries_it_again(running: Services):
    request = replace(QUICK, source=put(running), prompt="broken")
    series = done(running, request, {"script": "Loopback", "loops": 2})
    assert series.state is SeriesState.PAUSED and "The file is broken." in series.note
    assert [part.state for part in series.parts] == [PartState.FAILED, PartState.WAITING]
    running.series.resume(series.id)
    assert running.series.wait(series.id, 120).state is SeriesState.PAUSED
    assert len([job for job in running.store.recent(9) if job.id.startswith(series.id)]) == 2


def test_interrupting_a_loop_stops_the_script(running: Services):
    request = replace(QUICK, source=put(running), prompt="slow", steps=150)
    submitted = running.series.submit(request, {"script": "Loopback"})
    assert submitted.series is not None

    def at_work() -> Job | None:
        job = running.store.running()
        return job if job and running.dispatcher.progress(job.id) is not None else None

    running.dispatcher.cancel(wait_until(running, at_work).id)
    series = running.series.wait(submitted.series.id, 120)
    assert (series.state, running.store.waiting()) == (SeriesState.CANCELLED, [])


# ---- SD upscale


def test_sd_upscale_enlarges_makes_the_tiles_and_puts_them_together(running: Services, settings: Settings):
    source = put(running, (96, 64))
    request = replace(QUICK, source=source, prompt="a hill", batch_count=2)
    series = done(running, request, {"script": "SD upscale", "factor": 2, "overlap": 16, "upscaler": "lanczos"})
    assert [part.kind for part in series.parts] == ["enlarging", *(["tile"] * 12), "whole", *(["tile"] * 12), "whole"]
    jobs = jobs_of(running, series)
    assert [job.save for job in jobs] == [False] * 13 + [True] + [False] * 12 + [True]
    assert [job.request.seed for job in jobs[1:13]] == list(range(5, 17))
    whole = jobs[13]
    assert (whole.pictures[0].width, whole.pictures[0].height) == (192, 128)
    assert whole.request.source == source and (whole.request.width, whole.request.height) == (64, 64)
    assert "SD upscale overlap: 16, SD upscale upscaler: Lanczos" in whole.pictures[0].infotext
    assert Path(whole.pictures[0].path or "").is_relative_to(settings.outputs_dir / "img2img-images")
    assert jobs[-1].request.seed == 5 + 12


def test_tiles_survive_a_restart_in_the_middle(running: Services, again: Services):
    request = replace(QUICK, source=put(running, (96, 64)), prompt="slow", steps=4)
    submitted = running.series.submit(request, {"script": "SD upscale", "overlap": 16})
    series = submitted.series
    assert series is not None
    wait_until(running, lambda: running.series.get(series.id).count(PartState.DONE) >= 4)
    close(running)
    before = {part.number: part.job_id for part in again.series.get(series.id).parts if part.state is PartState.DONE}
    after = start(again).series.wait(series.id, 120)
    assert after.state is SeriesState.DONE and len(before) >= 4
    assert {number: job_id for part in after.parts if (number := part.number) in before and (job_id := part.job_id)} == before


# ---- folders


def write(folder: Path, *names: str, text: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        if "bad" in name:
            (folder / name).write_bytes(b"\x89PNG\r\n\x1a\nnothing")
            continue
        picture = Image.new("RGB", (64, 64), (number % 256, 0, 0))
        exif = Image.Exif()
        picture.save(folder / name, exif=exif)
        if text:
            from PIL import PngImagePlugin

            info = PngImagePlugin.PngInfo()
            info.add_text("parameters", text)
            picture.save(folder / name, pnginfo=info)


def batch(folder: Path, **options) -> dict:
    return {"script": "Batch", "folder": str(folder), **options}


def test_of_a_hundred_files_five_are_broken(running: Services, tmp_path: Path):
    names = [f"{number:03}.png" for number in range(95)] + [f"bad{number}.png" for number in range(5)]
    write(tmp_path / "in", *names)
    series = done(running, QUICK, batch(tmp_path / "in", output_folder=str(tmp_path / "out")))
    assert (series.state, series.count(PartState.DONE), series.count(PartState.FAILED)) == (SeriesState.DONE, 95, 5)
    assert series.note.startswith("Batch: 95 of 100 are done, 5 could not be made.\nbad0.png ")
    assert sorted(path.stem.partition("-")[2] for path in (tmp_path / "out").iterdir()) == [f"{n:03}" for n in range(95)]
    assert len({job.request.seed for job in jobs_of(running, series)}) == 1


def test_a_decoder_that_breaks_down_fails_its_picture_alone(running: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "in", "a.png", "b.png", "c.png")
    whole = running.sources.put

    def fragile(data: bytes, name: str = "") -> str:
        if name == "b.png":
            raise RuntimeError("no such tile")
        return whole(data, name)

    monkeypatch.setattr(running.sources, "put", fragile)
    series = done(running, QUICK, batch(tmp_path / "in"))
    assert [part.state for part in series.parts] == [PartState.DONE, PartState.FAILED, PartState.DONE]
    assert series.parts[1].error == "RuntimeError: no such tile"


def test_one_that_fails_after_its_first_picture_fails_alone(running: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "in", "a.png", "b.png")

    def sample(runner: FakeRunner, command: Run, emit: object, control: object, first: int) -> bool:
        if first:
            raise UnsupportedCheckpoint("The second cannot be made.")
        return True

    monkeypatch.setattr(FakeRunner, "_sample", sample)
    series = done(running, replace(QUICK, batch_count=2), batch(tmp_path / "in"))
    assert (series.state, series.count(PartState.FAILED)) == (SeriesState.DONE, 2)
    assert [len(job.pictures) for job in jobs_of(running, series)] == [1, 1]


def test_a_batch_is_taken_up_again_after_a_restart_and_only_the_rest_is_done(running: Services, again: Services, tmp_path: Path):
    write(tmp_path / "in", *(f"{number}.png" for number in range(12)), "bad.png")
    request = replace(QUICK, prompt="slow", steps=4)
    series = running.series.submit(request, batch(tmp_path / "in", output_folder=str(tmp_path / "out"))).series
    assert series is not None
    wait_until(running, lambda: running.series.get(series.id).count(PartState.DONE) >= 4)
    close(running)
    before = {part.name: part.job_id for part in again.series.get(series.id).parts if part.state is PartState.DONE}
    after = start(again).series.wait(series.id, 120)
    assert (after.state, after.count(PartState.DONE), after.count(PartState.FAILED)) == (SeriesState.DONE, 12, 1)
    assert {part.name: part.job_id for part in after.parts if part.name in before} == before
    assert len(list((tmp_path / "out").iterdir())) == 12


def test_pressed_again_only_what_is_missing_is_done(running: Services, tmp_path: Path):
    folder = tmp_path / "in"
    write(folder, "a.png", "b.png", "bad.png")
    first = done(running, replace(QUICK, seed=-1), batch(folder))
    write(folder, "c.png")
    second = done(running, replace(QUICK, seed=-1), batch(folder))
    assert [part.name for part in second.parts] == ["bad.png", "c.png"] and second.request.seed == first.request.seed
    (folder / "bad.png").unlink()
    with pytest.raises(InvalidRequest, match="All 3 pictures have results"):
        running.series.submit(replace(QUICK, seed=-1), batch(folder))
    Path(jobs_of(running, first)[0].pictures[0].path or "").unlink()
    assert [part.name for part in done(running, replace(QUICK, seed=-1), batch(folder)).parts] == ["a.png"]
    assert len(done(running, replace(QUICK, seed=-1, steps=2), batch(folder)).parts) == 3  # other settings: other pictures
    assert len(done(running, replace(QUICK, seed=-1), batch(folder, only_missing=False)).parts) == 3


def test_masks_are_found_by_name_and_one_alone_serves_all(running: Services, tmp_path: Path):
    write(tmp_path / "in", "a.png", "b.png")
    write(tmp_path / "masks", "a.webp", "c.png")
    series = done(running, QUICK, batch(tmp_path / "in", mask_folder=str(tmp_path / "masks")))
    assert [part.state for part in series.parts] == [PartState.DONE, PartState.FAILED]
    assert "b.png has no mask" in series.parts[1].error and jobs_of(running, series)[0].request.mask
    (tmp_path / "masks" / "a.webp").unlink()
    series = done(running, QUICK, batch(tmp_path / "in", mask_folder=str(tmp_path / "masks"), only_missing=False))
    assert len({job.request.mask for job in jobs_of(running, series)}) == 1 and series.count(PartState.DONE) == 2


def test_each_picture_brings_its_own_settings_or_has_them_beside_it(running: Services, tmp_path: Path):
    told = "a boat\nSteps: 3, Sampler: Heun, CFG scale: 3, Seed: 77"
    write(tmp_path / "in", "a.png", text=told)
    write(tmp_path / "info", "a.png", text=told.replace("boat", "ship"))
    for more, prompt in (({}, "oil a boat"), ({"png_info_folder": str(tmp_path / "info")}, "oil a ship")):
        series = done(running, replace(QUICK, prompt="oil"), batch(tmp_path / "in", png_info=True, **more))
        [job] = jobs_of(running, series)
        assert (job.request.prompt, job.request.seed, job.request.steps) == (prompt, 77, 3)


def test_pictures_can_be_handed_in_instead(running: Services):
    pictures = [{"digest": put(running, seed=seed), "name": f"photo{seed}.png"} for seed in range(2)]
    pictures.append({"digest": "0" * 64, "name": "gone.png"})
    series = done(running, replace(QUICK, batch_count=2), {"script": "Batch", "pictures": pictures, "scale": 2})
    assert [part.state for part in series.parts] == [PartState.DONE, PartState.DONE, PartState.FAILED]
    jobs = jobs_of(running, series)
    assert [(job.request.width, len(job.pictures)) for job in jobs] == [(128, 2)] * 2


def test_of_pictures_that_are_handed_in_again_only_those_that_came_are_done(running: Services):
    pictures = [{"digest": put(running, seed=seed), "name": f"photo{seed}.png"} for seed in range(3)]
    for given, names in ((pictures[:2], ["photo0.png", "photo1.png"]), (pictures, ["photo2.png"])):
        series = done(running, QUICK, {"script": "Batch", "pictures": given})
        assert [part.name for part in series.parts] == names
    with pytest.raises(InvalidRequest, match="All 3 pictures have results"):
        running.series.submit(QUICK, {"script": "Batch", "pictures": pictures})


def test_two_presses_at_once_begin_one_batch(services: Services, tmp_path: Path):
    write(tmp_path / "in", "a.png", "b.png")
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(services.series.submit, QUICK, batch(tmp_path / "in")) for _ in range(2)]
    [error] = [error for each in asked if (error := each.exception()) is not None]
    assert "worked on already" in str(error) and len(services.series.recent()) == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "folder"),
        ({"folder": "~nobody-of-that-name/in"}, "folder"),
        ({"folder": "in", "pictures": 5}, "pictures"),
        ({"folder": "in", "scale": "x"}, "scale"),
        ({"folder": "in", "scale": None}, "scale"),
        ({"folder": "nowhere"}, "folder"),
        ({"folder": "in", "output_folder": "in"}, "output_folder"),
        ({"folder": "in", "mask_folder": "empty"}, "mask_folder"),
        ({"folder": "empty"}, "folder"),
    ],
)
def test_folders_that_cannot_be_used_are_named(services: Services, settings: Settings, options: dict, field: str):
    write(settings.data_dir / "in", "a.png")
    (settings.data_dir / "empty").mkdir()
    with pytest.raises(InvalidRequest) as caught:
        services.series.submit(QUICK, {"script": "Batch", **options})
    assert caught.value.field == field


def test_over_a_network_only_folders_of_the_data_folder_can_be_used(tmp_path: Path):
    settings = Settings(data_dir=tmp_path / "data", host="0.0.0.0")
    services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    write(tmp_path / "in", "a.png")
    with pytest.raises(InvalidRequest, match="lies outside"):
        services.series.submit(QUICK, batch(tmp_path / "in"))
    close(services)


def test_a_batch_of_nothing_but_broken_files_says_so(running: Services, tmp_path: Path):
    write(tmp_path / "in", "bad1.png", "bad2.png")
    submitted = running.series.submit(QUICK, batch(tmp_path / "in"))
    assert submitted.job is None and submitted.series is not None
    assert submitted.series.note.startswith("Batch: 0 of 2 are done, 2 could not be made.")
