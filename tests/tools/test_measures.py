"""What the evaluation says of pictures that are known, and of painters that do or do not as they are told."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests.tools.starter import few_shapes, things
from tools.starter_model import lookup, measures
from tools.starter_model.canvas import GROUND_TABLE, Places, grounds, over, place, premultiplied
from tools.starter_model.colours import PAINT
from tools.starter_model.likeness import likeness_features, main_word, nearest, word_share
from tools.starter_model.lookup import Found, Known, find, own_word, prompt_of, references
from tools.starter_model.measures import (
    Coloured,
    colours_of_two,
    faithfulness,
    guidance,
    in_size,
    negatives,
    rises,
    share,
    two_things,
    variety,
)
from tools.starter_model.pictures import SIZE, Picture, PictureSet, draw_shapes, evenly, join, paint_things
from tools.starter_model.sampling import Model, Wish

Draw = Callable[[str, Wish], Tensor]


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
    assert own_word(things()) == ["red", "green"]


def test_a_tinted_black_is_black_though_a_few_pixels_of_its_rim_are_coloured():
    picture = torch.tensor([0.08, 0.04, 0.06])[:, None, None].expand(3, 32, 32).clone()
    picture[:, :, :2] = torch.tensor([0.9, 0.4, 0.6])[:, None, None]
    assert main_word(picture * 2 - 1, GROUND_TABLE[0]) == "black"


def test_the_share_of_a_colour_is_of_what_stands_out():
    picture = torch.ones(3, 8, 8)
    picture[:, :2] = torch.tensor([1.0, -1.0, -1.0])[:, None, None]
    picture[:, 2:3] = torch.tensor([-1.0, -1.0, 1.0])[:, None, None]
    assert word_share(picture, GROUND_TABLE[0], "red") == pytest.approx(2 / 3)
    assert word_share(picture, GROUND_TABLE[0], "green") == 0
    assert word_share(torch.ones(3, 8, 8), GROUND_TABLE[0], "red") == 0


def _model(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> Model:
    """A "model" that draws what it is told here."""

    def make(model: Model, prompts: list[str], wish: Wish) -> Tensor:
        return torch.stack([draw(prompt, wish) for prompt in prompts])

    monkeypatch.setattr(measures, "make_pictures", make)
    monkeypatch.setattr(lookup, "make_pictures", make)
    return Model(None, None, lambda texts: torch.zeros(len(texts), 77, 1))  # type: ignore[arg-type]


def _painter_of(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch, mistaken: dict[str, str]) -> Model:
    """Draws the very pictures, but for some that it takes for others."""
    known = dict(zip((prompt_of(p) for p in pictures.pictures), references(pictures), strict=True))
    return _model(monkeypatch, lambda prompt, _: known[mistaken.get(prompt, prompt)])


def test_a_perfect_painter_gets_everything_right_and_a_mistaken_one_does_not(monkeypatch: pytest.MonkeyPatch):
    painted = paint_things(things())
    pictures = join(few_shapes(), things(), painted)
    model = _painter_of(pictures, monkeypatch, {"blue shed": "green shed"})
    found = find(model, painted, Known.of(pictures), Wish())
    wrong = [f.picture.name for f in found if f.rank != 0]
    assert wrong == ["blue shed"]
    assert [f.picture.name for f in found if not f.obedient] == ["blue shed"]
    assert all(f.shape_rank == 0 for f in found)
    assert find(model, painted.take([]), Known.of(pictures), Wish()) == []


def test_a_thing_without_a_colour_word_is_right_in_any_colour_and_takes_one_place_in_all(monkeypatch: pytest.MonkeyPatch):
    pictures = join(few_shapes(), things(), paint_things(things()))
    model = _painter_of(pictures, monkeypatch, {"barn": "blue shed", "leaf": "blue shed"})
    barn, leaf = find(model, things(), Known.of(pictures), Wish())
    assert barn.rank == 0
    assert 0 < leaf.rank < 5  # four forms and things in all, though six more barns are nearer
    assert (barn.word, barn.coloured) == ("blue", False)


def test_a_thing_and_a_form_of_one_name_are_two(monkeypatch: pytest.MonkeyPatch):
    square = PictureSet((Picture("square", (), "thing", None, "square"),), things().pixels[:1])
    pictures = join(few_shapes(), square)
    model = _painter_of(pictures, monkeypatch, {"square": "red square"})
    (found,) = find(model, square, Known.of(pictures), Wish())
    assert found.rank > 0


def test_obedience_is_told_with_the_nearest_thing_and_with_five():
    def found(word: str, shape_rank: int) -> Found:
        return Found(Picture("blue shed", (), "painted", "blue", "barn"), torch.zeros(0), 0, shape_rank, word)

    assert [f.obedient for f in (found("blue", 0), found("blue", 4), found("blue", 5), found("red", 0))] == [
        True,
        True,
        False,
        False,
    ]
    assert [f.exact for f in (found("blue", 0), found("blue", 1), found("red", 0))] == [True, False, False]


def test_shares_are_per_cent():
    assert share([True, False, True, True]) == 75
    assert share(random.Random(0).random() < 2 for _ in range(3)) == 100


def test_as_many_are_taken_as_were_asked_for_evenly():
    taken = evenly(66, 40)
    assert len(taken) == 40 and taken[0] == 0 and taken[-1] >= 64
    assert {b - a for a, b in pairwise(taken)} == {1, 2}
    assert evenly(66, 100) == list(range(66))
    assert evenly(0, 5) == []
    assert [p.name for p in things().some(1).pictures] == ["barn"]


def test_a_series_rises_only_if_every_step_does():
    assert rises([0.1, 0.2, 0.9])
    assert not rises([0.1, 0.2, 0.2])
    assert not rises([0.1, 0.9, 0.2])


def _heart(colour: str) -> Tensor:
    shapes = draw_shapes()
    return references(shapes.take([[p.name for p in shapes.pictures].index(f"{colour} heart")]))[0]


def test_a_negative_prompt_is_measured_against_another_colour_in_its_place(monkeypatch: pytest.MonkeyPatch):
    hearts = {colour: _heart(colour) for colour in ("red", "blue")}
    fits = _model(monkeypatch, lambda _, wish: hearts["blue" if wish.negative == "red" else "red"])
    found = negatives(fits, ["heart"], Wish())
    assert found.without > 95 and found.named < 5 and found.control > 95 and found.kept == 100
    any_does = _model(monkeypatch, lambda _, wish: hearts["blue" if wish.negative else "red"])
    found = negatives(any_does, ["heart"], Wish())
    assert found.named == found.control < 5
    nothing = _model(monkeypatch, lambda _, wish: torch.ones(3, 128, 128) if wish.negative == "red" else hearts["red"])
    for form in ("heart", "square"):  # an empty picture is nearest to a white square
        found = negatives(nothing, [form], Wish())
        assert found.named == 0 and found.kept == 0


def test_guidance_is_the_unlikeness_to_no_guidance(monkeypatch: pytest.MonkeyPatch):
    heart = _heart("red")
    model = _model(monkeypatch, lambda _, wish: heart / wish.guidance_scale)
    one, two, four = guidance(model, ["red heart", "heart"], (1.0, 2.0, 4.0), Wish())
    assert one == 0
    assert 0 < two < four


def test_img2img_is_measured_from_the_source_to_the_prompt(monkeypatch: pytest.MonkeyPatch):
    shapes = draw_shapes().take([0, 16, 60])
    wanted = dict(zip((prompt_of(p) for p in shapes.pictures), references(shapes), strict=True))

    def draw(prompt: str, wish: Wish) -> Tensor:
        assert wish.source is not None
        return wanted[prompt] if wish.denoising_strength > 0.5 else wish.source

    low, high = faithfulness(_model(monkeypatch, draw), shapes, (0.2, 1.0), Wish())
    assert low.to_source == pytest.approx(0, abs=1e-3) and low.to_prompt > 0.1
    assert high.to_prompt == pytest.approx(0, abs=1e-3) and high.to_source > 0.1


def test_variety_is_the_unlikeness_of_seeds(monkeypatch: pytest.MonkeyPatch):
    heart = _heart("red")
    assert variety(_model(monkeypatch, lambda _, wish: heart), ["heart"], Wish()) == 0
    assert variety(_model(monkeypatch, lambda _, wish: heart.roll(20 * wish.seed, 2)), ["heart"], Wish()) > 0.1


def _many_things() -> PictureSet:
    """Shapes as if each were a thing of its own: many more than the nearest five."""
    shapes = draw_shapes()
    pictures = tuple(Picture(f"{p.name} toy", (), "thing", None, f"{p.name} toy") for p in shapes.pictures)
    return PictureSet(pictures, shapes.pixels)


def _beside(left: PictureSet, right: PictureSet) -> Tensor:
    """Two pictures, each in its half."""
    half = Places(torch.tensor([0.97]), torch.zeros(1, 2), torch.tensor([False]))
    white = grounds(torch.tensor([0]), (SIZE, SIZE // 2), "cpu")
    sides = [over(place(premultiplied(torch.from_numpy(s.pixels)), half, (SIZE, SIZE // 2)), white) for s in (left, right)]
    return torch.cat(sides, 3)[0] * 2 - 1


def test_two_things_are_looked_for_each_in_its_half(monkeypatch: pytest.MonkeyPatch):
    toys = _many_things()
    one = {picture.name: toys.take([index]) for index, picture in enumerate(toys.pictures)}

    def sides(prompt: str) -> tuple[PictureSet, PictureSet]:
        left, right = (one[name.removeprefix("an ").removeprefix("a ")] for name in prompt.split(" left of "))
        return left, right

    assert two_things(_model(monkeypatch, lambda p, _: _beside(*sides(p))), toys, 24, Wish()) == (100, 100)
    both, sided = two_things(_model(monkeypatch, lambda p, _: _beside(*sides(p)[::-1])), toys, 24, Wish())
    assert both == 100 and sided < 50
    both, _ = two_things(_model(monkeypatch, lambda p, _: _beside(*[sides(p)[0]] * 2)), toys, 24, Wish())
    assert both < 50  # the second thing is nowhere, whatever the first one's half is also like


def test_the_colour_of_one_of_two_things_may_go_to_the_other(monkeypatch: pytest.MonkeyPatch):
    painted = paint_things(things())
    pictures = join(things(), painted)
    one = {picture.name: pictures.take([index]) for index, picture in enumerate(pictures.pictures)}

    def right(prompt: str, wish: Wish) -> Tensor:
        plain, coloured = (one[name.removeprefix("an ").removeprefix("a ")] for name in prompt.split(" and "))
        return _beside(plain, coloured)

    found = colours_of_two(_model(monkeypatch, right), things(), painted, 6, Wish())
    assert found == Coloured(100, 100, 0)

    def astray(prompt: str, wish: Wish) -> Tensor:
        plain, coloured = (one[name.removeprefix("an ").removeprefix("a ")] for name in prompt.split(" and "))
        colour, own = coloured.pictures[0].colour, coloured.pictures[0].thing
        other = [p for p in painted.pictures if (p.thing, p.colour) == (plain.pictures[0].thing, colour)]
        return _beside(one[other[0].name], one[own])

    found = colours_of_two(_model(monkeypatch, astray), things(), painted, 6, Wish())
    assert found == Coloured(100, 0, 100)


def test_a_colour_does_not_go_to_a_thing_that_has_it_anyway(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def draw(prompt: str, wish: Wish) -> Tensor:
        asked.append(prompt)
        return references(things())[0]

    monkeypatch.setattr(measures, "own_word", lambda pictures: ["blue", "green"])  # the barn is listed as a red one
    model, painted = _model(monkeypatch, draw), paint_things(things())
    assert colours_of_two(model, things(), painted, 50, Wish()) is not None
    assert len(asked) == 50 and "a barn and a blue leaf" not in asked and "a barn and a pink leaf" in asked
    assert colours_of_two(model, things(), painted.take([]), 50, Wish()) is None  # there is no such pair


def test_other_sizes_are_compared_with_pictures_of_that_size(monkeypatch: pytest.MonkeyPatch):
    pictures = join(things(), few_shapes())
    wide = dict(zip((prompt_of(p) for p in pictures.pictures), references(pictures, (96, 160)), strict=True))
    model = _model(monkeypatch, lambda prompt, wish: wide[prompt])
    assert in_size(model, things(), pictures, Wish(size=(96, 160))) == (100, 100)
    assert references(pictures, (96, 160)).shape == (6, 3, 96, 160)
