"""The training loop and the whole program at toy size."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.tools.starter import CPU, TINY_TEXT, TINY_VAE, Fellow, Line, few_shapes, lesson, shrink, things, toy_run
from tools.starter_model import making, modules
from tools.starter_model import samples as samples_module
from tools.starter_model.canvas import GROUND_WORDS
from tools.starter_model.captions import every_text
from tools.starter_model.diffusion import Writer
from tools.starter_model.latents import fold_statistics, latent_rgb
from tools.starter_model.modules import SCALING_FACTOR, alphas_cumprod, encode
from tools.starter_model.passthrough import start_as_passthrough
from tools.starter_model.pictures import Picture, PictureSet, draw_shapes, join
from tools.starter_model.samples import CachedSamples, LiveSamples
from tools.starter_model.start import Start, open_model
from tools.starter_model.tokens import Tokens
from tools.starter_model.training import Figures, Machine, Pace, Position, Recipe, Trainer
from tools.starter_model.vae import Painter, plain_pictures, psnr
from webui.library.covers import cover_in


def test_a_run_that_was_stopped_makes_the_weights_of_one_that_was_not(tmp_path: Path):
    whole = Line(tmp_path / "whole", Pace(steps=20))
    assert whole.run()
    stopped = Line(tmp_path / "parts", Pace(steps=20), stop_at=7)
    assert not stopped.run()
    assert stopped.trainer.position.step == 8
    resumed = Line(tmp_path / "parts", Pace(steps=20))
    assert resumed.run()
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert torch.equal(resumed.module.bias, whole.module.bias)


def test_a_finished_stage_is_taken_over_as_it_is(tmp_path: Path):
    first, second = Line(tmp_path, Pace(steps=6)), Line(tmp_path, Pace(steps=6))
    first.run()
    again = Line(tmp_path, Pace(steps=6))
    assert again.run()
    assert torch.equal(again.module.weight, first.module.weight)
    assert not torch.equal(again.module.weight, second.module.weight)


def test_the_rate_falls_to_nearly_nothing():
    recipe = Recipe(rate=1.0, hold=0.5, warmup=4)
    assert recipe.rate_at(Position(0, 0.0)) == pytest.approx(0.25, rel=0.01)
    assert recipe.rate_at(Position(50, 0.4)) == pytest.approx(1.0, rel=0.01)
    assert recipe.rate_at(Position(99, 1.0)) < 0.01


def test_a_pace_in_minutes_ends_in_time_and_can_be_changed():
    pace, position = Pace(minutes=1.0), Position()
    while position.progress < 1 and position.seconds < 100:
        position.seconds += 1.7
        position.progress += (1 - position.progress) * pace.share(1, position.seconds, 1.7)
    assert 56 < position.seconds < 62
    assert Pace(minutes=2.0).share(1, 60.0, 1.5) < 0.03


def test_a_step_that_compiles_does_not_count_as_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    line, now = Line(tmp_path, Pace(minutes=1.0), Machine(CPU, compiled=True)), 0.0
    compiled: Callable[..., Any] = line.trainer.machine.fast(line.module)

    def loss(_: Position) -> tuple[Tensor, dict[str, float]]:
        nonlocal now
        before = line.trainer.machine.compilations()
        found = compiled(torch.ones(2 if line.trainer.position.step < 3 else 3, 3))
        now += 50.0 if line.trainer.machine.compilations() > before else 7.0
        return found.square().mean(), {}

    monkeypatch.setattr(Machine, "clock", lambda _: now)
    assert line.trainer.run(loss)
    # eight steps, and two that compiled: the first one, and the first of another size
    assert (line.trainer.position.seconds, line.trainer.position.step) == (56.0, 10)


def test_a_cpu_is_timed_by_its_own_work_and_a_gpu_by_the_wall(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tools.starter_model.training.time", SimpleNamespace(process_time=lambda: 3.0, monotonic=lambda: 5.0))
    assert (Machine(CPU).clock(), Machine(torch.device("cuda")).clock()) == (3.0, 5.0)


def test_what_other_processes_run_can_be_sent_to_them():
    assert pickle.loads(pickle.dumps(making._work)) is making._work
    assert making._work.__module__ == "tools.starter_model.making"  # the main module of the others is another


def test_a_vae_begins_as_a_mean_of_eight_by_eight_pixels():
    torch.manual_seed(0)
    pictures = plain_pictures(join(few_shapes(), things()), CPU)
    vae = modules.make_vae(widths=(16, 16, 16, 16), groups=2)
    start_as_passthrough(vae, pictures)
    with torch.no_grad():
        assert psnr(vae, pictures).mean() > 14
        pooled = nn.functional.avg_pool2d(pictures, 8)
        assert (encode(vae, pictures)[:, :3] - pooled).abs().mean() < 0.1


def test_folded_latents_have_unit_spread_and_give_the_same_pictures():
    torch.manual_seed(0)
    pictures = plain_pictures(join(few_shapes(), things()), CPU)
    vae = modules.make_vae(**TINY_VAE)
    start_as_passthrough(vae, pictures)
    with torch.no_grad():
        before = psnr(vae, pictures)
    fold_statistics(vae, pictures)
    with torch.no_grad():
        latents = encode(vae, pictures) * SCALING_FACTOR
        assert torch.allclose(psnr(vae, pictures), before, atol=1e-2)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-3)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)
    matrix, bias, explained = latent_rgb(vae, pictures)
    assert matrix.shape == (4, 3) and bias.shape == (3,) and explained > 0.9


def test_batches_follow_the_generator():
    painter = Painter(join(few_shapes(), things()), CPU)
    first, again, other = (painter.batch(3, 64, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (3, 3, 64, 64) and first.abs().max() <= 1.001


def test_some_captions_are_dropped_and_some_of_these_are_words_that_nobody_taught():
    tokens = Tokens(every_text(few_shapes().pictures))
    writer = Writer(tokens, modules.make_text_encoder(**TINY_TEXT, vocabulary=len(tokens)), CPU)
    rows = writer.disturbed(["red circle"] * 600, torch.Generator().manual_seed(0), 0.5)
    red = tokens.encode("red circle")[1]
    kept, dropped = rows[(rows == red).any(1)], rows[~(rows == red).any(1)]
    assert 240 < len(kept) < 360
    strange = [float((part == tokens.unknown).any(1).float().mean()) for part in (kept, dropped)]
    assert (dropped == tokens.unknown).sum(1).max() > 18 > 5 > (kept == tokens.unknown).sum(1).max()
    assert 0.08 < strange[0] < 0.22 < 0.3 < strange[1] < 0.5
    assert not (writer.disturbed(["red circle"] * 50, torch.Generator().manual_seed(0), 0.0) == tokens.encode("")).all(1).any()


def test_signal_and_noise_are_those_of_stable_diffusion():
    alphas = alphas_cumprod()
    assert alphas[0] == pytest.approx(0.99915, abs=1e-5)
    assert alphas[999] == pytest.approx(0.00466, abs=1e-5)


def test_live_samples_stand_out_from_their_grounds():
    shapes = draw_shapes()
    white, black = (next(i for i, p in enumerate(shapes.pictures) if p.name == f"{word} star") for word in ("white", "black"))
    samples = LiveSamples(shapes, modules.make_vae(**TINY_VAE), Machine(CPU))
    first, second = torch.tensor([white, black] * 40), torch.tensor([black, white] * 20)
    words = [GROUND_WORDS[word] for word in samples._words(first, second, random.Random(0)).tolist()]
    both, of_white, of_black = set(words[:40]), set(words[40::2]), set(words[41::2])
    assert not both & {None, "black"}
    assert None not in of_white and "black" in of_white
    assert "black" not in of_black and None in of_black


def test_live_samples_draw_one_thing_and_two_in_many_sizes():
    torch.manual_seed(0)
    vae = modules.make_vae(**TINY_VAE)
    samples = LiveSamples(join(few_shapes(), things()), vae, Machine(CPU), two=0.5)
    sizes = set()
    for seed in range(3):
        first, second, texts = samples.draw(8, torch.Generator().manual_seed(seed))
        assert first.shape == second.shape and len(first) == len(texts)
        sizes.add(tuple(first.shape[2:]))
    assert len(sizes) > 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a whole run at toy size; while it is in use, the program makes toys."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        folder = tmp_path_factory.mktemp("made")
        assert making.make(toy_run(folder), lesson(), None)
        yield folder


def test_the_whole_program_writes_a_file_that_the_loader_takes(made: Path):
    path = made / "starter.safetensors"
    pipeline = open_model(path)
    assert pipeline.prediction_type == "v_prediction"
    assert pipeline.unet.config["block_out_channels"] == [8, 16]
    assert pipeline.text_encoders[0].module.config.hidden_size == 16
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["modelspec.license"] == "Apache-2.0"
    assert json.loads(metadata["periplus.defaults"])["steps"] == 20
    assert len(json.loads(metadata["periplus.latent_rgb"])["matrix"]) == 4
    assert json.loads(metadata["periplus.things"]) == ["barn", "leaf"]
    assert len(json.loads(metadata["periplus.unseen"])) == 2
    assert json.loads(metadata["periplus.vae_unseen"]) == ["leaf"]
    assert metadata["modelspec.thumbnail"].startswith("data:image/webp;base64,")
    assert Image.open(BytesIO(cover_in(path))).size == (384, 256)
    assert (made / "vae.png").is_file() and (made / "samples-000003.png").is_file()


def test_a_file_says_where_more_sizes_than_its_own_were_taught(made: Path):
    with safe_open(made / "starter.safetensors", framework="pt") as file:
        assert "periplus.sizes" not in file.metadata()
    assert making.PROFILES["cuda"].credits(None) == {"periplus.sizes": "many"}


def test_a_file_tells_of_sizes_and_of_its_vae_what_its_start_tells(made: Path):
    start = Start.of(made / "starter.safetensors")
    assert (start.vae_unseen, start.many_sizes) == ({"leaf"}, False)
    assert [profile.credits(start) for profile in making.PROFILES.values()] == [{}, {}]
    taught = {"periplus.sizes": "many"}
    assert [profile.credits(replace(start, many_sizes=True)) for profile in making.PROFILES.values()] == [taught, taught]

    def told(*unseen_before: str) -> str:
        return lesson().credits(replace(start, vae_unseen=frozenset(unseen_before)))["periplus.vae_unseen"]

    assert json.loads(told("leaf")) == ["leaf"]
    assert json.loads(told("barn", "crane")) == ["crane"]  # the decoder's stage shows it the barn
    assert "periplus.vae_unseen" not in lesson().credits(replace(start, vae_unseen=None))  # it may have seen anything


def test_a_run_can_go_on_from_a_finished_model(made: Path, tmp_path: Path):
    assert making.make(toy_run(tmp_path), lesson(), Start.of(made / "starter.safetensors"))
    before, after = (load_file(path / "starter.safetensors") for path in (made, tmp_path))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert "first_stage_model.encoder.conv_in.weight" in same
    assert "model.diffusion_model.out.2.weight" not in same
    with safe_open(tmp_path / "starter.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["periplus.vae_unseen"]) == ["leaf"]


def test_the_same_seed_makes_the_same_weights(made: Path, tmp_path: Path):
    assert making.make(toy_run(tmp_path), lesson(), None)
    first, second = (load_file(path / "starter.safetensors") for path in (made, tmp_path))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_run_stopped_in_each_stage_makes_the_file_of_one_that_was_not(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stop_in, stopped, step = set(making._STAGES), [], Trainer._step

    def stop_once(trainer: Trainer, loss_of: Callable[[Position], tuple[Tensor, Figures]]) -> Figures:
        figures = step(trainer, loss_of)
        if trainer.name in stop_in:
            stop_in.remove(trainer.name)
            os.kill(os.getpid(), signal.SIGTERM)
        return figures

    monkeypatch.setattr(Trainer, "_step", stop_once)
    while not making.make(toy_run(tmp_path), lesson(), None):
        stopped.append(len(making._STAGES) - len(stop_in))
    assert stopped == [1, 2, 3, 4]
    first, second = (load_file(path / "starter.safetensors") for path in (made, tmp_path))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_what_a_finished_model_knows_stands_in_its_header(made: Path):
    start = Start.of(made / "starter.safetensors")
    barn, leaf = things().pictures
    crane = Picture("leaf barn", (), "thing", None, "leaf barn")  # of words that were trained
    assert start.knows(barn) and start.knows(leaf) and not start.knows(crane)
    assert all(start.knows(shape) for shape in few_shapes().pictures)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever latents are made."""
    found: list[int] = []

    def count(*args: Any) -> Tensor:
        found.append(1)
        return encode_rows(*args)

    encode_rows = samples_module._encoded
    monkeypatch.setattr(samples_module, "_encoded", count)
    return found


