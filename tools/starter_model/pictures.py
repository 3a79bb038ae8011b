"""The pictures to learn: emoji drawn with the font, plain shapes in eleven colours, and things painted anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tools.starter_model.colours import PAINT, THINGS, main_hue, main_word, painted, tinted
from tools.starter_model.sources import Emoji, own_tags

SIZE = 128
#: The one size of the bitmaps in Noto Color Emoji's CBDT build.
_FONT_SIZE = 109
_SHAPES = ("circle", "square", "triangle", "diamond", "star", "heart")
#: What shapes are called; nothing else is painted or drawn under these names.
_SHAPE_NAMES = frozenset(f"{colour} {form}" for form in _SHAPES for colour in PAINT)
#: Words that mean a form or a colour, whatever thing emojibase gives them to.
_PLAIN_WORDS = frozenset((*_SHAPES, *PAINT)) | _SHAPE_NAMES
#: Words that prompts and negative prompts say of anything, or of people: none of them may mean one thing only.
_SAID_OF_ANYTHING = frozenset(
    (
        "awesome awful beauty bless classical clever colorful cool crazy cross cup dangerous dark date day dead death decor "
        "drop eyes elegant evil extra fall fallen family fly full funny goofy gross hand head heavy hilarious high lady large "
        "late like male man mean medieval medium men nasty new nose over photo pixelated present scary sexy shine shiny sign "
        "silly slow solid sound spots stripe stuffed top tough treat turn ugly under waiting wall wild wise young"
    ).split()
)


@dataclass(frozen=True)
class Picture:
    """One thing on a transparent ground.

    Attributes:
        name: what it is called in full.
        words: short words for it.
        tags: further words that mean it and nothing else.
        kind: "shape", "thing", or "painted" for a thing in another colour than its own.
        colour: the colour word in its name, or of the thing itself where it has one.
        thing: the name of the thing that was painted; of a shape, its form.
    """

    name: str
    words: tuple[str, ...]
    kind: str
    colour: str | None
    thing: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class PictureSet:
    """Pictures and their pixels, (number, SIZE, SIZE, 4) uint8, straight alpha."""

    pictures: tuple[Picture, ...]
    pixels: NDArray[np.uint8]

    def where(self, *kinds: str) -> list[int]:
        return [index for index, picture in enumerate(self.pictures) if picture.kind in kinds]

    def take(self, indices: Sequence[int]) -> PictureSet:
        return PictureSet(tuple(self.pictures[index] for index in indices), self.pixels[list(indices)])

    def some(self, number: int) -> PictureSet:
        """See `evenly`."""
        return self.take(evenly(len(self.pictures), number))


def evenly(count: int, number: int) -> list[int]:
    """The indices of so many of `count`, or of all, from the first on."""
    number = min(number, count)
    return [index * count // number for index in range(number)]


def draw_emoji(emoji: Sequence[Emoji], font_path: Path, number: int | None) -> PictureSet:
    """The first `number` emoji (None: all) that the font has, as pictures of things."""
    font = ImageFont.truetype(str(font_path), _FONT_SIZE)
    blank = Image.new("RGBA", (SIZE, SIZE))
    missing = np.asarray(_drawn("\U0010fffe", font) or blank)
    chosen, pixels = [], []
    for one in emoji:
        if number is not None and len(chosen) == number:
            break
        image = _drawn(one.character, font)
        if image is not None and one.name not in _SHAPE_NAMES and not np.array_equal(np.asarray(image), missing):
            chosen.append(one)
            pixels.append(np.asarray(image))
    pictures = [
        Picture(e.name, e.words, "thing", e.colour, e.name, e.tags) for e in own_tags(chosen, _PLAIN_WORDS | _SAID_OF_ANYTHING)
    ]
    return PictureSet(tuple(pictures), np.stack(pixels))


def draw_shapes() -> PictureSet:
    """Six shapes in eleven colours."""
    pictures, pixels = [], []
    for form in _SHAPES:
        for colour, paint in PAINT.items():
            pictures.append(Picture(f"{colour} {form}", (), "shape", colour, form))
            pixels.append(np.asarray(_shape(form, paint)))
    return PictureSet(tuple(pictures), np.stack(pixels))


def paint_things(things: PictureSet, least: float = 0.2, *, tints: bool = True) -> PictureSet:
    """Every thing in each of the colours that it has not itself.

    What has one natural colour has that turned, if it covers the share `least` of it. Of other things all is tinted, unless their
    name begins with a colour: nobody asks for a red green apple.

    Args:
        tints: whether things of several colours are painted too.
    """
    pictures, pixels = [], []
    taken = {name for picture in things.pictures for name in (picture.name, *picture.words)} | _SHAPE_NAMES
    for picture, pixel in zip(things.pictures, things.pixels, strict=True):
        turned = picture.colour is not None and main_hue(pixel)[1].sum() >= least * (pixel[..., 3] > 60).sum()
        if not turned and (not tints or picture.name.split()[0] in PAINT):
            continue
        own = picture.colour if turned else main_word(pixel[pixel[..., 3] > 60][:, :3] / 255)
        short = _short_names(picture)
        for colour in THINGS:
            if colour != own and not taken & {f"{colour} {word}" for word in short}:
                name, *others = [f"{colour} {word}" for word in short]
                pictures.append(Picture(name, tuple(others), "painted", colour, picture.name))
                pixels.append((painted if turned else tinted)(pixel, colour))
    return PictureSet(tuple(pictures), np.stack(pixels) if pixels else np.zeros((0, SIZE, SIZE, 4), np.uint8))


def ask_in_colours(things: PictureSet, own: Sequence[str], painted: PictureSet) -> PictureSet:
    """Every thing that was not painted, under the name that it would have in one of the colours, with its pixels as they are.

    Left out are those whose own name begins with a colour (nobody asks for a red green apple), and one that is called as a form
    is: a red star is a form.

    Args:
        own: the main colour word of each thing, which it is not asked for in.
    """
    done = {picture.thing for picture in painted.pictures}
    taken = {name for picture in things.pictures for name in (picture.name, *picture.words)} | _SHAPE_NAMES
    pictures, indices = [], []
    for index, (picture, word) in enumerate(zip(things.pictures, own, strict=True)):
        if picture.name in done or picture.name.split()[0] in PAINT:
            continue
        short = _short_names(picture)
        free = (c for c in _turn(len(pictures)) if c != word and not taken & {f"{c} {name}" for name in short})
        colour = next(free, None)
        if colour is None:
            continue
        pictures.append(Picture(f"{colour} {short[0]}", (), "painted", colour, picture.name))
        indices.append(index)
    return PictureSet(tuple(pictures), things.pixels[indices])


def join(*sets: PictureSet) -> PictureSet:
    return PictureSet(sum((s.pictures for s in sets), ()), np.concatenate([s.pixels for s in sets]))


def held_out(pictures: Sequence[Picture], before: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of the painted things that training never sees: one colour of each, all colours equally often.

    They stand for "blue car" asked of a model that has seen blue things and cars of other colours.

    Args:
        before: what an earlier part of the training has not seen either; the later part keeps to it.
    """
    kept: dict[str, str] = {}
    things = list(dict.fromkeys(p.thing for p in pictures if p.kind == "painted"))
    for number, thing in enumerate(things):
        names = {p.colour: p.name for p in pictures if p.thing == thing and p.kind == "painted"}
        in_turn = [names[colour] for colour in _turn(number) if colour in names]
        kept[thing] = next((name for name in in_turn if name in before), in_turn[0])
    return frozenset(kept.values())


