"""What is drawn with mouse and fingers: where it was drawn, to the pixel, and still there after a reload."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import CDPSession, expect

from tests.browser.easel import Easel, disc
from tests.browser.page import Studio

SIZE = (200, 120)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "green.png"
    Image.new("RGB", SIZE, (20, 140, 60)).save(path)
    return path


def masked(easel: Easel) -> int:
    return easel.drawn().histogram()[255]


def test_a_mask_leaves_the_page_as_it_was_drawn_and_is_there_after_a_reload(studio: Studio, picture):
    easel = Easel(studio, "inpaint").show()
    easel.choose(picture)
    easel.set(size=31)
    [middle] = easel.stroke((60, 50))
    assert easel.drawn().tobytes() == disc(SIZE, middle, 31).tobytes()
    easel.tool("eraser")
    easel.set(size=9)
    easel.stroke((20, 50), (120, 50))
    easel.tool("brush")
    easel.stroke((150, 20), (180, 100))
    drawn = easel.drawn()
    assert set(drawn.tobytes()) == {0, 255}
    assert easel.exported("mask").convert("L").tobytes() == drawn.tobytes()
    easel.keep()
    studio.reload()
    again = Easel(studio, "inpaint").show()
    assert again.drawn().tobytes() == drawn.tobytes()
    assert again.exported("mask").convert("L").tobytes() == drawn.tobytes()


def test_undo_and_redo_by_keys_and_the_other_tools_of_a_mask(studio: Studio, picture):
    easel = Easel(studio, "inpaint").show()
    easel.choose(picture)
    keys = studio.page.keyboard
    easel.set(size=20)
    easel.stroke((40, 40))
    one = masked(easel)
    easel.stroke((120, 60), (160, 60))
    two = masked(easel)
    keys.press("Control+z")
    assert masked(easel) == one
    keys.press("Control+z")
    assert masked(easel) == 0
    keys.press("Control+y")
    keys.press("Control+y")
    assert masked(easel) == two
    easel.tool("invert")
    assert masked(easel) == SIZE[0] * SIZE[1] - two
    easel.tool("clear")
    assert masked(easel) == 0
    easel.tool("undo")
    keys.press("Tab")
    studio.page.locator("#canvas_inpaint_screen").focus()
    before = easel.ask("{canvas}.tool.size")
    keys.press("]")
    keys.press("e")
    assert easel.ask("{canvas}.tool.size") > before
    assert easel.ask("{canvas}.tool.name") == "eraser"


def test_colours_are_painted_at_the_pictures_full_size_with_opacity_and_can_be_picked(studio: Studio):
    easel = Easel(studio, "sketch").show()
    easel.new(640, 480)
    easel.ask("{canvas}.begin({x: -90, y: -90, radius: 4}), {canvas}.end()")  # beside the picture
    assert easel.ask("{canvas}.stroke") is None and easel.ask("{canvas}.target.stroke") is None
    easel.set(colour="#ff0000", size=100)
    easel.stroke((200, 200), (400, 200), (200, 200))
    easel.set(colour="#0000ff", opacity=50)
    easel.stroke((500, 400), (560, 400), (500, 400))
    painted = easel.exported("source").convert("RGB")
    assert painted.size == (640, 480)
    assert painted.getpixel((300, 200)) == (255, 0, 0)
    assert painted.getpixel((20, 20)) == (255, 255, 255)
    red, green, blue = painted.crop((530, 400, 531, 401)).tobytes()  # not darker where the stroke went twice
    assert max(abs(red - 127), abs(green - 127), 255 - blue) <= 1
    easel.tool("picker")
    easel.stroke((300, 200))
    assert easel.ask("{canvas}.tool.colour") == "#ff0000"
    easel.tool("fill")
    easel.set(opacity=100)
    easel.stroke((20, 20))
    assert easel.exported("source").convert("RGB").getpixel((620, 20)) == (255, 0, 0)
    easel.tool("undo")
    assert easel.exported("source").convert("RGB").tobytes() == painted.tobytes()
    easel.keep()
    studio.reload()
    again = Easel(studio, "sketch").show()
    difference = ImageChops.difference(again.exported("source").convert("RGB"), painted)
    assert max(difference.tobytes()) <= 1


def test_layers_are_painted_hidden_mixed_and_merged_and_all_of_it_can_be_undone(studio: Studio):
    easel = Easel(studio, "inpaint_sketch").show()
    easel.new(200, 120)
    easel.set(colour="#ff0000", size=40)
    easel.stroke((50, 60))
    easel.tool("layers")
    easel.tool("layer_add")
    easel.tool("layers")  # closed: it lies over the picture
    easel.set(colour="#0000ff")
    easel.stroke((150, 60))
    easel.tool("layers")
    rows = studio.page.locator("#canvas_inpaint_sketch_layer_list li")
    expect(rows).to_have_count(2)

    def seen() -> tuple[Any, Any, Any]:
        source, mask = easel.exported("source").convert("RGB"), easel.exported("mask").convert("L")
        return source.getpixel((50, 60)), source.getpixel((150, 60)), mask.getpixel((150, 60))

    def becomes(*pixels: Any) -> bool:
        """A press is carried out when the page comes to it."""
        end = time.monotonic() + 10
        while seen()[: len(pixels)] != pixels and time.monotonic() < end:
            studio.page.wait_for_timeout(50)
        return seen()[: len(pixels)] == pixels

    red, blue, white = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    assert becomes(red, blue, 255)
    studio.page.get_by_role("button", name="Hide layer 2").click()
    assert becomes(red, white, 0)  # what is hidden is no mask either
    easel.tool("undo")
    assert becomes(red, blue, 255)
    studio.page.locator("#canvas_inpaint_sketch_layer_opacity").fill("50")
    end = time.monotonic() + 10
    while (mixed := seen()[1]) == blue and time.monotonic() < end:
        studio.page.wait_for_timeout(50)
    assert max(abs(mixed[0] - 127), abs(mixed[1] - 127), 255 - mixed[2]) <= 1
    easel.tool("layer_merge")
    expect(rows).to_have_count(1)
    assert becomes(red)
    assert max(abs(one - other) for one, other in zip(seen()[1], mixed, strict=True)) <= 1
    for _ in range(2):
        easel.tool("undo")
    expect(rows).to_have_count(2)
    assert becomes(red, blue, 255)
    easel.keep()
    studio.reload()
    again = Easel(studio, "inpaint_sketch").show()
    again.tool("layers")
    expect(rows).to_have_count(2)
    assert becomes(red, blue, 255)
    again.tool("layer_remove")
    expect(rows).to_have_count(1)
    assert becomes(red, white)


def touch(session: CDPSession, kind: str, *points: tuple[int, int]) -> None:
    touches = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def test_one_finger_draws_and_two_fingers_zoom_without_leaving_a_stroke(phone: Studio, picture):
    easel = Easel(phone, "inpaint").show()
    easel.choose(picture)
    session = phone.page.context.new_cdp_session(phone.page)
    start, end = easel.on_screen((50, 60)), easel.on_screen((150, 60))
    touch(session, "touchStart", start)
    touch(session, "touchMove", end)
    touch(session, "touchEnd")
    drawn = easel.drawn()
    assert drawn.getpixel((100, 60)) == 255
    scale = easel.ask("{canvas}.view.scale")
    x, y = easel.on_screen((100, 60))
    touch(session, "touchStart", (x - 20, y))
    touch(session, "touchStart", (x - 20, y), (x + 20, y))
    touch(session, "touchMove", (x - 60, y), (x + 60, y))
    touch(session, "touchEnd")
    session.detach()
    assert easel.ask("{canvas}.view.scale") > 2 * scale
    assert easel.drawn().tobytes() == drawn.tobytes()
