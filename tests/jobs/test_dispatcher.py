import io
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.fakes import DIES_AT_START, FAKE_RUNNER
from tests.jobs.conftest import close
from webui.app import build_services
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.client import InlineEngine, ProcessEngine
from webui.engine.protocol import CancelWhen
from webui.errors import CheckpointNotFound, InvalidRequest, SaveFailed
from webui.jobs import keeper, supervision
from webui.jobs.events import EngineChanged, EngineState, JobChanged, JobProgress, NoticePosted, PictureSaved
from webui.jobs.store import JobState, Picture

QUICK = GenerationRequest(prompt="red heart", seed=5, steps=3, width=64, height=64)
SLOW = replace(QUICK, prompt="slow", steps=100)


def submit_and_wait(services, request, **options):
    job = services.dispatcher.submit(request, **options)
    return services.dispatcher.wait(job.id, 30)


def wait_for(condition, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return result


def saved_files(services) -> list[Path]:
    return sorted(path for path in services.settings.outputs_dir.rglob("*") if path.is_file())


def test_a_job_is_resolved_when_it_is_queued(services):
    request = services.dispatcher.submit(replace(QUICK, seed=-1)).request
    assert request.checkpoint == "starter"
    assert request.vae == "None"
    assert 0 <= request.seed < 2**32 - 2
    assert request.variation_seed == -1
    varied = services.dispatcher.submit(replace(QUICK, variation_strength=0.5)).request
    assert 0 <= varied.variation_seed < 2**32 - 2


def test_a_job_becomes_a_picture_whose_infotext_gives_the_request_back(services):
    services.dispatcher.start()
    job = submit_and_wait(services, QUICK)
    assert job.state is JobState.DONE
    [picture] = job.pictures
    path = Path(picture.path)
    assert path.parent.parent == services.settings.outputs_dir / "txt2img-images"
    assert path.name == "00000-5.png"
    with Image.open(path) as image:
        text = image.info["parameters"]
        assert image.getpixel((0, 0)) == (5, 5, 5)
    assert text == picture.infotext
    restored = infotext.restore(infotext.parse(text))
    assert replace(GenerationRequest(**restored.values), vae="None") == job.request
    assert restored.checkpoint_hash == services.catalog.sha256(services.catalog.find_checkpoint("starter"))[:10]


def test_the_vae_noted_for_a_checkpoint_is_settled_when_the_job_is_queued_and_its_picture_tells_its_hash(services):
    for place in ("Stable-diffusion/mine", "VAE/borrowed"):
        path = services.settings.models_dir / f"{place}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BUNDLED_CHECKPOINT, path)
    notes = services.settings.models_dir / "Stable-diffusion" / "mine.json"
    notes.write_text('{"vae": "borrowed.safetensors"}')
    services.dispatcher.start()
    job = submit_and_wait(services, replace(QUICK, checkpoint="mine"))
    assert job.request.vae == "borrowed"
    vae = services.catalog.find_vae("borrowed")
    wait_for(lambda: services.catalog.sha256(vae))
    [picture] = submit_and_wait(services, replace(QUICK, checkpoint="mine")).pictures
    assert infotext.restore(infotext.parse(picture.infotext)).vae_hash == services.catalog.sha256(vae)[:10]
    # Without a VAE the picture has to say so here: to say nothing would mean the noted one.
    [picture] = submit_and_wait(services, replace(QUICK, checkpoint="mine", vae="None")).pictures
    assert infotext.restore(infotext.parse(picture.infotext)).values["vae"] == "None"
    [picture] = submit_and_wait(services, replace(QUICK, checkpoint="starter", vae="None")).pictures
    assert "VAE: " not in picture.infotext


def test_pictures_of_a_batch_have_the_seeds_that_follow(services):
    services.dispatcher.start()
    job = submit_and_wait(services, replace(QUICK, batch_count=2, batch_size=2))
    assert [(picture.index, picture.seed) for picture in job.pictures] == [(0, 5), (1, 6), (2, 7), (3, 8)]


def test_jobs_run_in_order_and_listeners_hear_all_of_it(services):
    services.dispatcher.start()
    with services.bus.subscribe() as subscription:
        jobs = [services.dispatcher.submit(replace(QUICK, seed=seed)) for seed in range(3)]
        heard = []
        while not (
            heard and isinstance(heard[-1], JobChanged) and heard[-1].job.id == jobs[2].id and heard[-1].job.state.finished
        ):
            heard.append(subscription.get(30))
        done = [services.dispatcher.wait(job.id, 30) for job in jobs]
    times = [job.finished for job in done]
    assert times == sorted(times)
    saved = [event.picture.seed for event in heard if isinstance(event, PictureSaved)]
    assert saved == [0, 1, 2]
    states = [event.job.state for event in heard if isinstance(event, JobChanged) and event.job.id == jobs[2].id]
    assert list(dict.fromkeys(states)) == [JobState.QUEUED, JobState.RUNNING, JobState.DONE]
    assert any(isinstance(event, JobProgress) for event in heard)


def test_jobs_wait_with_the_number_ahead_while_the_engine_starts(services):
    for seed in range(3):
        services.dispatcher.submit(replace(QUICK, seed=seed))
    services.bus.connect(services.dispatcher._board.snapshot, lambda count: None)
    with services.bus.subscribe() as subscription:
        heard = list(iter(subscription.get_nowait, None))
    assert heard[0].state is EngineState.STARTING
    assert [event.ahead for event in heard if isinstance(event, JobChanged)] == [0, 1, 2]


def test_interrupt_ends_the_running_job_and_keeps_its_finished_pictures(services):
    services.dispatcher.start()
    job = services.dispatcher.submit(replace(SLOW, steps=10, batch_count=50))
    wait_for(lambda: services.store.get(job.id).pictures)
    services.dispatcher.cancel(job.id)
    ended = services.dispatcher.wait(job.id, 30)
    assert ended.state is JobState.CANCELLED
    assert 1 <= len(ended.pictures) < 50
    assert ended.note == f"Interrupted; {len(ended.pictures)} of 50 pictures kept."
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_skip_leaves_one_batch_and_goes_on(services):
    services.dispatcher.start()
    job = services.dispatcher.submit(replace(SLOW, steps=50, batch_count=3))
    wait_for(lambda: services.dispatcher.progress(job.id))
    services.dispatcher.cancel_running(CancelWhen.SKIP)
    ended = services.dispatcher.wait(job.id, 30)
    assert ended.state is JobState.DONE
    assert [picture.index for picture in ended.pictures] == [1, 2]
    assert ended.note == "1 of 3 pictures skipped."


def test_a_waiting_job_is_taken_out_and_no_other(services):
    services.dispatcher.start()
    running = services.dispatcher.submit(SLOW)
    waiting = [services.dispatcher.submit(replace(QUICK, seed=seed)) for seed in range(3)]
    assert services.dispatcher.cancel(waiting[1].id).state is JobState.CANCELLED
    services.dispatcher.cancel(running.id)
    states = [services.dispatcher.wait(job.id, 30).state for job in (running, *waiting)]
    assert states == [JobState.CANCELLED, JobState.DONE, JobState.CANCELLED, JobState.DONE]


def test_a_job_cancelled_in_the_moment_it_starts_is_cancelled(services):
    services.dispatcher.start()
    for seed in range(20):
        job = services.dispatcher.submit(replace(SLOW, seed=seed))
        services.dispatcher.cancel(job.id)
        assert services.dispatcher.wait(job.id, 30).state is JobState.CANCELLED


def test_cancelling_a_finished_job_changes_nothing(services):
    services.dispatcher.start()
    job = submit_and_wait(services, QUICK)
    assert services.dispatcher.cancel(job.id) == job


@pytest.mark.parametrize(
    ("prompt", "message"), [("broken", "The file is broken."), ("defect", "ZeroDivisionError: division by zero")]
)
def test_a_job_that_raises_fails_in_words_and_the_next_one_runs(services, prompt, message):
    services.dispatcher.start()
    job = submit_and_wait(services, replace(QUICK, prompt=prompt))
    assert (job.state, job.error) == (JobState.FAILED, message)
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_an_unknown_checkpoint_is_refused_at_once(services):
    with pytest.raises(CheckpointNotFound, match="starte"):
        services.dispatcher.submit(replace(QUICK, checkpoint="startle"))
    assert services.store.recent() == []


def test_a_taken_task_id_is_refused(services):
    services.dispatcher.submit(QUICK, job_id="mine")
    with pytest.raises(InvalidRequest, match="“mine” already"):
        services.dispatcher.submit(QUICK, job_id="mine")


def test_a_chosen_checkpoint_that_is_gone_gives_way_to_the_default(services):
    services.preferences.update(checkpoint="was here once")
    assert services.dispatcher.submit(QUICK).request.checkpoint == "starter"


def test_previews_are_made_only_while_someone_watches(services):
    services.dispatcher.start()
    job = services.dispatcher.submit(SLOW)
    progress = wait_for(lambda: services.dispatcher.progress(job.id))
    assert progress.preview is None
    with services.bus.subscribe():
        wait_for(lambda: services.dispatcher.progress(job.id).preview)
    services.dispatcher.cancel(job.id)


def test_a_full_disk_fails_the_job_with_the_path_and_keeps_the_picture(services, monkeypatch):
    def full(folder, *_, **__):
        raise SaveFailed(f"The picture could not be saved in {folder}: No space left on device.")

    services.dispatcher.start()
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "write_new", full)
        job = submit_and_wait(services, replace(QUICK, batch_count=50))
    assert job.state is JobState.FAILED
    assert str(services.settings.outputs_dir) in job.error
    picture = job.pictures[0]
    assert (picture.path, picture.saved) == (None, False)
    with Image.open(io.BytesIO(services.dispatcher.picture_bytes(picture))) as image:
        assert image.info["parameters"] == picture.infotext
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_a_database_that_is_full_at_the_end_of_a_job_fails_it_and_the_queue_goes_on(services, monkeypatch):
    def full(*_, **__):
        raise SaveFailed("The job database is full.")

    services.dispatcher.start()
    with services.bus.subscribe() as subscription:
        with monkeypatch.context() as patch:
            patch.setattr(services.store, "finish", full)
            job = services.dispatcher.submit(QUICK)
            told = (event.job for event in subscription if isinstance(event, JobChanged) and event.job.id == job.id)
            ended = next(job for job in told if job.state.finished)
        assert (ended.state, ended.error) == (JobState.FAILED, "The job database is full.")
        services.store.finish(job.id, JobState.FAILED)
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_pictures_nobody_asked_to_save_lie_outside_the_outputs_and_are_forgotten_on_demand(services):
    services.dispatcher.start()
    job = submit_and_wait(services, QUICK, save=False)
    [picture] = job.pictures
    assert not picture.saved
    assert saved_files(services) == []
    assert services.dispatcher.picture_bytes(picture).startswith(b"\x89PNG")
    services.dispatcher.forget_unsaved(job.id)
    assert not Path(picture.path).exists()
    assert services.store.get(job.id).pictures == ()


