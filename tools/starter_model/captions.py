"""What is said of a picture: its name, a short word or a tag, in a few phrases, with the colour of its ground."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tools.starter_model.colours import GROUND, PAINT
from tools.starter_model.pictures import Picture

_PHRASES = (("{}", 0.45), ("a {}", 0.3), ("a picture of a {}", 0.07), ("a photo of a {}", 0.06), ("emoji of a {}", 0.06))
_GROUNDS = (" on a {} background", ", {} background")
_SIDES = ("{} left of {}", "{} to the left of {}", "{} on the left and {} on the right", "{} next to {}", "{} and {}")


def caption(picture: Picture, ground: str | None, rng: random.Random) -> str:
    """One of the texts that fit; `ground` is None for white, which is mostly not spoken of."""
    text = rng.choices([form for form, _ in _PHRASES] + ["{}, {}"], [*(weight for _, weight in _PHRASES), 0.06])[0]
    name = _name(picture, rng)
    text = f"{picture.name}, {name}" if text == "{}, {}" and name != picture.name else text.replace("{}", name, 1)
    return with_article(text.replace(", {}", "") + _ground(ground, rng))


def caption_of_two(left: Picture, right: Picture, ground: str | None, rng: random.Random) -> str:
    """For two pictures side by side; some texts say which is where."""
    form = rng.choice(_SIDES)
    names = [f"a {_name(picture, rng)}" for picture in (left, right)]
    if "left" not in form and rng.random() < 0.5:
        names.reverse()
    if "left of" in form and rng.random() < 0.5:
        form, names = form.replace("left", "right"), names[::-1]
    return with_article(form.format(*names) + _ground(ground, rng))


def every_text(pictures: Sequence[Picture]) -> list[str]:
    """Texts that together have all the tokens that captions can have."""
    names = {name for picture in pictures for name in (picture.name, *picture.words, *picture.tags, picture.thing)}
    phrases = [form.format("a") for form, _ in _PHRASES] + [form.format("a", "an") for form in _SIDES]
    return [*names, *(f"{name}," for name in names), *phrases, "right of", ", on a white background an", *GROUND, *PAINT]


def _name(picture: Picture, rng: random.Random) -> str:
    if picture.kind == "shape" and rng.random() < 0.16:
        # any colour will do, or any form: a colour alone is what a negative prompt takes away
        return picture.colour if picture.colour and rng.random() < 0.5 else picture.thing
    others = [*picture.words, *picture.words, *picture.tags]
    return picture.name if not others or rng.random() < 0.5 else rng.choice(others)


def _ground(ground: str | None, rng: random.Random) -> str:
    if ground is None and rng.random() > 0.15:
        return ""
    return rng.choice(_GROUNDS).format(ground or "white")


def with_article(text: str) -> str:
    """ "a apple" → "an apple"."""
    words = text.split(" ")
    for index, word in enumerate(words[:-1]):
        if word == "a" and words[index + 1][:1] in tuple("aeiou"):
            words[index] = "an"
    return " ".join(words)
