"""Hypernetworks from the tag in the prompt to the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import WIDTH, write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone, Notice, Run
from webui.errors import InvalidRequest, UnsupportedCheckpoint
from webui.generation.hypernetworks import HypernetworkShelf
from webui.generation.network_shelf import NetworkShelf
from webui.generation.runner import Runner

BASE: dict[str, Any] = {"checkpoint": "one", "width": 64, "height": 64, "steps": 3, "seed": 5, "sampler": "Euler"}


def write_hypernetwork(path: Path, seed: int, width: int = WIDTH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    shapes = {"linear.0.weight": (2 * width, width), "linear.1.weight": (width, 2 * width)}
    pair = tuple({key: torch.randn(shape, generator=generator) for key, shape in shapes.items()} for _ in range(2))
    torch.save({width: pair, "activation_func": "relu", "activate_output": False, "name": path.stem}, path)
    return path


class Studio:
    """A runner, its folders, and what it tells."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "hypernetworks"
        write_tiny_checkpoint(root / "models" / "one.safetensors", 1)
        write_hypernetwork(self.folder / "people" / "Anime.pt", 1)
        write_hypernetwork(self.folder / "broad.pt", 2, width=2048)
        shelf = NetworkShelf(hypernetworks=HypernetworkShelf([self.folder]))
        self.runner = Runner(Catalog([root / "models"], []), device="cpu", networks=shelf)

    def make(self, prompt: str, *, shares: bool = False, **changes: Any) -> tuple[ImageDone, list[str]]:
        """The picture, and what people were told."""
        request, events = GenerationRequest(prompt=prompt, **{**BASE, **changes}), list[Any]()
        self.runner.run(Run("job", request, shares=shares), events.append, self.runner.new_control())
        picture = next(event for event in events if isinstance(event, ImageDone))
        return picture, [event.text for event in events if isinstance(event, Notice)]

    def pixels(self, prompt: str, **changes: Any) -> bytes:
        return self.make(prompt, **changes)[0].pixels


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("hypernetworks"))


def test_a_tag_acts_on_the_next_picture_and_its_removal_gives_the_bytes_of_before(studio: Studio):
    plain = studio.pixels("a cat")
    made = {tag: studio.pixels(f"a cat <hypernet:{tag}>") for tag in ("Anime", "Anime:0.3", "Anime:-1")}
    assert len({plain, *made.values()}) == 4
    assert studio.pixels("a cat <hypernet:anime:1>") == made["Anime"]
    assert studio.pixels("a cat <hypernet:Anime:0>") == plain
    assert studio.pixels("a cat") == plain


def test_cells_of_a_plot_that_differ_in_the_tag_alone_are_not_mixed_up(studio: Studio):
    prompts = ("a cat", "a cat <hypernet:Anime:0.5>", "a cat <hypernet:Anime:0.6>")
    single = [studio.pixels(prompt) for prompt in prompts]
    assert [studio.pixels(prompt, shares=True) for prompt in prompts] == single
    assert len(set(single)) == 3


def test_a_file_that_was_replaced_acts_at_once(studio: Studio):
    path = write_hypernetwork(studio.folder / "new.pt", 7)
    before = studio.pixels("a cat <hypernet:new>", shares=True)
    write_hypernetwork(path, 8)
    assert studio.pixels("a cat <hypernet:new>", shares=True) != before


def test_the_second_pass_takes_its_own_prompts(studio: Studio):
    larger: dict[str, Any] = {"hires": True, "hires_scale": 2.0, "denoising_strength": 0.7}
    plain = studio.pixels("a cat", **larger)
    both = studio.pixels("a cat <hypernet:Anime>", **larger)
    second = studio.pixels("a cat", hires_prompt="a cat <hypernet:Anime>", **larger)
    assert len({plain, both, second}) == 3


def test_a_missing_name_is_told_and_noted_in_the_picture(studio: Studio):
    picture, told = studio.make("a cat <hypernet:anima>")
    assert picture.pixels == studio.pixels("a cat")
    assert picture.facts["Networks not found"] == "anima"
    assert any(text.startswith("There is no hypernetwork “anima”, so it was left out.") for text in told)


def test_one_for_another_width_is_told(studio: Studio):
    _, told = studio.make("a cat <hypernet:broad>")
    assert any("was made for widths of 2048, this checkpoint's texts are 8 wide" in text for text in told)


@pytest.mark.parametrize("strength", ["much", "nan", "1e9"])
def test_a_strength_that_is_none_is_refused_with_the_tag(studio: Studio, strength: str):
    with pytest.raises(InvalidRequest) as caught:
        studio.make(f"a cat <hypernet:Anime:{strength}>")
    assert f"<hypernet:Anime:{strength}>: a number from -100 to 100 was expected" in str(caught.value)


def test_a_damaged_file_fails_the_picture_by_its_name_and_the_next_is_made(studio: Studio):
    (studio.folder / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(UnsupportedCheckpoint, match=r"The hypernetwork bad\.pt cannot be read"):
        studio.make("a cat <hypernet:bad>")
    assert studio.pixels("a cat")


def test_no_trace_of_it_stays_in_the_model(studio: Studio):
    studio.make("a cat <hypernet:Anime>")
    runner = studio.runner
    with runner._manager.lease(runner._catalog.find_checkpoint("one"), None) as pipeline:
        hooked = [module for module in pipeline.unet.modules() if module._forward_pre_hooks]
    assert hooked == []
