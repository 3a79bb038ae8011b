"""Plots as they are worked on: cells become jobs, nothing is lost, and other people's jobs go in between."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fakes import FAKE_RUNNER
from tests.jobs.conftest import close
from tests.jobs.full_disk import refuse, refuse_once
from webui.app import Services, build_services
from webui.core.plot_cells import InvalidAxes
from webui.core.request import GenerationRequest
from webui.core.styles import Style
from webui.core.xyz import Axis, PlotRequest
from webui.engine.client import InlineEngine
from webui.errors import InvalidRequest, PlotNotFound, SaveFailed
from webui.jobs import following, plot_output
from webui.jobs.events import PlotChanged
from webui.jobs.plot_store import CellState, PlotState, PlotStore
from webui.jobs.plot_views import Plot, TooManyCells
from webui.jobs.store import JobState
from webui.settings import BUNDLED_MODELS, Settings
from webui.storage import images


@pytest.fixture
def working(services: Services) -> Services:
    services.dispatcher.start()
    services.plots.start()
    return services


def plot_of(*axes: tuple[str, str], prompt: str = "a cat", steps: int = 2, **others: object) -> PlotRequest:
    base = GenerationRequest(prompt=prompt, seed=7, steps=steps, width=64, height=64)
    return PlotRequest(base=base, axes=tuple(Axis(*axis) for axis in axes), **others)  # pyright: ignore[reportArgumentType]


def finished(services: Services, plot: Plot) -> Plot:
    done = services.plots.wait(plot.id, 60)
    assert done.state is PlotState.DONE, done.row
    return done


def saved(settings: Settings, what: str = "txt2img-images") -> list[Path]:
    return sorted((settings.outputs_dir / what).rglob("*.png"))


def test_every_cell_is_made_saved_and_recorded(working: Services, settings: Settings):
    plot = finished(working, working.plots.submit(plot_of(("Steps", "1-3"), ("Seed", "5, 6"))))
    assert (plot.shape, plot.done, plot.failed) == ((3, 2), 6, 0)
    assert plot.labels == (("Steps: 1", "Steps: 2", "Steps: 3"), ("Seed: 5", "Seed: 6"))
    assert {cell.index: cell.seed for cell in plot.cells} == {(x, y): 5 + y for x in range(3) for y in range(2)}
    assert sorted(str(path) for path in saved(settings)) == sorted(cell.path or "" for cell in plot.cells)
    assert all(cell.seconds is not None and cell.sharpness is not None for cell in plot.cells)
    assert {cell.index: cell.similarity is not None for cell in plot.cells} == {(x, y): x > 0 for x in range(3) for y in (0, 1)}


def test_the_grid_is_saved_with_the_axes_in_its_infotext(working: Services, settings: Settings):
    request = plot_of(("Seed", "-1, 5"), ("Nothing", ""), ("Steps", "2, 3"), include_subgrids=True, margin=2)
    plot = finished(working, working.plots.submit(request))
    files = saved(settings, "txt2img-grids")
    assert [path.name for path in files] == [f"xyz_grid-000{number}-7.png" for number in range(3)]
    assert plot.row.grids == tuple(map(str, files))
    texts = [_text_of(path) for path in files]
    assert 'Script: X/Y/Z plot, X Type: Seed, X Values: "-1, 5", Fixed X Values:' in texts[0]
    assert ["Z Type: Steps" in text for text in texts] == [True, False, False]


def _text_of(path: Path) -> str:
    with Image.open(path) as image:
        image.load()
        return image.info["parameters"]


def test_a_cell_that_fails_keeps_its_error_and_the_others_are_made(working: Services):
    plot = finished(working, working.plots.submit(plot_of(("Prompt S/R", "a cat, broken, defect"))))
    cells = {cell.index: cell for cell in plot.cells}
    assert [cells[index,].state for index in range(3)] == [CellState.DONE, CellState.FAILED, CellState.FAILED]
    assert cells[1,].error == "The file is broken."
    assert "division by zero" in cells[2,].error
    with Image.open(plot.row.grids[0]) as grid:
        assert (grid.width, grid.height > 8) == (3 * 8, True)


def test_a_cell_that_cannot_be_is_told_and_costs_nothing(working: Services):
    plot = finished(working, working.plots.submit(plot_of(("Prompt S/R", "a cat, a dog"), ("Prompt order", "a, cat"))))
    errors = [cell.error for cell in plot.cells if cell.state is CellState.FAILED]
    assert len(errors) == 2
    assert all("is not in the prompt" in error for error in errors)


def test_other_peoples_jobs_go_in_between(working: Services):
    plot = working.plots.submit(plot_of(("Seed", "1-9"), prompt="slow cat"))
    single = working.dispatcher.submit(GenerationRequest(prompt="mine", steps=1))
    assert working.dispatcher.wait(single.id, 60).state is JobState.DONE
    assert working.plots.get(plot.id).done <= 4
    finished(working, plot)


def test_pausing_begins_no_further_cell_and_resuming_makes_the_rest(working: Services):
    plot = working.plots.submit(plot_of(("Seed", "1-5"), prompt="slow cat"))
    paused = working.plots.pause(plot.id)
    assert paused.state is PlotState.PAUSED
    assert sum(cell.state is CellState.QUEUED for cell in paused.cells) <= 1
    done = finished(working, working.plots.resume(plot.id))
    assert done.done == 5
    assert Counter(cell.seed for cell in done.cells) == dict.fromkeys(range(1, 6), 1)


def test_cancelling_ends_it_and_keeps_what_is_there(working: Services):
    plot = working.plots.submit(plot_of(("Seed", "1-5"), prompt="slow cat"))
    cancelled = working.plots.cancel(plot.id)
    assert cancelled.state is PlotState.CANCELLED
    assert working.plots.wait(plot.id, 5).done < 5


def test_a_plot_that_is_resumed_before_its_cell_has_stopped_goes_on(working: Services):
    with working.bus.subscribe(replay=False) as events:
        plot = working.plots.submit(plot_of(("Seed", "1-3"), prompt="slow cat", steps=20))
        while working.store.running() is None:
            events.get(1)
    with working.plots._worker.lock:  # nobody hears of the cell's end meanwhile
        working.plots.cancel(plot.id)
        working.plots.resume(plot.id)
    assert finished(working, plot).done == 3


def test_interrupting_a_cell_pauses_the_plot(working: Services):
    with working.bus.subscribe(replay=False) as events:
        plot = working.plots.submit(plot_of(("Seed", "1-3"), prompt="slow cat", steps=40))
        while (running := working.store.running()) is None:
            events.get(1)
        working.dispatcher.cancel(running.id)
        paused = working.plots.wait(plot.id, 30)
    assert paused.state is PlotState.PAUSED
    assert "Resume" in paused.row.note
    assert finished(working, working.plots.resume(plot.id)).done == 3


def test_values_are_added_and_only_their_cells_are_made(working: Services, settings: Settings):
    plot = finished(working, working.plots.submit(plot_of(("Seed", "1-2"), ("Steps", "1, 2"))))
    before = {cell.index: cell.job_id for cell in plot.cells}
    longer = finished(working, working.plots.extend(plot.id, 0, "9"))
    assert longer.shape == (3, 2)
    assert {cell.index: cell.job_id for cell in longer.cells if cell.index in before} == before
    assert len(saved(settings)) == 6
    assert len(saved(settings, "txt2img-grids")) == 2


def test_values_that_are_added_while_the_grid_is_written_are_made(
    working: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    write, longer = plot_output.write_grid, []

    def write_and_extend(*arguments: Any) -> Path:
        if not longer:
            longer.append(working.plots.extend(working.plots.list()[0][0].id, 0, "9"))
        return write(*arguments)

    monkeypatch.setattr(plot_output, "write_grid", write_and_extend)
    done = finished(working, working.plots.submit(plot_of(("Seed", "1-2"))))
    assert (done.shape, done.done) == ((3,), 3)
    assert len(saved(settings, "txt2img-grids")) == 2


def test_values_that_would_change_other_cells_are_refused(working: Services):
    plot = working.plots.submit(plot_of(("Steps", "1-2"), ("CFG Scale", "1-2"), vary_seeds=(True, True)))
    with pytest.raises(InvalidRequest, match="plot anew"):
        working.plots.extend(plot.id, 0, "9")
    finished(working, plot)


def test_a_plot_of_styles_keeps_them_as_they_were(working: Services):
    working.styles.save(Style("Ink", "ink drawing"))
    plot = working.plots.submit(plot_of(("Styles", "None, Ink"), ("Steps", "1-3"), prompt="slow cat"))
    working.styles.save(Style("Ink", "pencil"))
    done = finished(working, plot)
    jobs = [working.store.get(cell.job_id or "") for cell in done.cells]
    assert {job.request.prompt for job in jobs} == {"slow cat", "slow cat, ink drawing"}


def test_a_checkpoint_that_goes_away_fails_its_cells_and_not_the_plot(working: Services, settings: Settings):
    other = settings.models_dir / "Stable-diffusion" / "other.safetensors"
    other.parent.mkdir(parents=True)
    shutil.copyfile(BUNDLED_MODELS / "Stable-diffusion" / "starter.safetensors", other)
    plot = working.plots.submit(plot_of(("Seed", "1-3"), ("Checkpoint name", "starter, other"), prompt="slow cat"))
    other.unlink()
    done = finished(working, plot)
    assert (done.done, done.failed) == (3, 3)
    assert "There is no checkpoint “other”" in next(cell.error for cell in done.cells if cell.error)


def test_checkpoints_have_their_turns_one_after_the_other(working: Services, settings: Settings):
    folder = settings.models_dir / "Stable-diffusion"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        shutil.copyfile(BUNDLED_MODELS / "Stable-diffusion" / "starter.safetensors", folder / f"{name}.safetensors")
    done = finished(working, working.plots.submit(plot_of(("Checkpoint name", "one, starter, two"), ("Sampler", "Euler, Heun"))))
    made = [working.store.get(cell.job_id or "") for cell in done.cells]
    in_order = [job.request.checkpoint for job in sorted(made, key=lambda job: job.started or 0)]
    assert in_order == ["one", "one", "starter", "starter", "two", "two"]


def test_a_full_disk_pauses_the_plot_and_resuming_makes_what_is_missing(working: Services, monkeypatch: pytest.MonkeyPatch):
    plot = working.plots.submit(plot_of(("Seed", "1-3"), prompt="slow cat", steps=10))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(images, "write_synced", fail)
        paused = working.plots.wait(plot.id, 30)
    assert paused.state is PlotState.PAUSED
    assert "No space left on device" in paused.row.note
    done = finished(working, working.plots.resume(plot.id))
    assert (done.done, done.failed) == (3, 0)


def test_a_plot_goes_on_by_itself_when_the_database_could_not_be_written(working: Services, monkeypatch: pytest.MonkeyPatch):
    failed = refuse_once(monkeypatch, PlotStore, "set_cell", lambda values: values.get("state") is CellState.DONE)
    done = finished(working, working.plots.submit(plot_of(("Seed", "1-3"))))
    assert failed == [(0,)]
    assert (done.done, done.failed) == (3, 0)


def test_a_plot_that_could_not_be_begun_begins_by_itself(working: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "AGAIN", 0.02)
    with monkeypatch.context() as patch:
        patch.setattr(PlotStore, "set_cell", refuse)
        with pytest.raises(SaveFailed, match="disk full"):
            working.plots.submit(plot_of(("Seed", "1-2")))
    [(row, _)] = working.plots.list()
    assert finished(working, working.plots.get(row.id)).done == 2


def test_a_cell_that_was_interrupted_pauses_the_plot_also_when_that_could_not_be_written(
    working: Services, monkeypatch: pytest.MonkeyPatch
):
    failed = refuse_once(monkeypatch, PlotStore, "set_cell", lambda values: values.get("state") is CellState.WAITING)
    with working.bus.subscribe(replay=False) as events:
        plot = working.plots.submit(plot_of(("Seed", "1-2"), prompt="slow cat", steps=150))
        while (running := working.store.running()) is None:
            events.get(1)
    working.dispatcher.cancel(running.id)
    paused = working.plots.wait(plot.id, 30)
    assert (failed, paused.state, paused.done) == ([(0,)], PlotState.PAUSED, 0)


def test_the_end_of_a_plot_that_could_not_be_written_is_tried_again(working: Services, monkeypatch: pytest.MonkeyPatch):
    failed = refuse_once(monkeypatch, PlotStore, "set_done", told=0)
    plot = finished(working, working.plots.submit(plot_of(("Seed", "1"))))
    assert failed == [plot.id]


def test_a_plot_counts_once_among_the_newest_jobs(working: Services):
    finished(working, working.plots.submit(plot_of(("Seed", "1-3"))))
    single = working.dispatcher.submit(GenerationRequest(prompt="mine", steps=1))
    plot = finished(working, working.plots.submit(plot_of(("Seed", "1-3"))))
    newest = working.store.recent(2)
    assert [job.id.startswith(plot.id) for job in newest] == [True, False]
    assert newest[1].id == single.id
    assert [job.kind for job in working.store.recent()] == ["plot", "txt2img", "plot"]


def test_a_cell_is_among_the_favourites_until_it_is_taken_out(working: Services):
    plot = finished(working, working.plots.submit(plot_of(("Seed", "1-3"))))
    with working.bus.subscribe(replay=False) as events:
        assert working.plots.mark(plot.id, (1,), True).favourite
        while (told := events.get(5)) is not None and (not isinstance(told, PlotChanged) or told.cell is None):
            pass  # the end of the plot may be told yet
    assert isinstance(told, PlotChanged)
    assert told.cell is not None
    assert (told.cell.index, told.cell.favourite) == ((1,), True)
    assert {cell.index for cell in working.plots.get(plot.id).cells if cell.favourite} == {(1,)}
    assert not working.plots.mark(plot.id, (1,), False).favourite
    with pytest.raises(PlotNotFound):
        working.plots.mark(plot.id, (9,), True)


def test_resuming_a_finished_plot_changes_nothing(working: Services, settings: Settings):
    plot = finished(working, working.plots.submit(plot_of(("Seed", "1-2"))))
    assert working.plots.resume(plot.id).state is PlotState.DONE
    with pytest.raises(InvalidRequest, match="add no cell"):
        working.plots.extend(finished(working, working.plots.submit(plot_of(("Seed", "1"), ("Nothing", "")))).id, 1, "3")
    assert len(saved(settings, "txt2img-grids")) == 2


def test_many_cells_want_to_be_confirmed(working: Services):
    check = working.plots.check(plot_of(("Seed", "1-1000"), ("Steps", "1-10")))
    assert check.expanded is not None
    assert check.expanded.total == 10_000
    with pytest.raises(TooManyCells, match="10,000 cells"):
        working.plots.submit(plot_of(("Seed", "1-1000"), ("Steps", "1-10")))
    plot = working.plots.submit(plot_of(("Seed", "1-1000"), ("Steps", "1-10"), prompt="slow cat"), confirmed=True)
    assert (plot.total, plot.state) == (10_000, PlotState.RUNNING)
    assert working.store.waiting()[2:] == []
    cancelled = working.plots.cancel(plot.id)
    assert (cancelled.state, cancelled.done < 10_000) == (PlotState.CANCELLED, True)


def test_checking_tells_size_loads_time_and_errors_and_keeps_nothing(working: Services):
    finished(working, working.plots.submit(plot_of(("Seed", "1"))))
    check = working.plots.check(plot_of(("Steps", "1-4"), ("Sampler", "Euler, Heun")))
    assert (check.counts, check.errors) == ((4, 2), ())
    assert check.plan is not None and check.estimate is not None
    assert (len(check.plan.loads), len(check.plan.order)) == (1, 8)
    assert check.estimate.seconds is not None
    wrong = working.plots.check(plot_of(("Steps", "1-4"), ("Sampler", "Oiler")))
    assert wrong.counts == (4, None)
    assert [(error.axis, error.field) for error in wrong.errors] == [(1, "values")]
    assert len(working.plots.list()) == 1


def test_wrong_axes_are_refused_before_anything_is_kept(working: Services):
    with pytest.raises(InvalidAxes):
        working.plots.submit(plot_of(("Steps", "0")))
    assert working.plots.list() == []
    with pytest.raises(PlotNotFound):
        working.plots.get("plot-x")


def test_listeners_hear_of_each_cell_and_of_the_end(working: Services):
    with working.bus.subscribe(replay=False) as events:
        plot = finished(working, working.plots.submit(plot_of(("Seed", "1-2"))))
        heard = [event for event in iter(events.get_nowait, None) if isinstance(event, PlotChanged)]
    assert {event.plot_id for event in heard} == {plot.id}
    assert {event.cell.index for event in heard if event.cell and event.cell.state is CellState.DONE} == {(0,), (1,)}
    assert (heard[-1].state, heard[-1].done, heard[-1].total) == (PlotState.DONE, 2, 2)


def test_a_restart_goes_on_at_the_first_missing_cell(services: Services, settings: Settings):
    services.dispatcher.start()
    services.plots.start()
    plot = services.plots.submit(plot_of(("Seed", "1-6"), prompt="slow cat"))
    with services.bus.subscribe(replay=False) as events:
        while services.plots.get(plot.id).done < 2:
            events.get(1)
    close(services)
    again = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
    try:
        again.dispatcher.start()
        again.plots.start()
        done = finished(again, again.plots.get(plot.id))
        assert done.done == 6
        assert sorted(int(path.stem.split("-")[1]) for path in saved(settings)) == list(range(1, 7))
    finally:
        close(again)
