from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from webui.generation.masks import Overlay, blurred, filled, latent_mask, masked_box, read_mask

RANDOM = np.random.default_rng(3)


def drawn(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    picture = Image.new("L", size)
    picture.paste(255, box)
    return picture


def test_white_is_made_anew_and_inverting_swaps_the_two():
    picture = drawn((8, 8), (0, 0, 4, 8))
    mask = read_mask(picture, (8, 8))
    assert mask[:, :4].all() and not mask[:, 4:].any()
    assert (read_mask(picture, (8, 8), inverted=True) == 1 - mask).all()


def test_alpha_counts_where_it_says_anything():
    picture = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 4, 8))
    assert read_mask(picture, (8, 8))[:, :4].all() and not read_mask(picture, (8, 8))[:, 4:].any()
    opaque = Image.new("RGBA", (8, 8), (255, 255, 255, 255))
    assert read_mask(opaque, (8, 8)).all()


def test_just_above_half_counts_as_drawn():
    assert not read_mask(Image.new("L", (1, 1), 128), (1, 1)).any()
    assert read_mask(Image.new("L", (1, 1), 129), (1, 1)).all()


@pytest.mark.parametrize("radius", [1, 4, 7.5])
def test_blur_is_a_gaussian_of_that_deviation_cut_at_two_and_a_half(radius: float):
    mask = (RANDOM.random((40, 60)) > 0.5).astype(np.float32)
    expected = mask
    for axis in (1, 0):
        expected = gaussian_filter1d(expected, radius, axis=axis, mode="mirror", radius=int(2.5 * radius + 0.5))
    np.testing.assert_allclose(blurred(mask, radius), expected, atol=1e-5)


def test_no_blur_changes_nothing():
    mask = RANDOM.random((9, 9)).astype(np.float32)
    assert (blurred(mask, 0) == mask).all()


def test_blur_of_a_mask_smaller_than_its_kernel():
    mask = np.ones((2, 1), np.float32)
    np.testing.assert_allclose(blurred(mask, 4), mask, atol=1e-6)


# ---- only masked


@given(
    size=st.tuples(st.integers(8, 200), st.integers(8, 200)),
    spot=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    padding=st.integers(0, 64),
    wanted=st.sampled_from([(64, 64), (128, 64), (64, 512)]),
)
def test_box_holds_mask_and_padding_and_lies_within_the_picture(size, spot, padding, wanted):
    width, height = size
    x, y = int(spot[0] * width), int(spot[1] * height)
    mask = np.zeros((height, width), np.float32)
    mask[y, x] = 1
    box = masked_box(mask, padding, wanted)
    assert box is not None
    left, top, right, bottom = box
    assert 0 <= left <= max(x - padding, 0) and min(x + padding + 1, width) <= right <= width
    assert 0 <= top <= max(y - padding, 0) and min(y + padding + 1, height) <= bottom <= height


def test_box_has_the_proportions_of_the_result_where_there_is_room():
    mask = np.zeros((400, 400), np.float32)
    mask[190:210, 195:205] = 1
    left, top, right, bottom = masked_box(mask, 10, (512, 256)) or (0, 0, 0, 0)
    assert (right - left, bottom - top) == (80, 40)
    assert (left + right) / 2 == 200 and (top + bottom) / 2 == 200


def test_an_empty_mask_has_no_box():
    assert masked_box(np.zeros((8, 8), np.float32), 32, (64, 64)) is None


# ---- filling and laying over


def test_filling_leaves_what_is_kept_and_takes_the_colour_around():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:] = (200, 40, 90)
    mask = np.zeros((64, 64), np.float32)
    mask[20:40, 10:50] = 1
    holed = picture.copy()
    holed[20:40, 10:50] = RANDOM.integers(0, 255, (20, 40, 3))
    assert np.abs(filled(holed, mask).astype(int) - picture).max() <= 1


def test_filling_goes_smoothly_from_one_side_to_the_other():
    picture = np.zeros((32, 96, 3), np.uint8)
    picture[:, 64:] = 255
    mask = np.zeros((32, 96), np.float32)
    mask[:, 24:72] = 1
    row = filled(picture, mask)[16, 24:72, 0].astype(int)
    assert (np.diff(row) >= -2).all() and row[0] < 60 and row[-1] > 195


def test_filling_where_nothing_is_kept_is_grey():
    assert (filled(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32)) == 127).all()


@given(data=st.data())
def test_what_is_kept_comes_back_bit_for_bit(data):
    height, width = data.draw(st.integers(2, 24)), data.draw(st.integers(2, 24))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    original = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = blurred((random.random((height, width)) > 0.8).astype(np.float32), 0.4)
    result = Overlay(original, mask).lay_over(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert (result[mask == 0] == original[mask == 0]).all()


def test_a_part_goes_back_to_its_place_at_its_own_size():
    original = np.zeros((40, 40, 3), np.uint8)
    mask = np.zeros((40, 40), np.float32)
    mask[10:20, 12:22] = 1
    made = np.full((64, 64, 3), 255, np.uint8)
    result = Overlay(original, mask, (10, 8, 24, 22)).lay_over(made)
    assert (result[10:20, 12:22] == 255).all() and result.sum() == 100 * 3 * 255


def test_latents_get_the_mean_of_their_pixels():
    mask = np.zeros((16, 16), np.float32)
    mask[:8, :4] = 1
    assert latent_mask(mask, (2, 2)).tolist() == [[0.5, 0.0], [0.0, 0.0]]