# ---- after a crash of the front


def restart(services):
    """Another front over the same data folder, as after kill -9: nothing of the old one was closed in order."""
    return build_services(services.settings, InlineEngine(services.settings, FAKE_RUNNER))


def test_a_job_that_runs_when_the_program_is_stopped_goes_on_at_the_next_start(services):
    services.dispatcher.start()
    job = services.dispatcher.submit(SLOW)
    wait_for(lambda: services.dispatcher.progress(job.id))
    services.dispatcher.close()
    again = restart(services)
    assert again.store.get(job.id).state is JobState.RUNNING
    again.dispatcher.start()
    wait_for(lambda: again.dispatcher.progress(job.id))
    again.dispatcher.cancel(job.id)
    assert again.dispatcher.wait(job.id, 30).note.startswith("Interrupted")
    close(again)


def test_after_a_crash_the_running_job_is_first_and_makes_only_what_is_missing(services):
    jobs = [services.dispatcher.submit(replace(QUICK, seed=seed, batch_count=3)) for seed in (10, 20)]
    services.store.start_next()
    kept = services.settings.outputs_dir / "txt2img-images" / "kept.png"
    services.store.finish_picture(Picture(jobs[0].id, 1, 11, 8, 8, "", str(kept), True))
    again = restart(services)
    assert again.store.get(jobs[0].id).state is JobState.RUNNING
    again.dispatcher.start()
    first, second = (again.dispatcher.wait(job.id, 30) for job in jobs)
    assert first.finished and second.finished
    assert first.finished < second.finished
    assert [picture.index for picture in first.pictures] == [0, 1, 2]
    assert first.pictures[1].path == str(kept)
    assert len(saved_files(again)) == 5
    close(again)


