"""Pictures of exactly the size asked for, by any upscaler, with as little memory as there is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.upscaling.models import write_upscaler
from webui.checkpoints.memory import Device
from webui.errors import Cancelled, InvalidRequest, OutOfMemory
from webui.generation.devices import is_out_of_memory
from webui.upscaling.enlarging import Run, TileOptions, Upscalers, runs_of
from webui.upscaling.files import UpscalerFiles
from webui.upscaling.loading import UpscalerModel

OPTIONS = TileOptions(48, 8)


@pytest.fixture(scope="module")
def upscalers(tmp_path_factory: pytest.TempPathFactory) -> Upscalers:
    folder = tmp_path_factory.mktemp("ESRGAN")
    write_upscaler(folder / "2x.pth", scale=2)
    write_upscaler(folder / "1x.safetensors", scale=1)
    return Upscalers(UpscalerFiles([folder]), Device(torch.device("cpu")), is_out_of_memory)


def picture(width: int = 60, height: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["None", "Lanczos", "Nearest", "2x", "1x"])
def test_the_result_has_exactly_the_size(upscalers: Upscalers, name: str):
    assert upscalers.enlarge(picture(), name, (130, 97), OPTIONS).shape == (97, 130, 3)


def test_filters_are_pillows(upscalers: Upscalers):
    given = picture()
    for name, method in (("Lanczos", Image.Resampling.LANCZOS), ("Nearest", Image.Resampling.NEAREST)):
        wanted = np.asarray(Image.fromarray(given).resize((80, 90), method))
        assert np.array_equal(upscalers.enlarge(given, name, (80, 90), OPTIONS), wanted)


@pytest.mark.parametrize(
    ("target", "scale", "count"),
    [((120, 80), 2, 1), ((121, 80), 2, 2), ((60, 40), 2, 0), ((9000, 40), 2, 3), ((60, 40), 1, 1), ((120, 80), 1, 1)],
)
def test_a_model_is_run_until_both_sides_reach_the_target_but_three_times_at_most(target, scale: int, count: int):
    runs = runs_of((60, 40), target, scale, OPTIONS)
    assert len(runs) == count
    assert runs[:1] == ([Run((60, 40), 2)] if count else [])


def test_progress_counts_the_tiles_of_all_runs(upscalers: Upscalers):
    told: list[tuple[int, int]] = []
    upscalers.enlarge(picture(), "2x", (200, 100), OPTIONS, lambda *progress: told.append(progress))
    total = sum(run.tiles for run in runs_of((60, 40), (200, 100), 2, OPTIONS))
    assert told == [(done, total) for done in range(total + 1)]


def test_it_stops_at_the_next_tile(upscalers: Upscalers):
    def stop(done: int, tiles: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        upscalers.enlarge(picture(), "2x", (120, 80), OPTIONS, stop)


def test_tiles_are_halved_when_memory_runs_out_and_the_picture_stays(upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch):
    given, plain, seen = picture(150, 140), UpscalerModel.__call__, []
    whole = upscalers.enlarge(given, "2x", (300, 280), TileOptions(0))

    def poor(model: UpscalerModel, part: torch.Tensor) -> torch.Tensor:
        seen.append(max(part.shape[-2:]))
        if seen[-1] > 80:
            raise torch.OutOfMemoryError("out of memory")
        return plain(model, part)

    monkeypatch.setattr(UpscalerModel, "__call__", poor)
    made = upscalers.enlarge(given, "2x", (300, 280), TileOptions(192, 8))
    assert seen[0] == 150 and max(seen[2:]) <= 80
    assert np.abs(made.astype(int) - whole.astype(int)).max() <= 1


def test_where_small_tiles_find_no_room_either_it_says_so(upscalers: Upscalers, monkeypatch: pytest.MonkeyPatch):
    def poor(model: UpscalerModel, part: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(UpscalerModel, "__call__", poor)
    with pytest.raises(OutOfMemory, match="while enlarging by 2x, also in parts of"):
        upscalers.enlarge(picture(), "2x", (120, 80), OPTIONS)


def test_a_file_is_read_once_and_again_when_it_was_replaced(tmp_path: Path):
    path = write_upscaler(tmp_path / "2x.safetensors", scale=2)
    upscalers = Upscalers(UpscalerFiles([tmp_path]), Device(torch.device("cpu")), is_out_of_memory)
    loaded: list[str] = []
    upscalers.on_loading = lambda name, size: loaded.append(name)
    first = upscalers.enlarge(picture(), "2x", (120, 80), OPTIONS)
    upscalers.enlarge(picture(), "2x", (120, 80), OPTIONS)
    assert loaded == ["2x"]
    before = upscalers.state("2x", OPTIONS)
    write_upscaler(path, scale=2, seed=5)
    os.utime(path, (1, 1))
    assert not np.array_equal(upscalers.enlarge(picture(), "2x", (120, 80), OPTIONS), first)
    assert loaded == ["2x", "2x"]
    assert len({before, upscalers.state("2x", OPTIONS), upscalers.state("2x", TileOptions(0))}) == 3


def test_an_unknown_name_is_refused(upscalers: Upscalers):
    with pytest.raises(InvalidRequest, match="no upscaler “8x”"):
        upscalers.enlarge(picture(), "8x", (120, 80), OPTIONS)
