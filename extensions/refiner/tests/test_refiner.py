"""What the extension answers; pictures with it are in tests/generation/test_takeover.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webui.core.request import GenerationRequest
from webui.core.switching import ModelSwitch
from webui.plugins.testing import load_extension

FOLDER = Path(__file__).resolve().parent.parent


def request_with(**options: Any) -> GenerationRequest:
    return GenerationRequest.from_dict({"extras": {"refiner": options}})


def test_without_a_checkpoint_nothing_is_left_of_the_options():
    extension = load_extension(FOLDER)
    assert extension.fold("alter_request", extension.check(request_with(switch_at=0.5))).extras == ()


def test_options_become_a_switch():
    extension = load_extension(FOLDER, engine=True)
    request = extension.check(request_with(checkpoint="xl", switch_at=0.6, prompt="a dog"))
    switch = extension.only("switch_model", ModelSwitch, request=request, second_pass=False)
    assert switch == ModelSwitch(checkpoint="xl", at=0.6, prompt="a dog", field="refiner.checkpoint")


@pytest.mark.parametrize(
    ("steps", "refined", "at"), [("20", "4", "0.8"), ("10", "2.5", "0.7"), ("x", "4", None), ("0", "4", None)]
)
def test_keys_of_the_refiner_extension_are_read(steps: str, refined: str, at: str | None):
    settings = {"Steps": steps, "Refiner model": "xl", "Refiner steps": refined}
    found = load_extension(FOLDER).fold("alter_settings", settings)
    assert (found["Refiner"], found.get("Refiner switch at")) == ("xl", at)