def test_after_a_crash_a_whole_file_is_kept_and_a_missing_one_is_made_again(services):
    job = services.dispatcher.submit(replace(QUICK, batch_count=2))
    services.store.start_next()
    folder = services.settings.outputs_dir / "txt2img-images" / "day"
    folder.mkdir(parents=True)
    (folder / "00000-5.png").write_bytes(b"whole")
    whole = Picture(job.id, 0, 5, 8, 8, "", str(folder / "00000-5.png"), True)
    services.store.begin_picture(whole, keeper.digest_of(b"whole"))
    services.store.begin_picture(replace(whole, index=1, path=str(folder / "00001-6.png")), "never written")
    staging = services.settings.outputs_dir / ".writing"
    staging.mkdir()
    (staging / "left.tmp").write_bytes(b"half")
    again = restart(services)
    again.dispatcher.start()
    done = again.dispatcher.wait(job.id, 30)
    assert done.pictures[0] == whole
    assert Path(done.pictures[1].path or "").is_file()
    assert [path.name for path in saved_files(again)] == ["00000-6.png", "00000-5.png"]
    close(again)


def test_a_job_that_took_the_program_down_again_and_again_is_given_up(services):
    job = services.dispatcher.submit(QUICK)
    for _ in range(supervision.STARTS):
        services.store.start_next()
        services.store.requeue(job.id, "")
    services.store.start_next()
    again = restart(services)
    again.dispatcher.start()
    assert again.store.get(job.id).state is JobState.FAILED
    assert "not tried again" in again.store.get(job.id).error
    close(again)


