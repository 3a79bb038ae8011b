from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from webui.generation.framing import RESIZE_MODES, crop_and_resize, resize_and_fill

SIDES = st.integers(1, 90)


@pytest.mark.parametrize("mode", RESIZE_MODES)
@given(size=st.tuples(SIDES, SIDES), wanted=st.tuples(SIDES, SIDES))
def test_every_mode_gives_exactly_the_size_that_was_asked_for(mode: str, size: tuple[int, int], wanted: tuple[int, int]):
    assert RESIZE_MODES[mode](Image.new("RGB", size, "red"), wanted).size == wanted


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_picture_of_the_right_size_is_not_touched(mode: str):
    picture = Image.effect_noise((24, 16), 80).convert("RGB")
    assert RESIZE_MODES[mode](picture, (24, 16)).tobytes() == picture.tobytes()


def test_cropping_keeps_the_middle():
    picture = Image.new("RGB", (30, 10), "red")
    picture.paste("lime", (10, 0, 20, 10))
    assert (np.asarray(crop_and_resize(picture, (10, 10))) == (0, 255, 0)).all()


def test_filling_continues_the_outermost_columns():
    picture = Image.new("RGB", (10, 10), "red")
    picture.paste("blue", (5, 0, 10, 10))
    pixels = np.asarray(resize_and_fill(picture, (30, 10)))
    assert (pixels[:, :10] == (255, 0, 0)).all() and (pixels[:, 20:] == (0, 0, 255)).all()
    assert (pixels[:, 10:20] == np.asarray(picture)).all()
