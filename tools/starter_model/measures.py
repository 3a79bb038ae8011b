"""What a model is measured by: does it draw what was asked, in the colour that was asked, and does each setting do its part?"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tools.starter_model.canvas import GROUND_TABLE, GROUND_WORDS, Places, grounds, over, place, premultiplied
from tools.starter_model.colours import PAINT
from tools.starter_model.likeness import likeness_features, main_word, nearest
from tools.starter_model.pictures import SIZE, Picture, PictureSet
from tools.starter_model.sampling import Model, Wish, make_pictures

_AT_ONCE = 8


@dataclass(frozen=True)
class Found:
    """What one prompt gave.

    Attributes:
        rank: the place of the right picture among all references by likeness, 0 for the nearest.
        shape_rank: the same, colours ignored, among pictures of other things.
        word: the main colour word of what was drawn.
    """

    picture: Picture
    drawn: Tensor
    rank: int
    shape_rank: int
    word: str

    @property
    def obedient(self) -> bool:
        """The right thing in the right colour."""
        return self.word == self.picture.colour and self.shape_rank < 5


def share(truths: Iterable[bool]) -> float:
    """In per cent."""
    values = list(truths)
    return 100 * sum(values) / max(1, len(values))


def prompt_of(picture: Picture) -> str:
    """White things are asked for on blue, where they can be seen."""
    return picture.name + (" on a blue background" if picture.colour == "white" else "")


def references(pictures: PictureSet) -> Tensor:
    """Each picture as `prompt_of` asks for it, (number, 3, SIZE, SIZE) in −1…1."""
    words = torch.tensor([GROUND_WORDS.index("blue") if p.colour == "white" else 0 for p in pictures.pictures])
    number = len(words)
    places = Places(torch.full((number,), 0.97), torch.zeros(number, 2), torch.zeros(number, dtype=torch.bool))
    layers = place(premultiplied(torch.from_numpy(pictures.pixels)), places, (SIZE, SIZE))
    return over(layers, grounds(words, (SIZE, SIZE), "cpu")) * 2 - 1


def draw_all(model: Model, prompts: Sequence[str], wish: Wish) -> Tensor:
    """(number, 3, height, width) in −1…1, a few at a time."""
    parts = [list(prompts[begin : begin + _AT_ONCE]) for begin in range(0, len(prompts), _AT_ONCE)]
    return torch.cat([make_pictures(model, part, wish) for part in parts])


def find(model: Model, asked: PictureSet, others: PictureSet, wish: Wish) -> list[Found]:
    """Draw every asked picture once and look it up among the asked and the others."""
    drawn = draw_all(model, [prompt_of(picture) for picture in asked.pictures], wish)
    known = torch.cat([references(asked), references(others)])
    things = [picture.thing for picture in (*asked.pictures, *others.pictures)]
    order = nearest(likeness_features(drawn), likeness_features(known)).tolist()
    shapes = nearest(likeness_features(drawn, colours=False), likeness_features(known, colours=False)).tolist()
    found = []
    for index, picture in enumerate(asked.pictures):
        different = list(dict.fromkeys(things[other] for other in shapes[index]))
        ground = GROUND_TABLE[GROUND_WORDS.index("blue") if picture.colour == "white" else 0]
        word = main_word(drawn[index], ground)
        found.append(Found(picture, drawn[index], order[index].index(index), different.index(picture.thing), word))
    return found


def guidance(model: Model, prompts: Sequence[str], scales: Sequence[float], wish: Wish) -> list[float]:
    """Mean unlikeness to the pictures at a scale of 1, for each scale."""
    plain = likeness_features(draw_all(model, prompts, replace(wish, guidance_scale=1.0)))
    return [
        float((likeness_features(draw_all(model, prompts, replace(wish, guidance_scale=scale))) - plain).norm(dim=1).mean())
        for scale in scales
    ]


def negatives(model: Model, shapes: Sequence[str], wish: Wish) -> float:
    """How often a colour that a shape without a colour word is drawn in goes away when it is put into the negative prompt."""
    gone = []
    for seed in range(1, 5):
        for shape, picture in zip(shapes, draw_all(model, shapes, replace(wish, seed=seed)), strict=True):
            word = main_word(picture, GROUND_TABLE[0])
            if word in PAINT:
                without = make_pictures(model, [shape], replace(wish, seed=seed, negative=word))[0]
                gone.append(main_word(without, GROUND_TABLE[0]) != word)
    return share(gone)


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

    Each half of the picture is looked up among all things, drawn into such a half; one of the nearest five counts.
    """
    rng = random.Random(0)
    pairs = [rng.sample(range(len(pictures.pictures)), 2) for _ in range(number)]
    names = [picture.name for picture in pictures.pictures]
    drawn = draw_all(model, [f"a {names[left]} left of a {names[right]}" for left, right in pairs], wish)
    halves = torch.cat(drawn.chunk(2, 3))
    count = len(names)
    places = Places(torch.full((count,), 0.98), torch.zeros(count, 2), torch.zeros(count, dtype=torch.bool))
    layers = place(premultiplied(torch.from_numpy(pictures.pixels)), places, (SIZE, SIZE // 2))
    known = over(layers, grounds(torch.zeros(count, dtype=torch.long), (SIZE, SIZE // 2), "cpu")) * 2 - 1
    order = nearest(likeness_features(halves), likeness_features(known))[:, :5].tolist()
    seen = list(zip(order[:number], order[number:], strict=True))
    sides = [left in here and right in there for (left, right), (here, there) in zip(pairs, seen, strict=True)]
    both = [{left, right} <= {*here, *there} for (left, right), (here, there) in zip(pairs, seen, strict=True)]
    return share(both), share(sides)


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