def test_unsaved_pictures_that_a_crash_left_are_cleared_away(services):
    services.dispatcher.start()
    job = submit_and_wait(services, QUICK, save=False)
    path = Path(job.pictures[0].path)
    assert path.exists()
    again = restart(services)
    again.dispatcher.start()
    assert not path.exists()
    assert again.store.get(job.id).pictures == ()
    close(again)


def test_a_crash_after_the_last_picture_makes_nothing_again(services):
    job = services.dispatcher.submit(QUICK)
    services.store.start_next()
    services.store.finish_picture(Picture(job.id, 0, 5, 8, 8, "", "/there.png", True))
    again = restart(services)
    again.dispatcher.start()
    assert again.store.get(job.id).state is JobState.DONE
    assert saved_files(again) == []
    close(again)


# ---- an engine that dies


@pytest.fixture
def in_process(settings):
    """The engine in a process of its own, with the runner that needs no torch."""
    engine = ProcessEngine(settings, FAKE_RUNNER, hung_after=3.0)
    services = build_services(settings, engine)
    yield services, engine
    close(services)


def test_a_job_whose_engine_dies_is_tried_once_more_and_people_are_told(in_process):
    services, _ = in_process
    services.dispatcher.start()
    with services.bus.subscribe() as subscription:
        job = submit_and_wait(services, replace(QUICK, prompt="crash once"))
        notices = [event.text for event in iter(subscription.get_nowait, None) if isinstance(event, NoticePosted)]
    assert job.state is JobState.DONE
    assert job.attempts == 2
    assert len(saved_files(services)) == 1
    assert "SIGKILL" in notices[0]
    assert "tries once more" in notices[0]


def test_an_engine_that_dies_while_the_database_takes_nothing_is_started_again(in_process, monkeypatch):
    def full(*_, **__):
        raise SaveFailed("The job database is full.")

    services, _ = in_process
    monkeypatch.setattr(services.store, "requeue", full)
    services.dispatcher.start()
    with services.bus.subscribe() as subscription:
        services.dispatcher.submit(replace(QUICK, prompt="crash once"))
        notices = wait_for(lambda: [event for event in iter(subscription.get_nowait, None) if isinstance(event, NoticePosted)])
    assert "database is full" in notices[0].text
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_a_job_that_kills_its_engine_twice_fails_and_the_queue_goes_on(in_process):
    services, _ = in_process
    services.dispatcher.start()
    deadly = services.dispatcher.submit(replace(QUICK, prompt="crash"))
    after = services.dispatcher.submit(QUICK)
    job = services.dispatcher.wait(deadly.id, 60)
    assert job.state is JobState.FAILED
    assert "stopped twice" in job.error
    assert services.dispatcher.wait(after.id, 60).state is JobState.DONE


def test_an_engine_that_gives_no_sign_of_life_is_killed_and_the_job_tried_again(in_process):
    services, _ = in_process
    services.dispatcher.start()
    job = submit_and_wait(services, replace(QUICK, prompt="freeze once"))
    assert (job.state, job.attempts) == (JobState.DONE, 2)


