from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.generation.test_runner import Job, request_for
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.generation.runner import Runner
from webui.plugins.testing import load_extension


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    return Runner(Catalog([root], []), "cpu", plugins=load_extension(Path(__file__).resolve().parent.parent, engine=True))


def picture(runner: Runner, **options: Any) -> bytes:
    request = GenerationRequest.from_dict(request_for().to_dict() | {"extras": {"freeu": options} if options else {}})
    return Job(runner, request).pixels[0]


def test_each_factor_counts_and_the_next_picture_is_plain_again(runner: Runner):
    plain = picture(runner)
    pictures = {plain, *(picture(runner, **{name: 1.5}) for name in ("b1", "b2", "s1", "s2"))}
    assert len(pictures) == 5
    assert picture(runner) == plain


def test_all_at_one_is_without(runner: Runner):
    assert picture(runner, b1=1.0, s2=1.0) == picture(runner)
