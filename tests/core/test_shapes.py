from __future__ import annotations

import pytest

from webui.core.shapes import own_shape, shapes


@pytest.mark.parametrize(
    ("side", "portrait"),
    [(512, (512, 768)), (1024, (832, 1216)), (768, (640, 960)), (128, (104, 160))],
)
def test_each_model_gets_shapes_near_its_own_size(side: int, portrait: tuple[int, int]):
    found = shapes(side, side)
    assert found == {"square": (side, side), "portrait": portrait, "landscape": portrait[::-1]}


def test_sizes_are_such_as_every_model_can_make():
    for width in range(64, 2049, 56):
        for size in shapes(width, width + 40).values():
            assert all(length % 8 == 0 and length >= 8 for length in size)


def test_a_model_of_an_oblong_size_gets_a_square_of_as_many_pixels():
    assert shapes(512, 768)["square"] == (624, 624)


@pytest.mark.parametrize(("size", "name"), [((128, 128), "square"), ((104, 160), "portrait"), ((160, 104), "landscape")])
def test_a_model_that_was_taught_one_size_has_one_shape(size: tuple[int, int], name: str):
    assert own_shape(*size) == {name: size}
