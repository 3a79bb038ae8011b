"""The page beside the pictures of it that people have looked at (`docs/states.py` makes them)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import DESKTOP
from tests.browser.page import Studio
from tests.browser.test_accessibility import SETTLED

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots" / "desktop"

#: The form of txt2img, whose controls are the same wherever the program starts anew: x, y, width, height in pixels.
FORM = (0, 90, 640, 640)

#: Pixels along a side of what is compared: letters blur to grey, while a control that moves or changes its colour shows.
BLOCK = 32


def blocks(image: Image.Image) -> np.ndarray:
    """The mean colours of the blocks of the form."""
    x, y, width, height = FORM
    part = image.convert("RGB").crop((x, y, x + width, y + height))
    return np.asarray(part.resize((width // BLOCK, height // BLOCK), Image.Resampling.BOX), dtype=float)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_looks_as_in_the_picture_of_it(studio: Studio, theme: str):
    studio.page.set_viewport_size(DESKTOP["viewport"])
    studio.page.get_by_label("Theme").select_option(theme)
    studio.page.evaluate(SETTLED)
    with Image.open(io.BytesIO(studio.page.screenshot())) as seen, Image.open(PICTURES / f"txt2img-{theme}-en.webp") as kept:
        difference = np.abs(blocks(seen) - blocks(kept))
    assert difference.mean() < 4
    assert difference.max() < 48
