"""The bundled model's file and what lies beside it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d

from tools.starter_model.colours import GROUND
from tools.starter_model.modules import SCALING_FACTOR, encode
from tools.starter_model.pictures import draw_shapes
from tools.starter_model.start import open_model
from tools.starter_model.vae import plain_pictures
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.header import read_header
from webui.diffusion.latents import linear_rgb

ROOT = Path(__file__).parents[2]


def test_the_page_gives_examples_that_the_bundled_model_was_taught():
    script = (ROOT / "webui/ui/assets/js/output.js").read_text("utf-8")
    found = re.search(r"^const EXAMPLES = (\[.*\]);$", script, re.MULTILINE)
    assert found is not None
    things = json.loads(read_header(BUNDLED_CHECKPOINT).metadata["periplus.things"])
    taught = {*things, *(picture.name for picture in draw_shapes().pictures)}
    for example in json.loads(found[1]):
        name, _, ground = example.partition(" on a ")
        assert name in taught, example
        assert not ground or ground.removesuffix(" background") in GROUND, example


def test_licences_of_all_that_the_bundled_model_was_made_from_go_with_it():
    told = BUNDLED_CHECKPOINT.with_name("starter.LICENSES.txt").read_text("utf-8")
    for notice in (
        "SIL OPEN FONT LICENSE",
        "Copyright (c) 2017-2019 Miles Johnson",
        "UNICODE LICENSE V3",
        "Copyright (c) 2021 OpenAI",
    ):
        assert notice in told
    assert (ROOT / "LICENSE").read_text("utf-8").strip() in told


def test_what_the_documents_say_is_of_the_file_that_comes_along():
    metadata = read_header(BUNDLED_CHECKPOINT).metadata
    page, readme = (" ".join((ROOT / name).read_text("utf-8").split()) for name in ("docs/starter-model.md", "README.md"))
    assert f"`{hashlib.sha256(BUNDLED_CHECKPOINT.read_bytes()).hexdigest()}`" in page
    things, painted = len(json.loads(metadata["periplus.things"])), len(json.loads(metadata["periplus.unseen"]))
    assert f"Things ({things}): " in page
    assert f"It can colour the {painted} things " in page  # one colour of each is kept back
    assert f"pictures of {things + len(draw_shapes().pictures)} things: " in readme
    assert f"{painted} of them in other colours" in readme
    assert BUNDLED_CHECKPOINT.stat().st_size <= 30e6


@torch.no_grad()
def test_the_live_preview_of_the_bundled_model_has_the_colours_of_the_picture():
    pipeline = open_model(BUNDLED_CHECKPOINT)
    shapes = plain_pictures(draw_shapes(), torch.device("cpu"))
    preview = linear_rgb(encode(pipeline.vae, shapes) * SCALING_FACTOR, pipeline.latent_rgb)
    centre = (slice(None), slice(None), slice(6, 10), slice(6, 10))
    assert (preview[centre] - avg_pool2d(shapes, 8)[centre]).mean((2, 3)).abs().max() < 0.25  # of −1…1
