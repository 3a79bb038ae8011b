"""LoRAs from the tag in the prompt to the picture and its settings."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.checkpoints.lora.writing import write_lora
from tests.checkpoints.test_manager import assert_fresh
from tests.generation.pictures import put
from tests.simulated_device import SimulatedDevice
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.families import SDXL
from webui.checkpoints.lora.files import LoraFiles
from webui.checkpoints.memory import MemoryMode
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.engine.protocol import CancelWhen, Finished, ImageDone, Loading, Notice, Run
from webui.errors import InvalidRequest, UnsupportedCheckpoint
from webui.generation.compute_options import ComputeOptions
from webui.generation.network_shelf import NetworkShelf
from webui.generation.runner import Runner
from webui.plugins.loader import PluginManager
from webui.settings import BUNDLED_EXTENSIONS
from webui.storage.sources import SourceStore

BASE: dict[str, Any] = {"checkpoint": "one", "width": 64, "height": 64, "steps": 4, "seed": 5, "sampler": "Euler"}


class Studio:
    """A runner, its folders, and what it tells."""

    def __init__(self, root: Path) -> None:
        self.models, self.loras = root / "models", root / "loras"
        write_tiny_checkpoint(self.models / "one.safetensors", 1)
        write_tiny_checkpoint(self.models / "two.safetensors", 2)
        for seed, name in enumerate(("ink", "oil"), start=1):
            write_lora(self.loras / f"{name}.safetensors", seed)
        self.runner = self.new_runner()

    def new_runner(self, **others: Any) -> Runner:
        return Runner(
            Catalog([self.models], []), **{"device": "cpu", "networks": NetworkShelf(LoraFiles([self.loras])), **others}
        )

    def make(self, prompt: str, runner: Runner | None = None, **changes: Any) -> tuple[ImageDone, list[str]]:
        """The first picture, and what people were told."""
        pictures, told = self.make_all(prompt, runner, **changes)
        return pictures[0], told

    def make_all(self, prompt: str, runner: Runner | None = None, **changes: Any) -> tuple[list[ImageDone], list[str]]:
        request, events = GenerationRequest(prompt=prompt, **{**BASE, **changes}), list[Any]()
        runner = runner or self.runner
        runner.run(Run("job", request), events.append, runner.new_control())
        pictures = [event for event in events if isinstance(event, ImageDone)]
        return pictures, [event.text for event in events if isinstance(event, Notice)]

    def shared(self, runner: Runner, prompt: str, **changes: Any) -> bytes:
        """As a cell of a plot, which may take over what others did."""
        request, events = GenerationRequest(prompt=prompt, **{**BASE, **changes}), list[Any]()
        runner.run(Run("job", request, shares=True), events.append, runner.new_control())
        return next(event.pixels for event in events if isinstance(event, ImageDone))

    def pixels(self, prompt: str, runner: Runner | None = None, **changes: Any) -> bytes:
        return self.make(prompt, runner, **changes)[0].pixels


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("networks"))


def test_a_tag_acts_on_the_next_picture_and_its_removal_gives_the_bytes_of_before(studio: Studio):
    plain = studio.pixels("a cat")
    made = {weight: studio.pixels(f"a cat <lora:ink:{weight}>") for weight in ("1", "0.5", "-1")}
    assert len({plain, *made.values()}) == 4
    assert studio.pixels("a cat <lora:ink:1>") == made["1"]
    assert studio.pixels("a cat <lora:ink:0>") == plain
    assert studio.pixels("a cat ") == plain
    fresh = studio.new_runner()
    assert studio.pixels("a cat <lora:ink:0.5>", fresh) == made["0.5"]
    with fresh._manager.lease(fresh._catalog.find_checkpoint("one"), None) as pipeline:
        assert pipeline.merged is not None and pipeline.merged.changed
    studio.pixels("a cat", fresh)
    with fresh._manager.lease(info := fresh._catalog.find_checkpoint("one"), None) as pipeline:
        assert_fresh(pipeline, info)


def test_text_encoders_and_unet_have_shares_of_their_own(studio: Studio):
    tags = ("<lora:ink:1:0>", "<lora:ink:0:1>", "<lora:ink:1:1>", "<lora:ink:0:0>")
    made = [studio.pixels(f"a cat{tag}") for tag in tags]
    assert len(set(made)) == 4
    assert made[3] == studio.pixels("a cat")
    assert studio.pixels("a cat<lora:ink:te=1:unet=0>") == made[0]
    assert studio.pixels("a cat<lyco:ink:0:unet=1>") == made[1]


def test_several_are_added_up(studio: Studio):
    both = studio.pixels("a cat <lora:ink:0.5><lora:oil:0.7>")
    assert both not in (studio.pixels("a cat <lora:ink:0.5>"), studio.pixels("a cat <lora:oil:0.7>"))
    assert studio.pixels("<lora:ink:0.5>a cat <lora:oil:0.7>") != studio.pixels("a cat")
    assert studio.pixels("a cat <lora:ink:0.5><lora:oil:0.7>", studio.new_runner()) == both


def test_pictures_of_a_batch_are_those_made_alone(studio: Studio):
    pictures, _ = studio.make_all("a cat <lora:ink:0@0,1@1>", batch_size=2, batch_count=2)
    alone = [studio.pixels("a cat <lora:ink:0@0,1@1>", seed=5 + index) for index in range(4)]
    assert [picture.pixels for picture in pictures] == alone


@pytest.mark.parametrize("changes", [{}, {"hires": True, "hires_scale": 2.0, "hires_steps": 2, "denoising_strength": 0.6}])
def test_cells_of_a_plot_are_the_pictures_made_alone(studio: Studio, changes: dict[str, Any]):
    runner = studio.new_runner()
    path = write_lora(studio.loras / "wash.safetensors", 6)
    prompts = [
        f"a [cat:dog:2] <lora:{name}>" for name in ("ink:0.5", "ink:1", "wash:1", "ink:0@0,1@1", "ink:0.5:hr=0", "ink:0.5")
    ]
    assert [studio.shared(runner, prompt, **changes) for prompt in prompts] == [
        studio.pixels(each, **changes) for each in prompts
    ]
    write_lora(path, 7)
    assert studio.shared(runner, prompts[2], **changes) == studio.pixels(prompts[2], **changes)


def test_two_checkpoints_in_turn(studio: Studio):
    alone = {name: studio.pixels("a cat <lora:ink:1>", studio.new_runner(), checkpoint=name) for name in ("one", "two")}
    for name in ("one", "two", "one"):
        assert studio.pixels("a cat <lora:ink:1>", checkpoint=name) == alone[name]
    assert studio.pixels("a cat", checkpoint="two") == studio.pixels("a cat", studio.new_runner(), checkpoint="two")


@pytest.mark.parametrize("mode", [MemoryMode.COMPONENT, MemoryMode.STREAMED])
def test_the_picture_is_the_same_where_weights_are_offloaded(studio: Studio, mode: MemoryMode):
    device = SimulatedDevice(2**26)
    runner = studio.new_runner(device=device, options=ComputeOptions(floor=mode))
    for prompt in ("a cat <lora:ink:0@0,1@1>", "a cat <lora:oil:0.5>", "a cat"):
        assert studio.pixels(prompt, runner) == studio.pixels(prompt), prompt


def test_weights_that_change_by_step(studio: Studio):
    falling = studio.pixels("a cat <lora:ink:te=0:unet=1@0,0@1>")
    assert falling not in (studio.pixels("a cat <lora:ink:0:1>"), studio.pixels("a cat"))
    assert studio.pixels("a cat <lora:ink:te=0:unet=1@0,1@1>") == studio.pixels("a cat <lora:ink:0:1>")
    assert studio.pixels("a cat <lora:ink:te=0:unet=0@0,0@1>") == studio.pixels("a cat")
    assert studio.pixels("a cat <lora:ink:0:1:stop=2>") == studio.pixels("a cat <lora:ink:0:1:step=0-2>") != falling


def test_block_weights_choose_blocks(studio: Studio):
    everything = studio.pixels("a cat <lora:ink:1>")
    assert studio.pixels("a cat <lora:ink:1:lbw=ALL>") == everything
    assert studio.pixels("a cat <lora:ink:1:lbw=NONE>") == studio.pixels("a cat")
    assert studio.pixels("a cat <lora:ink:1:1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0>") == studio.pixels("a cat <lora:ink:1:0>")
    assert studio.pixels("a cat <lora:ink:1:INALL>") not in (everything, studio.pixels("a cat"))


def test_the_second_pass_has_its_own_shares(studio: Studio):
    hires: dict[str, Any] = {"hires": True, "hires_scale": 2.0, "hires_steps": 2, "denoising_strength": 0.6}
    both = studio.pixels("a cat <lora:ink:1>", **hires)
    assert studio.pixels("a cat <lora:ink:1:hr=1>", **hires) == both
    without = studio.pixels("a cat <lora:ink:1:hr=0>", **hires)
    assert without != both
    assert studio.pixels("a cat <lora:ink:1>", **hires, hires_prompt="a cat ") == without


def test_the_settings_name_each_file_by_its_hash(studio: Studio):
    picture, told = studio.make("a cat <lora:ink:1> <lora:oil:0.5>")
    digests = []
    for name in ("ink", "oil"):
        data = (studio.loras / f"{name}.safetensors").read_bytes()
        digests.append(hashlib.sha256(data[8 + struct.unpack("<Q", data[:8])[0] :]).hexdigest()[:12])
    assert picture.facts["Lora hashes"] == f"ink: {digests[0]}, oil: {digests[1]}"
    assert told == []
    text = infotext.format(GenerationRequest(prompt="a cat <lora:ink:1>"), picture.facts)
    assert infotext.restore(infotext.parse(text)).unused == {}
    assert "Lora hashes" not in studio.make("a cat")[0].facts


@pytest.mark.parametrize("others", [{}, {"hires_checkpoint": "two"}], ids=["same checkpoint", "another"])
def test_the_settings_name_what_both_passes_use(studio: Studio, others: dict[str, Any]):
    hires: dict[str, Any] = {"hires": True, "hires_scale": 2.0, "hires_steps": 2, "denoising_strength": 0.6, **others}
    picture, _ = studio.make("a <lora:ink:1><lora:fog:1>", **hires, hires_prompt="a <lora:oil:1><lora:ink:1><lora:mist:1>")
    assert [entry.partition(":")[0] for entry in picture.facts["Lora hashes"].split(", ")] == ["ink", "oil"]
    assert picture.facts["Networks not found"] == "fog, mist"


def test_a_missing_one_is_left_out_and_named_everywhere(studio: Studio):
    picture, told = studio.make("a cat <lora:inc:1><lora:inc:0.5>")
    assert told == ["There is no LoRA “inc”, so it was left out. Did you mean “ink”?"]
    assert picture.facts["Networks not found"] == "inc"
    assert picture.pixels == studio.pixels("a cat ")


def test_one_is_found_by_the_name_that_its_trainer_gave_it(studio: Studio):
    write_lora(studio.loras / "v2" / "renamed.safetensors", 9, {"ss_output_name": "water colour"})
    assert studio.pixels("a cat <lora:water colour:1>") == studio.pixels("a cat <lora:renamed:1>")
    assert studio.pixels("a cat <lora:v2/renamed:1>") == studio.pixels("a cat <lora:RENAMED:1>")
    assert studio.make("a cat <lora:renamed:1>")[0].facts.keys() == {"Lora hashes", "VAE precision"}


def test_a_second_pass_goes_without_a_file_that_does_not_fit_its_checkpoint(studio: Studio):
    write_tiny_checkpoint(studio.models / "wide.safetensors", 3, family=SDXL)
    hires: dict[str, Any] = {"hires": True, "hires_steps": 1, "steps": 2, "denoising_strength": 0.6, "hires_checkpoint": "wide"}
    picture, told = studio.make("a cat <lora:ink:1>", studio.new_runner(), **hires)
    assert [text for text in told if text.startswith("The LoRA ink.safetensors") and "“wide” goes without it." in text]
    assert picture.facts["Lora hashes"].startswith("ink: ")


def test_a_file_of_another_family_is_refused_with_both_named(studio: Studio):
    write_lora(studio.loras / "large.safetensors", 3, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"})
    with pytest.raises(InvalidRequest, match=r"“large” was made for SDXL.*SD 1\.x.*“one”"):
        studio.make("a cat <lora:large:1>")
    assert studio.make("a cat")[0]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", r"The LoRA empty\.safetensors is empty"), (b"<html><body>no</body>", "is a web page")]
)
def test_a_damaged_file_is_named(studio: Studio, content: bytes, said: str):
    path = studio.loras / "empty.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnsupportedCheckpoint, match=said):
        studio.make("a cat <lora:empty:1>")
    path.unlink()


@pytest.mark.parametrize("tag", ["<lora:ink:much>", "<lora:ink:1,2>", "<lora:ink:1:1:x>", "<lora:ink:1:dyn=0>"])
def test_a_tag_that_says_nothing_possible_is_refused(studio: Studio, tag: str):
    with pytest.raises(InvalidRequest, match="<lora:ink>") as caught:
        studio.make(f"a cat {tag}")
    assert caught.value.field == "prompt"


def test_interrupt_and_skip_while_the_checkpoint_loads_are_no_failures(studio: Studio):
    def told_while_loading(when: CancelWhen) -> list[Any]:
        runner, events = studio.new_runner(), list[Any]()
        control = runner.new_control()

        def emit(event: Any) -> None:
            events.append(event)
            if isinstance(event, Loading) and len(events) == 1:
                control.cancel(when)

        runner.run(Run("job", GenerationRequest(prompt="a <lora:ink:1>", **BASE, batch_count=2)), emit, control)
        return [event for event in events if isinstance(event, ImageDone | Finished)]

    assert told_while_loading(CancelWhen.NOW) == [Finished("job", cancelled=True)]
    picture, end = told_while_loading(CancelWhen.SKIP)
    assert (picture.index, picture.pixels) == (1, studio.pixels("a <lora:ink:1>", seed=6))
    assert end == Finished("job", skipped=1)


def test_shares_of_the_steps_are_those_of_the_steps_that_are_done(studio: Studio, sources: SourceStore):
    source = put(sources, Image.new("RGB", (64, 64), "teal"))
    runner, half = studio.new_runner(sources=sources), {"source": source, "denoising_strength": 0.25}
    rising = studio.pixels("a cat <lora:ink:te=0:unet=0@0,1@1>", runner, **half)
    assert rising == studio.pixels("a cat <lora:ink:te=0:unet=1:start=1>", runner, **half)
    assert rising != studio.pixels("a cat", runner, **half)


def test_a_file_that_is_replaced_acts_on_the_next_picture(studio: Studio):
    path = write_lora(studio.loras / "changing.safetensors", 4)
    first = studio.pixels("a cat <lora:changing:1>")
    write_lora(path.with_name("other.safetensors"), 5, rank=3).replace(path)
    assert studio.pixels("a cat <lora:changing:1>") not in (first, studio.pixels("a cat "))


def test_a_refiner_gets_what_its_prompt_names(studio: Studio):
    plugins = PluginManager([BUNDLED_EXTENSIONS], engine=True)
    plugins.load_all()
    runner = studio.new_runner(plugins=plugins)

    def refined(tag: str, **options: Any) -> ImageDone:
        request = GenerationRequest(prompt=f"a cat{tag}", **BASE)
        told = request.to_dict() | {"extras": {"refiner": {"checkpoint": "two", "switch_at": 0.5, **options}}}
        events = list[Any]()
        runner.run(Run("job", GenerationRequest.from_dict(told)), events.append, runner.new_control())
        return next(event for event in events if isinstance(event, ImageDone))

    plain, whole = refined("").pixels, refined("<lora:ink:1>").pixels
    late = refined("<lora:ink:te=0:unet=1:start=2>").pixels
    assert len({plain, whole, late}) == 3
    assert refined("<lora:ink:te=0:unet=1:start=4>").pixels == plain
    named = refined("<lora:ink:1>", prompt="a dog <lora:oil:1>").facts["Lora hashes"]
    assert [entry.partition(":")[0] for entry in named.split(", ")] == ["ink", "oil"]
