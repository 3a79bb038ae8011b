"""The pictures to learn, and which of them training may see."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools.starter import few_shapes, lesson, things
from tools.starter_model import sources
from tools.starter_model.canvas import Places, grounds, over, place, premultiplied
from tools.starter_model.captions import caption, caption_of_two, every_text
from tools.starter_model.colours import PAINT, THINGS, main_word, painted, tinted, to_hsv, to_rgb, word_of
from tools.starter_model.pictures import (
    Picture,
    PictureSet,
    ask_in_colours,
    draw_emoji,
    draw_shapes,
    held_out,
    join,
    paint_things,
)


def test_hsv_there_and_back_is_the_same_colour():
    rgb = np.random.default_rng(0).random((50, 3))
    assert np.allclose(to_rgb(to_hsv(rgb)), rgb, atol=1e-9)


@pytest.mark.parametrize("word", PAINT)
def test_every_paint_is_called_by_its_word(word: str):
    assert list(PAINT)[int(word_of(np.array(PAINT[word]) / 255))] == word


@pytest.mark.parametrize("word", THINGS)
def test_painting_changes_the_main_colour_and_nothing_else(word: str):
    barn = things().pixels[0]
    blue = painted(barn, word)
    wall, door = blue[50, 40, :3], blue[80, 64, :3]
    assert list(PAINT)[int(word_of(wall / 255))] == word
    assert np.array_equal(door, barn[80, 64, :3])
    assert np.array_equal(blue[..., 3], barn[..., 3])


@pytest.mark.parametrize("word", THINGS)
def test_a_tint_colours_all_of_a_picture_and_keeps_its_parts_apart(word: str):
    barn = things().pixels[0]
    tint = tinted(barn, word)
    opaque = tint[barn[..., 3] > 60][:, :3] / 255
    assert main_word(opaque) == word
    lightness = [float(tint[y, x, :3].astype(int).sum()) for y, x in ((50, 40), (80, 64))]  # wall and door
    was = [float(barn[y, x, :3] @ (0.299, 0.587, 0.114)) for y, x in ((50, 40), (80, 64))]
    assert (lightness[0] < lightness[1]) == (was[0] < was[1])
    assert abs(lightness[0] - lightness[1]) > 60
    assert np.array_equal(tint[..., 3], barn[..., 3])


def test_things_of_several_colours_are_tinted_in_all_but_their_own_and_named_ones_are_not():
    two = things().pictures
    named = (replace(two[0], colour=None), replace(two[1], colour=None, name="green leaf"))
    plain = PictureSet(named, things().pixels)
    assert {p.colour for p in paint_things(plain).pictures} == set(THINGS) - {"red"}
    assert {p.thing for p in paint_things(plain).pictures} == {"barn"}
    assert not paint_things(plain, tints=False).pictures
    assert {p.thing for p in paint_things(things(), tints=False).pictures} == {"barn", "leaf"}


def test_shapes_come_in_all_colours_and_lie_in_the_middle():
    shapes = draw_shapes()
    assert len(shapes.pictures) == 66
    for picture, pixels in zip(shapes.pictures, shapes.pixels, strict=True):
        assert tuple(pixels[70, 64, :3]) == PAINT[str(picture.colour)]
        assert pixels[2, 2, 3] == 0


def test_each_painted_thing_has_one_colour_that_training_never_sees():
    taught = lesson()
    assert {name.split(" ", 1)[1] for name in taught.unseen} == {"shed", "leaf"}
    for pictures in (taught.wanted.pictures, taught.everything.pictures):
        assert not {picture.name for picture in pictures} & taught.unseen
    rng = random.Random(0)
    texts = {caption(picture, None, rng) for picture in taught.wanted.pictures for _ in range(50)}
    assert not [text for text in texts for name in taught.unseen if name in text]


def test_training_that_goes_on_keeps_from_the_model_what_it_was_never_shown():
    pictures = paint_things(things())
    first, others = held_out(pictures.pictures), {p.name for p in pictures.pictures}
    chosen = frozenset(next(name for name in sorted(others - first) if name.endswith(thing)) for thing in ("shed", "leaf"))
    assert held_out(pictures.pictures, chosen | {"blue thing of another list"}) == chosen


def test_a_name_of_a_thing_is_not_painted_over():
    set_of_two = things()
    named = tuple(p if p.name != "leaf" else Picture("blue shed", (), "thing", None, "blue shed") for p in set_of_two.pictures)
    painted_names = {p.name for p in paint_things(PictureSet(named, set_of_two.pixels)).pictures}
    assert "blue shed" not in painted_names
    assert "green shed" in painted_names


def test_a_thing_is_not_painted_where_a_shape_has_that_name():
    set_of_two = things()
    star = Picture("star", (), "thing", "yellow", "star")
    pictures = paint_things(PictureSet((set_of_two.pictures[0], star), set_of_two.pixels)).pictures
    assert {p.thing for p in pictures} == {"barn"}


def test_what_is_not_painted_is_asked_for_in_a_colour_that_neither_it_nor_another_thing_has():
    named = tuple(
        Picture(name, words, "thing", None, name)
        for name, words in (("kite", ()), ("plane", ("jet",)), ("red car", ()), ("orange jet", ()), ("leaf", ()), ("star", ()))
    )
    pictures = PictureSet(named, np.repeat(things().pixels[:1], 6, axis=0))
    painted_leaf = PictureSet((Picture("blue leaf", (), "painted", "blue", "leaf"),), things().pixels[1:])
    asked = ask_in_colours(pictures, ["red", "blue", "red", "orange", "green", "yellow"], painted_leaf)
    assert [(p.name, p.colour, p.thing) for p in asked.pictures] == [
        ("orange kite", "orange", "kite"),
        ("yellow jet", "yellow", "plane"),
    ]
    assert asked.pixels.shape[0] == 2


def test_a_colour_alone_means_any_form_in_it():
    red = next(p for p in few_shapes().pictures if p.name == "red circle")
    texts = [caption(red, None, random.Random(seed)) for seed in range(400)]
    alone = [text for text in texts if "red" in text.split() and "circle" not in text]
    any_colour = [text for text in texts if "circle" in text and "red" not in text.split()]
    assert 10 < len(alone) < 70 and 10 < len(any_colour) < 70


def test_tags_that_other_things_or_plain_words_mean_are_left_out():
    wheel = sources.Emoji("wheel", (), ("circle", "tire", "turn"), "\N{WHEEL}", None)
    arrow = sources.Emoji("arrow", ("turn",), (), "\N{RIGHTWARDS ARROW}", None)
    assert [one.tags for one in sources.own_tags([wheel, arrow])] == [("circle", "tire"), ()]
    assert [one.tags for one in sources.own_tags([wheel, arrow], {"circle"})] == [("tire",), ()]


@pytest.mark.skipif(not sources.FONT.is_file(), reason="the font is not installed")
def test_no_colour_and_no_form_is_a_tag_of_a_thing():
    wheel = sources.Emoji("wheel", (), ("circle", "yellow", "red heart", "tire"), "\N{FERRIS WHEEL}", None)
    assert draw_emoji([wheel], Path(sources.FONT), None).pictures[0].tags == ("tire",)


def test_captions_are_the_same_for_the_same_seed_and_have_articles():
    picture = things().pictures[0]
    first, again = ([caption(picture, "orange", random.Random(seed)) for seed in range(40)] for _ in range(2))
    assert first == again
    assert any("an orange background" in text for text in first)
    assert not any("a orange" in text for text in first)


def test_captions_of_two_say_the_right_side():
    barn, leaf = things().pictures
    texts = {caption_of_two(barn, leaf, None, random.Random(seed)) for seed in range(200)}
    for text in texts:
        name = "barn" if "barn" in text else "shed"
        if "right of" in text:
            assert text.index("leaf") < text.index(name)
        elif "left" in text:
            assert text.index(name) < text.index("leaf")


def test_tokens_of_every_caption_are_known():
    from tools.starter_model.tokens import Tokens

    pictures = join(few_shapes(), things(), paint_things(things())).pictures
    tokens, rng = Tokens(every_text(pictures)), random.Random(0)
    for picture in pictures:
        for text in (caption(picture, "blue", rng), caption_of_two(picture, pictures[0], None, rng)):
            assert tokens.unknown not in tokens.encode(text).tolist(), text
    assert tokens.unknown in tokens.encode("zeppelin").tolist()


def test_words_that_nobody_taught_are_put_between_the_others_with_commas_or_without():
    from tools.starter_model.tokens import Tokens

    tokens = Tokens(every_text(few_shapes().pictures))
    comma = int(tokens.encode(",")[1])
    caption_ids = tokens.encode("red circle")
    numbers, commas = [], []
    for seed in range(40):
        ids = tokens.with_strangers(caption_ids, torch.Generator().manual_seed(seed), 24)
        assert ids.shape == caption_ids.shape and ids[0] == caption_ids[0] and ids[-1] == caption_ids[-1]
        assert [i for i in ids.tolist() if i not in (tokens.unknown, comma)][:4] == caption_ids[:4].tolist()
        numbers.append(ids.tolist().count(tokens.unknown))
        commas.append(ids.tolist().count(comma))
    assert min(numbers) >= 1 and 18 < max(numbers) <= 24
    assert 0.3 < sum(commas) / sum(numbers) < 0.7


def test_a_picture_lands_where_it_is_put():
    layers = premultiplied(torch.from_numpy(few_shapes().pixels[:1]))
    places = Places(torch.tensor([0.4]), torch.tensor([[0.25, -0.25]]), torch.tensor([False]))
    canvas = over(place(layers, places, (96, 160)), grounds(torch.tensor([0]), (96, 160), "cpu"))[0]
    ink = (canvas[1] < 0.5).nonzero().float().mean(0)
    assert torch.allclose(ink, torch.tensor([48 - 24.0, 80 + 24.0]), atol=1.5)


@pytest.mark.skipif(not sources.FONT.is_file(), reason="the font is not installed")
def test_the_font_draws_a_red_apple():
    apple = sources.Emoji("apple", (), (), "\N{RED APPLE}", "red")
    found = draw_emoji([apple], Path(sources.FONT), None)
    assert found.pictures[0].name == "apple"
    red, green, blue, alpha = found.pixels[0, 80, 64]
    assert alpha == 255 and red > 150 and green < 100 and blue < 100


def test_names_are_read_with_words_and_colours():
    listed = sources.read_names(sources.NAMES)
    assert listed["automobile"] == (("car",), "red")
    assert len(listed) > 500
    assert sources.plain("Piñata!") == "pinata"


def test_a_missing_file_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(SystemExit, match="npm pack emojibase-data"):
        sources.require(tmp_path / "data.json", "names")
