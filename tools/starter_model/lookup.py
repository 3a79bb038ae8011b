"""What a drawn picture shows: it is looked up among clean pictures of everything that could have been asked for."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tools.starter_model.canvas import GROUND_TABLE, GROUND_WORDS, Places, grounds, over, place, premultiplied
from tools.starter_model.likeness import likeness_features, main_word, nearest
from tools.starter_model.pictures import SIZE, Picture, PictureSet
from tools.starter_model.sampling import Model, Wish, make_pictures

_AT_ONCE = 8
_REFERENCES_AT_ONCE = 64

Subject = tuple[bool, str]


@dataclass(frozen=True)
class Known:
    """Clean pictures, as `likeness` sees them, with colours and without."""

    pictures: tuple[Picture, ...]
    features: Tensor
    edges: Tensor

    @classmethod
    def of(cls, pictures: PictureSet, size: tuple[int, int] = (SIZE, SIZE)) -> Known:
        """As `references` draws them on a canvas of this height and width."""
        number = len(pictures.pictures)
        features, edges = [], []
        for begin in range(0, number, _REFERENCES_AT_ONCE):  # a thousand at once would take half a gigabyte
            clean = references(pictures.take(range(begin, min(begin + _REFERENCES_AT_ONCE, number))), size)
            features.append(likeness_features(clean))
            edges.append(likeness_features(clean, colours=False))
        return cls(pictures.pictures, torch.cat(features), torch.cat(edges))

    @property
    def subjects(self) -> list[Subject]:
        return [subject_of(picture) for picture in self.pictures]


@dataclass(frozen=True)
class Found:
    """What one prompt gave.

    Attributes:
        rank: the place of the right one by likeness, 0 for the nearest. Of a thing, which is asked for without a colour, among
            things and forms, each in all its colours counting once; else among all pictures, and behind them if it is none of
            them.
        shape_rank: the place of the right thing or form, colours ignored.
        word: the main colour word of what was drawn.
    """

    picture: Picture
    drawn: Tensor
    rank: int
    shape_rank: int
    word: str

    @property
    def coloured(self) -> bool:
        return self.word == self.picture.colour

    @property
    def obedient(self) -> bool:
        """In the right colour, and the right thing is one of the five nearest."""
        return self.coloured and self.shape_rank < 5

    @property
    def exact(self) -> bool:
        """In the right colour, and the right thing is the nearest."""
        return self.coloured and self.shape_rank == 0


def subject_of(picture: Picture) -> Subject:
    """The thing or form, whatever its colour; a thing may be called as a form is."""
    return picture.kind == "shape", picture.thing


def prompt_of(picture: Picture) -> str:
    """White things are asked for on blue, where they can be seen."""
    return picture.name + (" on a blue background" if picture.colour == "white" else "")


def references(pictures: PictureSet, size: tuple[int, int] = (SIZE, SIZE)) -> Tensor:
    """Each picture as `prompt_of` asks for it, (number, 3, height, width) in −1…1."""
    words = torch.tensor([_ground_of(picture) for picture in pictures.pictures], dtype=torch.long)
    number = len(words)
    places = Places(torch.full((number,), 0.97), torch.zeros(number, 2), torch.zeros(number, dtype=torch.bool))
    layers = place(premultiplied(torch.from_numpy(pictures.pixels)), places, size)
    return over(layers, grounds(words, size, "cpu")) * 2 - 1


def draw_all(model: Model, prompts: Sequence[str], wish: Wish) -> Tensor:
    """(number, 3, height, width) in −1…1, a few at a time."""
    parts = [list(prompts[begin : begin + _AT_ONCE]) for begin in range(0, len(prompts), _AT_ONCE)]
    return torch.cat([make_pictures(model, part, wish) for part in parts])


def find(model: Model, asked: PictureSet, known: Known, wish: Wish, phrase: str = "{}") -> list[Found]:
    """Draw every asked picture once and look it up among the known ones. Its thing or form is one of them.

    Args:
        phrase: the prompt, with {} for what is asked for.
    """
    if not asked.pictures:
        return []
    drawn = draw_all(model, [phrase.format(prompt_of(picture)) for picture in asked.pictures], wish)
    order = nearest(likeness_features(drawn), known.features).tolist()
    shapes = nearest(likeness_features(drawn, colours=False), known.edges).tolist()
    subjects = known.subjects
    names = [(picture.kind, picture.name) for picture in known.pictures]
    found = []
    for index, picture in enumerate(asked.pictures):
        subject = subject_of(picture)
        if picture.kind == "thing":
            rank = rank_of(subject, [subjects[other] for other in order[index]])
        elif (picture.kind, picture.name) in names:
            rank = rank_of((picture.kind, picture.name), [names[other] for other in order[index]])
        else:
            rank = len(names)
        shape_rank = rank_of(subject, [subjects[other] for other in shapes[index]])
        word = main_word(drawn[index], GROUND_TABLE[_ground_of(picture)])
        found.append(Found(picture, drawn[index], rank, shape_rank, word))
    return found


def rank_of(meant: Hashable, nearest_first: Sequence[Hashable]) -> int:
    """How many others come before it, each counted once."""
    return list(dict.fromkeys(nearest_first)).index(meant)


def own_word(pictures: PictureSet) -> list[str]:
    """The main colour word of each picture as it is."""
    return [
        main_word(references(pictures.take([index]))[0], GROUND_TABLE[_ground_of(picture)])
        for index, picture in enumerate(pictures.pictures)
    ]


def _ground_of(picture: Picture) -> int:
    return GROUND_WORDS.index("blue") if picture.colour == "white" else 0
