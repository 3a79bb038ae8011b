"""What a model is measured by: does each setting do its part, and what becomes of two things and of other sizes?"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from tools.starter_model.canvas import GROUND_TABLE
from tools.starter_model.captions import with_article
from tools.starter_model.colours import PAINT
from tools.starter_model.likeness import likeness_features, main_word, nearest, word_share
from tools.starter_model.lookup import Known, draw_all, find, own_word, prompt_of, rank_of, references, subject_of
from tools.starter_model.pictures import SIZE, PictureSet, draw_shapes
from tools.starter_model.sampling import Model, Wish, make_pictures

_WHITE = GROUND_TABLE[0]


def share(truths: Iterable[bool]) -> float:
    """In per cent."""
    values = list(truths)
    return 100 * sum(values) / max(1, len(values))


def rises(figures: Sequence[float]) -> bool:
    """Whether each is above the one before."""
    return all(before < after for before, after in pairwise(figures))


def guidance(model: Model, prompts: Sequence[str], scales: Sequence[float], wish: Wish) -> list[float]:
    """Mean unlikeness to the pictures at a scale of 1, for each scale."""
    plain = likeness_features(draw_all(model, prompts, replace(wish, guidance_scale=1.0)))
    return [
        float((likeness_features(draw_all(model, prompts, replace(wish, guidance_scale=scale))) - plain).norm(dim=1).mean())
        for scale in scales
    ]


@dataclass(frozen=True)
class Negatives:
    """How much of a shape has the colour that it has without a negative prompt, mean shares in per cent.

    Attributes:
        without: with no negative prompt.
        named: with this colour in it.
        control: with another colour in it, which also changes pictures.
        kept: how often something is left with the colour named, to which the form is the nearest of the forms, colours ignored,
            in per cent.
    """

    without: float
    named: float
    control: float
    kept: float


def negatives(model: Model, shapes: Sequence[str], wish: Wish) -> Negatives:
    """Of shapes that are asked for without a colour, four seeds each."""
    rng = random.Random(0)
    forms = Known.of(draw_shapes())
    shares, kept = [], []
    for seed in range(1, 5):
        plain = replace(wish, seed=seed)
        for shape, picture in zip(shapes, draw_all(model, shapes, plain), strict=True):
            word = main_word(picture, _WHITE)
            if word not in PAINT:
                continue
            other = rng.choice([colour for colour in PAINT if colour != word])
            named, control = (make_pictures(model, [shape], replace(plain, negative=colour))[0] for colour in (word, other))
            shares.append([word_share(drawn, _WHITE, word) for drawn in (picture, named, control)])
            order = nearest(likeness_features(named[None], colours=False), forms.edges)[0].tolist()
            kept.append(main_word(named, _WHITE) != "nothing" and forms.pictures[order[0]].thing == shape)
    if not shares:
        return Negatives(0, 0, 0, 0)
    without, named, control = (100 * sum(column) / len(shares) for column in zip(*shares, strict=True))
    return Negatives(without, named, control, share(kept))


@dataclass(frozen=True)
class Faithfulness:
    """Of img2img at one strength.

    Attributes:
        to_source: mean unlikeness to the source picture.
        to_prompt: mean unlikeness to the picture that the prompt means.
    """

    strength: float
    to_source: float
    to_prompt: float


def faithfulness(model: Model, pictures: PictureSet, strengths: Sequence[float], wish: Wish) -> list[Faithfulness]:
    """Each picture is redrawn as the next one."""
    pixels = references(pictures)
    features = likeness_features(pixels)
    wanted = features.roll(-1, 0)
    prompts = [prompt_of(p) for p in (*pictures.pictures[1:], pictures.pictures[0])]
    told = []
    for strength in strengths:
        made = [
            make_pictures(model, [prompt], replace(wish, source=source, denoising_strength=strength))
            for prompt, source in zip(prompts, pixels, strict=True)
        ]
        result = likeness_features(torch.cat(made))
        to_source, to_prompt = (float((result - other).norm(dim=1).mean()) for other in (features, wanted))
        told.append(Faithfulness(strength, to_source, to_prompt))
    return told


def variety(model: Model, prompts: Sequence[str], wish: Wish, seeds: int = 4) -> float:
    """Mean unlikeness of two seeds of one prompt."""
    made = [likeness_features(draw_all(model, prompts, replace(wish, seed=seed))) for seed in range(1, seeds + 1)]
    apart = [(a - b).norm(dim=1).mean() for i, a in enumerate(made) for b in made[:i]]
    return float(torch.stack(apart).mean())


def two_things(model: Model, pictures: PictureSet, number: int, wish: Wish) -> tuple[float, float]:
    """For prompts "a … left of a …": how often both things are there, and how often each on its side, in per cent.

    Each half of the picture is looked up among all these things, drawn into such a half; one of the nearest five counts.
    """
    rng = random.Random(0)
    names = [picture.name for picture in pictures.pictures]
    pairs = [rng.sample(range(len(names)), 2) for _ in range(number)]
    drawn = draw_all(model, [with_article(f"a {names[left]} left of a {names[right]}") for left, right in pairs], wish)
    halves = likeness_features(torch.cat(drawn.chunk(2, 3)))
    order = nearest(halves, Known.of(pictures, (SIZE, SIZE // 2)).features)[:, :5].tolist()
    seen = list(zip(order[:number], order[number:], strict=True))
    sides = [left in here and right in there for (left, right), (here, there) in zip(pairs, seen, strict=True)]
    both = [sides[i] or (left in seen[i][1] and right in seen[i][0]) for i, (left, right) in enumerate(pairs)]
    return share(both), share(sides)


@dataclass(frozen=True)
class Coloured:
    """Of prompts "a cat and a red ball", in per cent.

    Attributes:
        both: each thing is in a half of its own, colours ignored.
        right: so it is, and the one whose colour was named has it.
        astray: so it is, and the other one has that colour.
    """

    both: float
    right: float
    astray: float


def colours_of_two(model: Model, things: PictureSet, painted: PictureSet, number: int, wish: Wish) -> Coloured | None:
    """A thing, and another one in a colour, which the first one does not have anyway; None where there is no such pair.

    Each half of the picture is looked up among all these things, drawn into such a half, colours ignored; one of the nearest
    five counts.
    """
    own = own_word(things)
    fitting = [
        (plain, coloured)
        for plain, word in zip(things.pictures, own, strict=True)
        for coloured in painted.pictures
        if plain.thing != coloured.thing and coloured.colour != word
    ]
    if not fitting:
        return None
    pairs = random.Random(0).choices(fitting, k=number)
    drawn = draw_all(model, [with_article(f"a {plain.name} and a {coloured.name}") for plain, coloured in pairs], wish)
    known = Known.of(things, (SIZE, SIZE // 2))
    subjects = known.subjects
    both, right, astray = [], [], []
    for (plain, coloured), picture in zip(pairs, drawn, strict=True):
        halves = torch.stack(picture.chunk(2, 2))
        order = nearest(likeness_features(halves, colours=False), known.edges).tolist()
        ranks = [[rank_of(subject_of(p), [subjects[i] for i in row]) for p in (plain, coloured)] for row in order]
        side = int(ranks[1][1] + ranks[0][0] < ranks[0][1] + ranks[1][0])  # where the coloured one is more likely
        words = [main_word(half, _WHITE) for half in halves]
        there = ranks[side][1] < 5 and ranks[1 - side][0] < 5
        both.append(there)
        right.append(there and words[side] == coloured.colour)
        astray.append(there and words[1 - side] == coloured.colour)
    return Coloured(share(both), share(right), share(astray))


def in_size(model: Model, asked: PictureSet, everything: PictureSet, wish: Wish) -> tuple[float, float]:
    """How often the right one is the nearest, and among the nearest five, on canvases of `wish.size`, in per cent."""
    found = find(model, asked, Known.of(everything, wish.size), wish)
    return share(f.rank == 0 for f in found), share(f.rank < 5 for f in found)


def seconds_per_picture(model: Model, wish: Wish) -> float:
    """Processor time on one core, decoding included; the least of four."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        for _ in range(4):
            begun = time.process_time()
            make_pictures(model, ["red heart"], wish)
            times.append(time.process_time() - begun)
        return min(times)
    finally:
        torch.set_num_threads(threads)
