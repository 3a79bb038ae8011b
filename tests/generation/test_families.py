"""The whole way to a picture, for every family."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.families import FAMILIES
from webui.core.request import GenerationRequest
from webui.engine.protocol import Event, ImageDone, Run
from webui.generation.runner import Runner


def pictures(runner: Runner, checkpoint: str, **changes: object) -> list[bytes]:
    events: list[Event] = []
    told = {"prompt": "[cat|dog] AND red", "width": 64, "height": 128, "steps": 2, "seed": 5, "batch_size": 2, **changes}
    runner.run(Run("job", GenerationRequest(checkpoint=checkpoint, **told)), events.append, runner.new_control())  # pyright: ignore
    return [event.pixels for event in events if isinstance(event, ImageDone)]


def test_every_family_makes_pictures_and_they_may_take_turns(tmp_path: Path):
    for number, family in enumerate(FAMILIES):
        write_tiny_checkpoint(tmp_path / f"{family}.{('safetensors', 'ckpt')[number % 2]}", 1, family=family)
    runner = Runner(Catalog([tmp_path], []), "cpu")
    first = {family: pictures(runner, family) for family in FAMILIES}
    for family, made in first.items():
        assert len(made) == 2
        assert all(len(set(pixels)) > 10 for pixels in made), family
    again = {family: pictures(runner, family) for family in reversed(FAMILIES)}
    assert again == first


@pytest.mark.parametrize("family", ["SDXL", "SDXL refiner", "SD 1.x inpainting"])
def test_picture_of_a_batch_is_the_single_one_of_its_seed(family: str, tmp_path: Path):
    write_tiny_checkpoint(tmp_path / "model.safetensors", 2, family=family)
    runner = Runner(Catalog([tmp_path], []), "cpu")
    together = pictures(runner, "model")
    alone = [pictures(runner, "model", batch_size=1, seed=seed)[0] for seed in (5, 6)]
    for one, other in zip(together, alone, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) == 0
