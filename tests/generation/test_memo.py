"""Cells of a plot share their stages: nothing is computed twice, and every picture is the one that it is alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from tests.checkpoints.embeddings import rows, write_pt
from tests.tiny import WIDTH, write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.core.plot_axis_list import axis_types
from webui.core.plot_cells import expand
from webui.core.plot_plan import plan
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis, PlotRequest
from webui.diffusion import conditioning
from webui.diffusion.denoiser import Denoiser
from webui.engine.protocol import ImageDone, Loading, Run
from webui.generation.memo import Memo
from webui.generation.runner import Runner
from webui.generation.sharing import Sharing
from webui.jobs.resolve import resolve
from webui.plugins.loader import PluginManager
from webui.settings import BUNDLED_EXTENSIONS

PLUGINS = PluginManager([BUNDLED_EXTENSIONS], engine=True)
PLUGINS.load_all()

BASE = GenerationRequest(prompt="a cat", checkpoint="one", vae="None", width=64, height=64, steps=3, seed=5, sampler="Euler")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three")):
        write_tiny_checkpoint(root / "checkpoints" / f"{name}.safetensors", seed)
    for seed in range(3):
        write_tiny_vae(root / "vaes" / f"vae{seed}.safetensors", 10 + seed)
    return Catalog([root / "checkpoints"], [root / "vaes"])


class Counts:
    """What was done since it was made."""

    def __init__(self) -> None:
        self.calls = self.texts = self.asked = 0


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    found = Counts()
    denoise, read, ask = Denoiser.__call__, conditioning._run, UNet2DConditionModel.forward

    def denoised(*arguments: Any) -> Any:
        found.calls += 1
        return denoise(*arguments)

    def encoded(*arguments: Any) -> Any:
        found.texts += 1
        return read(*arguments)

    def asked(*arguments: Any, **others: Any) -> Any:
        found.asked += 1
        return ask(*arguments, **others)

    monkeypatch.setattr(Denoiser, "__call__", denoised)
    monkeypatch.setattr(UNet2DConditionModel, "forward", asked)
    monkeypatch.setattr(conditioning, "_run", encoded)
    return found


def made(catalog: Catalog, base: GenerationRequest, *axes: tuple[str, str]) -> tuple[dict[tuple[int, ...], bytes], int]:
    """The pixels of each cell, in the order of the plan, and how many files of checkpoints were read."""
    base = PLUGINS.check(base)
    named = {"checkpoints": [info.name for info in catalog.checkpoints()], "vaes": [info.name for info in catalog.vaes()]}
    types = axis_types(**named, extras=PLUGINS.kinds)  # pyright: ignore[reportArgumentType]
    expanded = expand(PlotRequest(base=base, axes=tuple(Axis(*axis) for axis in axes)), types)
    runner, pixels, loads = Runner(catalog, "cpu", plugins=PLUGINS), {}, 0
    for number in plan(expanded).order:
        cell = expanded.cells[number]
        assert cell.request is not None
        events = run(runner, catalog, cell.request, shares=True)
        pixels[cell.index] = next(event.pixels for event in events if isinstance(event, ImageDone))
        loads += sum(isinstance(event, Loading) and event.size > 900_000 for event in events)
    return pixels, loads


def run(runner: Runner, catalog: Catalog, request: GenerationRequest, **others: Any) -> list[Any]:
    events: list[Any] = []
    runner.run(Run("job", resolve(PLUGINS.check(request), catalog, None), **others), events.append, runner.new_control())
    return events


def alone(catalog: Catalog, base: GenerationRequest, **changes: Any) -> bytes:
    events = run(Runner(catalog, "cpu", plugins=PLUGINS), catalog, replace(base, **changes))
    return next(event.pixels for event in events if isinstance(event, ImageDone))


def test_three_checkpoints_are_read_once_each_and_each_text_once(catalog: Catalog, counts: Counts):
    axes = ("Checkpoint name", "one, two, three"), ("Sampler", "Euler, DDIM"), ("CFG Scale", "1, 7")
    base = replace(BASE, steps=1)
    pixels, loads = made(catalog, base, *axes)
    assert (len(pixels), loads) == (12, 3)
    assert counts.texts == 3 * 2  # the prompt and the empty negative one, by each checkpoint's encoder
    assert pixels[1, 1, 1] == alone(catalog, base, checkpoint="two", sampler="DDIM", guidance_scale=7.0)


def test_a_vae_axis_samples_once(catalog: Catalog, counts: Counts):
    pixels, _ = made(catalog, BASE, ("VAE", "None, vae0, vae1, vae2"))
    assert counts.calls == BASE.steps
    assert len(set(pixels.values())) == 4
    assert pixels[2,] == alone(catalog, BASE, vae="vae1")


def test_an_axis_of_upscalers_has_one_first_pass(catalog: Catalog, counts: Counts):
    base = replace(BASE, hires=True, denoising_strength=0.6, hires_steps=2)
    pixels, _ = made(catalog, base, ("Hires upscaler", "Latent, Latent (nearest), Lanczos"), ("Denoising", "0.4, 0.6"))
    assert counts.calls == 3 + 6 * 2
    assert pixels[2, 1] == alone(catalog, base, hires_upscaler="Lanczos")
    assert len(set(pixels.values())) == 6


def test_the_picture_without_a_second_pass_begins_those_with_one(catalog: Catalog, counts: Counts):
    base = replace(BASE, hires_steps=2)
    made(catalog, base, ("Hires. fix", "False, True"))
    assert counts.calls == 3 + 2


def test_an_axis_of_switch_at_asks_the_first_model_once_for_the_steps_in_common(catalog: Catalog, counts: Counts):
    base = refined(replace(BASE, steps=6))
    pixels, _ = made(catalog, base, ("Refiner switch at", "0.3, 0.6, 1"))
    assert counts.calls == 3 * 6
    assert counts.asked < 6 + 2 * 5
    assert pixels[1,] == alone(catalog, refined(base, switch_at=0.6))
    assert len(set(pixels.values())) == 3


def test_texts_that_change_on_the_way_share_the_steps_before(catalog: Catalog, counts: Counts):
    base = replace(BASE, prompt="a [cat:dog:3]", steps=6, sampler="Euler a")
    pixels, _ = made(catalog, base, ("Prompt S/R", "dog:3, horse:3, cow:5"))
    assert counts.asked == 6 + (6 - 3 - 1) + (6 - 3 - 1)
    assert pixels[2,] == alone(catalog, base, prompt="a [cat:cow:5]")
    assert len(set(pixels.values())) == 3


def test_a_vae_axis_with_a_refiner_samples_once(catalog: Catalog, counts: Counts):
    base = refined(BASE)
    pixels, _ = made(catalog, base, ("VAE", "None, vae0"))
    assert counts.calls == BASE.steps
    assert pixels[1,] == alone(catalog, base, vae="vae0")


def refined(request: GenerationRequest, **options: Any) -> GenerationRequest:
    return GenerationRequest.from_dict(request.to_dict() | {"extras": {"refiner": {"checkpoint": "two", **options}}})


def test_jobs_that_are_no_cells_share_nothing(catalog: Catalog, counts: Counts):
    runner = Runner(catalog, "cpu")
    for _ in range(2):
        run(runner, catalog, BASE)
    assert counts.calls == 2 * BASE.steps


def test_a_file_that_was_replaced_is_another(catalog: Catalog, counts: Counts, tmp_path: Path):
    own = Catalog([tmp_path], [])
    path = write_tiny_checkpoint(tmp_path / "one.safetensors", 0)
    runner = Runner(own, "cpu")
    first = run(runner, own, BASE, shares=True)
    path.unlink()
    write_tiny_checkpoint(path, 7, metadata={"note": "longer"})
    second = run(runner, own, BASE, shares=True)
    assert counts.calls == 2 * BASE.steps
    assert next(e.pixels for e in first if isinstance(e, ImageDone)) != next(e.pixels for e in second if isinstance(e, ImageDone))


def test_an_embedding_that_was_replaced_is_another(catalog: Catalog, counts: Counts, tmp_path: Path):
    runner = Runner(catalog, "cpu", embeddings=EmbeddingFiles([tmp_path]))
    request = replace(BASE, prompt="a zebrafish")
    for vectors in (2, 3):
        write_pt(tmp_path / "zebrafish.pt", rows(vectors, WIDTH))
        for _ in range(2):
            run(runner, catalog, request, shares=True)
    assert counts.calls == 2 * BASE.steps


def test_what_an_extension_has_a_hand_in_is_not_kept_and_what_enlarges_counts_for_the_last_latents_alone():
    memo, made = Memo(), []

    def make() -> torch.Tensor:
        made.append(1)
        return torch.zeros(1, 4, 8, 8)

    for sharing in (Sharing(memo, enlarging="a"), Sharing(memo, enlarging="b")):
        sharing.first_pass(BASE, range(1), make)
        sharing.latents(BASE, range(1), make)
    assert len(made) == 1 + 2
    for _ in range(2):
        Sharing(memo, altered=True).latents(BASE, range(1), make)
    assert len(made) == 3 + 2


def test_what_is_kept_stays_within_its_budget_and_comes_back_unchanged():
    memo, one = Memo(budget=3 * 16), torch.arange(4.0)
    for key in range(4):
        memo.put(key, one + key)
    assert memo.get(0) is None
    found = memo.get(3)
    assert found is not None
    assert torch.equal(found, one + 3)
    found.zero_()
    assert torch.equal(memo.get(3), one + 3)  # pyright: ignore[reportArgumentType]
    memo.put("large", torch.zeros(100))
    assert memo.get("large") is None
