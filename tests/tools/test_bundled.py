"""The bundled model's file and what lies beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.starter_model.colours import GROUND
from tools.starter_model.pictures import draw_shapes
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.header import read_header

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
