from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.generation.test_runner import Job, request_for
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.generation.runner import Runner
from webui.plugins.testing import load_extension

FOLDER = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    return Runner(Catalog([root], []), "cpu", plugins=load_extension(FOLDER, engine=True))


def request_with(**options: Any) -> GenerationRequest:
    return GenerationRequest.from_dict(request_for().to_dict() | {"extras": {"tiling": options} if options else {}})


def test_each_way_makes_another_picture_and_the_next_is_plain_again(runner: Runner):
    plain = Job(runner, request_with()).pixels[0]
    pictures = {
        Job(runner, request_with(tiling=True, borders=borders)).pixels[0]
        for borders in ("both ways", "left and right", "top and bottom")
    }
    assert len({plain, *pictures}) == 4
    assert Job(runner, request_with()).pixels[0] == plain


@pytest.mark.parametrize(("borders", "axes"), [("both ways", (2, 3)), ("left and right", (3,)), ("top and bottom", (2,))])
def test_nothing_tells_where_the_border_is(borders: str, axes: tuple[int, ...]):
    extension = load_extension(FOLDER, engine=True)
    convolution, pixels = nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 3, 8, 8)
    plain, shifts = convolution(pixels), tuple(3 for _ in axes)
    modules, request = {"unet": nn.Sequential(convolution), "vae": nn.Identity()}, request_with(tiling=True, borders=borders)
    with extension.within("change_modules", modules=modules, request=request):
        moved = convolution(pixels.roll(shifts, axes)), convolution(pixels).roll(shifts, axes)
        assert torch.allclose(*moved, atol=1e-6)
        for other in {2, 3} - {*axes}:
            assert not torch.allclose(convolution(pixels.roll(3, other)), convolution(pixels).roll(3, other), atol=1e-3)
    assert torch.equal(convolution(pixels), plain)


def test_the_vae_works_on_the_whole_and_options_alone_say_nothing():
    extension = load_extension(FOLDER)
    altered = [
        extension.fold("alter_request", extension.check(GenerationRequest.from_dict({"extras": {"tiling": options}})))
        for options in ({"tiling": True}, {"borders": "left and right"})
    ]
    assert (altered[0].tiled_vae, len(altered[0].extras)) == ("Off", 1)
    assert (altered[1].tiled_vae, altered[1].extras) == ("Auto", ())