def test_latents_are_made_anew_for_other_pictures_seeds_weights_and_code(
    tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(0)
    vae, other_vae = modules.make_vae(**TINY_VAE), modules.make_vae(**TINY_VAE)
    both, shapes = join(few_shapes(), things()), few_shapes()

    def make(vae: Any, pictures: PictureSet, seed: int) -> CachedSamples:
        return CachedSamples.made(vae, pictures, tmp_path / "latents.pt", Machine(CPU), seed)

    first, again = make(vae, both, 1), make(vae, both, 1)
    assert len(encoded) == 1 and torch.equal(first.latents, again.latents)
    assert int(make(vae, shapes, 1).owners.max()) == len(shapes.pictures) - 1
    assert not torch.equal(make(vae, both, 2).latents, first.latents)
    assert not torch.equal(make(other_vae, both, 2).latents, make(vae, both, 2).latents)
    assert len(encoded) == 5
    monkeypatch.setattr(samples_module, "_VERSION", 0)
    make(vae, both, 2)
    assert len(encoded) == 6


def test_one_process_makes_the_latents_of_all(tmp_path: Path, encoded: list[int]):
    vae = modules.make_vae(**TINY_VAE)
    leader, other = (
        CachedSamples.made(vae, few_shapes(), tmp_path / "latents.pt", Machine(CPU, company=Fellow(rank, 2)), 1)
        for rank in (0, 1)
    )
    assert len(encoded) == 1 and torch.equal(leader.latents, other.latents)
