"""What the evaluation says of pictures that are known."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from tests.tools.starter import few_shapes, things
from tools.starter_model import measures
from tools.starter_model.canvas import GROUND_TABLE
from tools.starter_model.colours import PAINT
from tools.starter_model.likeness import likeness_features, main_word, nearest
from tools.starter_model.measures import find, prompt_of, references, share
from tools.starter_model.pictures import PictureSet, draw_shapes, join, paint_things
from tools.starter_model.sampling import Model, Wish


def test_a_shifted_picture_with_faults_is_nearest_to_itself():
    shapes = join(draw_shapes(), things())
    known = references(shapes)
    noise = torch.randn(known.shape, generator=torch.Generator().manual_seed(0))
    faulty = (known.roll((3, -3), (2, 3)) + 0.1 * noise).clamp(-1, 1)
    order = nearest(likeness_features(faulty), likeness_features(known))
    assert share((order[:, 0] == torch.arange(len(known))).tolist()) > 95


def test_without_colours_a_circle_is_a_circle():
    shapes = draw_shapes()
    known = references(shapes)
    forms = [picture.thing for picture in shapes.pictures]
    order = nearest(likeness_features(known, colours=False), likeness_features(known, colours=False)).tolist()
    second = [forms[next(i for i in row if i != index)] == forms[index] for index, row in enumerate(order)]
    assert share(second) > 95


@pytest.mark.parametrize("word", [word for word in PAINT if word != "white"])
def test_the_main_word_of_a_shape_is_its_colour(word: str):
    shapes = draw_shapes()
    index = [picture.name for picture in shapes.pictures].index(f"{word} star")
    assert main_word(references(shapes.take([index]))[0], GROUND_TABLE[0]) == word


def test_gray_parts_have_no_say_in_the_colour_of_a_thing():
    assert main_word(references(things())[0], GROUND_TABLE[0]) == "red"
    assert main_word(torch.ones(3, 32, 32), GROUND_TABLE[0]) == "nothing"


def _painter_of(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch, mistaken: dict[str, str]) -> Model:
    """A "model" that draws the very pictures, but for some that it takes for others."""
    known = dict(zip((prompt_of(p) for p in pictures.pictures), references(pictures), strict=True))

    def make(model: Model, prompts: list[str], wish: Wish) -> Tensor:
        return torch.stack([known[mistaken.get(prompt, prompt)] for prompt in prompts])

    monkeypatch.setattr(measures, "make_pictures", make)
    return Model(None, None, lambda texts: torch.zeros(len(texts), 77, 1))  # type: ignore[arg-type]


def test_a_perfect_painter_gets_everything_right_and_a_mistaken_one_does_not(monkeypatch: pytest.MonkeyPatch):
    painted = paint_things(things())
    pictures = join(few_shapes(), things(), painted)
    model = _painter_of(pictures, monkeypatch, {"blue shed": "green shed"})
    found = find(model, painted, few_shapes(), Wish())
    wrong = [f.picture.name for f in found if f.rank != 0]
    assert wrong == ["blue shed"]
    assert [f.picture.name for f in found if not f.obedient] == ["blue shed"]
    assert all(f.shape_rank == 0 for f in found)


def test_shares_are_per_cent():
    assert share([True, False, True, True]) == 75
    assert share(random.Random(0).random() < 2 for _ in range(3)) == 100
