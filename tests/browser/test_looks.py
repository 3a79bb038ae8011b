"""The page beside the pictures of it that people have looked at (`docs/states.py` makes them).

Both are drawn with the fonts of one kind of machine, where every opening looks the same; what differs is what the pictures,
which are kept with losses, have lost. Where other fonts are installed, every letter differs, and nothing is compared.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP
from tests.browser.page import Studio
from tests.browser.test_accessibility import SETTLED

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels

#: By tab: what it draws last, and the part that is the same wherever the program starts anew: beside it stands what was made.
FORMS: dict[str, tuple[str, Box]] = {
    "txt2img": ("#txt2img_frame", (0, 0, 700, 800)),
    "img2img": (".subtabs [role=tab]", (0, 0, 700, 800)),
    "PNG Info": ("#pnginfo_file", (0, 0, 900, 510)),
    "Checkpoint Merger": ("#merger input", (0, 0, 776, 640)),
}

#: Header and tabs of a phone, and at the bottom its prompt and Generate.
PHONE_PARTS: list[Box] = [(0, 0, 390, 190), (0, 740, 390, 844)]

#: What is not: the checkpoint's hash, once it is known, and what the engine says of this machine.
ELSE: dict[str, list[Box]] = {"desktop": [(280, 32, 532, 68), (868, 0, 1280, 72)], "phone": [(104, 0, 272, 60)]}

#: Pixels along a side of what is compared: the losses of the pictures even out in it, and a line of an icon does not.
BLOCK = 8

#: Of 255, in one colour of a block. The losses make 15 at most; a form that is one pixel lower 24, a lost icon 41.
SCATTER = 20

#: Buttons beside the styles, which hold nothing but an icon.
ICONS: list[Box] = [(left, 328, left + 44, 372) for left in (394, 438, 482, 526)]


#: Pixels of a text in the page's fonts, so high that no two fonts make them equal.
TEXT_WIDTH = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `100px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText("Sampling steps, Größe 0123").width;
}"""

#: Where the pictures were taken.
TAKEN_WITH = 1420


def require_fonts(page: Page) -> None:
    """Those with which the pictures were taken; on the machine that runs all tests of every change they are there."""
    width = page.evaluate(TEXT_WIDTH)
    if abs(width - TAKEN_WITH) > 2 and not os.environ.get("CI"):
        pytest.skip(f"other fonts than in the pictures: a text is {width:.0f} pixels wide, not {TAKEN_WITH}")


def kept(size: str, name: str) -> Image.Image:
    with Image.open(PICTURES / size / f"{name}.webp") as image:
        return image.convert("RGB")


def photograph(page: Page) -> Image.Image:
    page.evaluate(SETTLED)
    with Image.open(io.BytesIO(page.screenshot(scale="css"))) as image:
        return image.convert("RGB")


def differing(seen: Image.Image, other: Image.Image, size: str, part: Box) -> list[tuple[int, int]]:
    """Where on the page the blocks lie that are not alike."""
    both = [seen.copy(), other.copy()]
    for image in both:
        for box in ELSE[size]:
            ImageDraw.Draw(image).rectangle(box, fill="grey")
    left, top, right, bottom = part
    wide, high = (right - left) // BLOCK, (bottom - top) // BLOCK
    cut = (left, top, left + wide * BLOCK, top + high * BLOCK)
    one, two = (np.asarray(each.crop(cut).resize((wide, high), Image.Resampling.BOX), dtype=float) for each in both)
    rows, columns = np.nonzero(np.abs(one - two).max(axis=2) > SCATTER)
    return [(left + BLOCK * int(x), top + BLOCK * int(y)) for y, x in zip(rows, columns, strict=True)]


def without(image: Image.Image, box: Box) -> Image.Image:
    """With what lies in the box gone: the ground beside it is there instead."""
    image = image.copy()
    image.paste(image.getpixel((box[0], box[1])), box)  # pyright: ignore[reportArgumentType]
    return image


def test_nothing_is_compared_with_other_fonts_but_where_every_change_is_tested(lasting: Studio, monkeypatch: pytest.MonkeyPatch):
    page = lasting.page
    page.evaluate("() => { document.body.style.fontFamily = 'monospace' }")
    try:
        monkeypatch.setenv("CI", "true")
        require_fonts(page)
        monkeypatch.delenv("CI")
        with pytest.raises(pytest.skip.Exception, match="other fonts"):
            require_fonts(page)
    finally:
        page.evaluate("() => { document.body.style.fontFamily = '' }")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forms_and_header_look_as_in_the_pictures_of_them(lasting: Studio, theme: str):
    page = lasting.page
    require_fonts(page)
    page.set_viewport_size(DESKTOP["viewport"])
    page.get_by_label("Theme").select_option(theme)
    seen, found = {}, {}
    for tab, (drawn, part) in FORMS.items():
        lasting.show(tab)
        expect(page.locator(drawn).first).to_be_attached()
        page.mouse.move(0, 0)
        seen[tab] = photograph(page)
        found[tab] = differing(seen[tab], kept("desktop", f"{tab.lower().replace(' ', '-')}-{theme}-en"), "desktop", part)
    lasting.show("txt2img")
    assert {tab: places for tab, places in found.items() if places} == {}

    # and it would be seen if they did not
    form, (_, part), picture = seen["txt2img"], FORMS["txt2img"], kept("desktop", f"txt2img-{theme}-en")
    other = {
        "4 pixels lower": ImageChops.offset(picture, 0, 4),
        "4 pixels to the right": ImageChops.offset(picture, 4, 0),
        "Russian": kept("desktop", f"txt2img-{theme}-ru"),
        "Chinese": kept("desktop", f"txt2img-{theme}-zh"),
        "the other theme": kept("desktop", f"txt2img-{'dark' if theme == 'light' else 'light'}-en"),
        "no seed": without(picture, (24, 676, 686, 734)),
        **{f"no button at {box[0]}": without(picture, box) for box in ICONS},
    }
    assert [change for change, image in other.items() if not differing(form, image, "desktop", part)] == []
    lower = differing(form, other["4 pixels lower"], "desktop", part)
    assert min(y for _, y in lower) < 112 < 700 < max(y for _, y in lower)  # from the header to the last control


def test_header_and_prompt_of_a_phone_look_as_in_the_pictures_of_them(phone: Studio):
    require_fonts(phone.page)
    for theme in ("light", "dark"):
        phone.page.locator("#theme").select_option(theme)
        phone.page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0) }")
        seen, picture, russian = (photograph(phone.page), *(kept("phone", f"txt2img-{theme}-{code}") for code in ("en", "ru")))
        for part in PHONE_PARTS:
            assert differing(seen, picture, "phone", part) == [], theme
            assert differing(seen, ImageChops.offset(picture, 0, 4), "phone", part) != [], theme
            assert differing(seen, russian, "phone", part) != [], theme