def test_a_slow_engine_that_gives_signs_of_life_is_left_alone(in_process):
    services, engine = in_process
    services.dispatcher.start()
    wait_for(lambda: services.dispatcher.engine.state is EngineState.IDLE)
    first_pid = engine.pid
    job = submit_and_wait(services, replace(QUICK, prompt="4 s without progress"))  # longer than `hung_after`
    assert (job.state, job.attempts) == (JobState.DONE, 1)
    assert engine.pid == first_pid


def test_an_engine_that_cannot_start_is_told_in_words_and_jobs_stay_queued(settings, monkeypatch):
    monkeypatch.setattr("webui.jobs.supervision.RETRY_SECONDS", (0.0, 0.1, 0.1))
    services = build_services(settings, ProcessEngine(settings, DIES_AT_START))
    job = services.dispatcher.submit(QUICK)
    services.bus.connect(list, lambda count: None)
    with services.bus.subscribe() as subscription:
        services.dispatcher.start()
        status = wait_for(lambda: services.dispatcher.engine if services.dispatcher.engine.state is EngineState.FAILED else None)
        notices = [event.text for event in iter(subscription.get_nowait, None) if isinstance(event, NoticePosted)]
    assert "cannot be started" in status.text
    assert "no such device: cuda:7" in notices[0]
    assert services.store.get(job.id).state is JobState.QUEUED
    close(services)


def test_closing_leaves_no_thread_or_process_behind(settings):
    before = threading.active_count()
    services = build_services(settings, ProcessEngine(settings, FAKE_RUNNER))
    services.dispatcher.start()
    wait_for(lambda: services.dispatcher.engine.state is EngineState.IDLE)
    close(services)
    wait_for(lambda: threading.active_count() <= before)


# ---- what is in memory


def two_checkpoints(services) -> None:
    folder = services.settings.models_dir / "Stable-diffusion"
    folder.mkdir(parents=True)
    for name in ("first", "second"):
        shutil.copyfile(BUNDLED_CHECKPOINT, folder / f"{name}.safetensors")


def prefetched(services) -> list[str]:
    told = services.settings.data_dir / "prefetched"
    return told.read_text().splitlines() if told.exists() else []


def test_the_engine_reads_ahead_what_the_next_job_with_other_files_wants_once(services):
    two_checkpoints(services)
    first, second = (replace(SLOW, steps=5, checkpoint=name) for name in ("first", "second"))
    jobs = [services.dispatcher.submit(request) for request in (first, first, second, second)]
    services.dispatcher.start()
    for job in jobs:
        services.dispatcher.wait(job.id, 30)
    assert prefetched(services) == ["second None"]


def test_a_job_that_is_queued_while_another_samples_is_looked_ahead_to(services):
    two_checkpoints(services)
    services.dispatcher.start()
    running = services.dispatcher.submit(replace(SLOW, checkpoint="first"))
    wait_for(lambda: services.dispatcher.progress(running.id))
    services.dispatcher.submit(replace(QUICK, checkpoint="first"))
    services.dispatcher.submit(replace(QUICK, checkpoint="second"))
    wait_for(lambda: prefetched(services))
    services.dispatcher.cancel(running.id)
    assert prefetched(services) == ["second None"]


def test_unload_and_reload_are_told_by_the_engines_state(services):
    services.dispatcher.start()
    submit_and_wait(services, QUICK)
    assert wait_for(lambda: services.dispatcher.engine.checkpoint) == "starter"
    services.dispatcher.unload()
    wait_for(lambda: services.dispatcher.engine.checkpoint == "")
    with services.bus.subscribe() as subscription:
        services.dispatcher.reload()
        wait_for(lambda: services.dispatcher.engine.checkpoint == "starter")
        wait_for(lambda: services.dispatcher.engine.state is EngineState.IDLE)
        heard = list(iter(subscription.get_nowait, None))
    assert "Loading starter, 1 MB" in [event.text for event in heard if isinstance(event, EngineChanged)]
    assert submit_and_wait(services, QUICK).state is JobState.DONE


def test_a_reload_that_fails_is_told_and_the_engine_works_on(services):
    services.dispatcher.start()
    (services.settings.data_dir / "unreadable").touch()
    with services.bus.subscribe() as subscription:
        services.dispatcher.reload()
        while not isinstance(event := subscription.get(10), NoticePosted):
            assert event is not None
    assert event.text == "The file is broken."
    wait_for(lambda: services.dispatcher.engine.state is EngineState.IDLE)
    assert services.dispatcher.engine.checkpoint == ""
    assert submit_and_wait(services, QUICK).state is JobState.DONE
