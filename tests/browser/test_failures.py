"""What a person sees when a job fails: the reason, in its place, whatever was made before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from tests.browser.page import Studio
from tests.running import RunningApp

PARTS = ["#txt2img_generate", ".stage", ".status", ".thumbs", ".actions", ".infotext"]
WHERE = """parts => parts.map(part => { const r = document.querySelector(part).getBoundingClientRect();
    return [part, r.x, r.y, r.width, r.height].join(' ') })"""


@pytest.fixture
def full(studio: Studio, app: RunningApp) -> Iterator[Studio]:
    """A page of a program whose disk takes no pictures for the time being."""
    outputs, aside = app.data_dir / "outputs", app.data_dir / "outputs-aside"
    outputs.mkdir(exist_ok=True)
    outputs.rename(aside)
    outputs.write_text("a file where the folder should be")
    yield studio
    outputs.unlink()
    aside.rename(outputs)


def test_a_full_disk_says_why_and_the_picture_can_be_downloaded(full: Studio, tmp_path):
    before = full.page.evaluate(WHERE, PARTS)
    full.fill(prompt="red heart", steps="2", seed="3", batch_count="2")
    full.press_generate()
    full.wait_for("failed")
    strip = full.page.locator(".stage-strip")
    strip.wait_for()
    assert "could not be saved in" in strip.inner_text()
    assert "outputs" in strip.inner_text()
    assert "Failed · not saved: use Download" in full.status
    assert full.page.evaluate(WHERE, PARTS) == before
    picture = full.page.locator(".stage-open").bounding_box()
    place = strip.bounding_box()
    assert picture is not None
    assert place is not None
    assert picture["y"] + picture["height"] <= place["y"]
    with Image.open(full.download(tmp_path)) as image:
        assert "red heart" in image.info["parameters"]
    full.page.evaluate("() => { navigator.clipboard.writeText = async text => { window.copied = text } }")
    strip.get_by_role("button", name="Copy details").click()
    full.page.wait_for_function("() => window.copied?.includes('could not be saved in')")
    full.reload()
    full.wait_for("failed")
    strip.wait_for()