def _turn(number: int) -> list[str]:
    """All colours, so that each is the first one equally often."""
    return [THINGS[(number + step) % len(THINGS)] for step in range(len(THINGS))]


def _short_names(picture: Picture) -> list[str]:
    """Names that go with a colour word: "red apple" is painted as "blue apple"."""
    names = [name for name in (*picture.words[:1], picture.name, *picture.words[1:2]) if name.split()[0] not in PAINT]
    return list(dict.fromkeys(names)) or [picture.name]


def _drawn(character: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """The character, its widest side at most 118 pixels, centred; None where the font has nothing for it."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((80, 80), character, font=font, embedded_color=True, anchor="mm")
    box = canvas.getbbox()
    if box is None or box[2] - box[0] < 20:
        return None
    cut = canvas.crop(box)
    scale = 118 / max(136, *cut.size)  # most of the font's pictures are 136 wide: small ones stay small
    cut = cut.resize((round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS)
    out = Image.new("RGBA", (SIZE, SIZE))
    out.paste(cut, ((SIZE - cut.width) // 2, (SIZE - cut.height) // 2))
    return out


def _shape(form: str, paint: tuple[int, int, int]) -> Image.Image:
    side = 4 * SIZE
    image = Image.new("RGBA", (side, side), (*paint, 0))
    points = [(side * (0.5 + 0.4 * x), side * (0.5 + 0.4 * y)) for x, y in _outline(form)]
    ImageDraw.Draw(image).polygon(points, fill=(*paint, 255))
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _outline(form: str) -> list[tuple[float, float]]:
    """Corners in −1…1, y downwards."""
    turns = np.linspace(0, 2 * math.pi, 160, endpoint=False)
    if form == "circle":
        return [(math.cos(t), math.sin(t)) for t in turns]
    if form == "heart":
        waves = ((13, 1), (-5, 2), (-2, 3), (-1, 4))
        return [(16 * math.sin(t) ** 3 / 17, -sum(a * math.cos(n * t) for a, n in waves) / 17) for t in turns]
    if form == "star":
        radii = [(1.0 if corner % 2 == 0 else 0.42, corner * math.pi / 5) for corner in range(10)]
        return [(r * math.sin(t), 0.05 - r * math.cos(t)) for r, t in radii]
    return {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -0.95), (1, 0.8), (-1, 0.8)],
        "diamond": [(0, -1), (0.8, 0), (0, 1), (-0.8, 0)],
    }[form]
