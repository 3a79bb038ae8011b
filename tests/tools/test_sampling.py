"""The small sampler of sheets and measurements stands for the program: it must draw what the program draws."""

from __future__ import annotations

import torch

from tests.generation.test_bundled import DEFAULTS
from tests.generation.test_runner import Job
from tools.starter_model.evaluate import as_model
from tools.starter_model.sampling import Wish, make_pictures
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT, Catalog
from webui.core.request import GenerationRequest
from webui.generation.runner import Runner


def test_a_measured_picture_is_the_one_that_the_program_makes():
    runner = Runner(Catalog([BUNDLED_CHECKPOINT.parent], []), "cpu")
    request = GenerationRequest(prompt="red heart", steps=12, sampler="DPM++ 2M", scheduler="Karras", **DEFAULTS)
    program = torch.frombuffer(bytearray(Job(runner, request).pixels[0]), dtype=torch.uint8).view(128, 128, 3)
    picture = make_pictures(as_model(BUNDLED_CHECKPOINT), ["red heart"], Wish(steps=12))[0]
    measured = ((picture + 1) * 127.5).round().byte().permute(1, 2, 0)
    # mostly the very same bytes; sums in another order may round a value to its neighbour
    assert (program.int() - measured.int()).abs().max() <= 1
