"""Batches of latents and captions: from a cache that a CPU can afford, or drawn and encoded anew each time."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from tools.starter_model.canvas import GROUND_WORDS, Places, grounds, over, place, premultiplied
from tools.starter_model.captions import caption, caption_of_two
from tools.starter_model.modules import SCALING_FACTOR, encode
from tools.starter_model.pictures import SIZE, Picture, PictureSet
from tools.starter_model.training import Machine, choose, write_safely

#: How often each kind is drawn.
SHARES = {"thing": 0.52, "painted": 0.36, "shape": 0.12}

#: Of how latents are made, by the code here and what it calls: whoever changes that counts on, and all are made anew.
_VERSION = 2

_PAIRS = {"thing": 2, "painted": 1, "shape": 2}


class Samples(Protocol):
    def draw(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        """Two batches of latents of the same things, (number, 4, height / 8, width / 8) each, and their captions."""
        ...


def weights_of(pictures: PictureSet, known: frozenset[str] = frozenset()) -> list[float]:
    """Equal within a kind, but what a model knows already is repeated half as often."""
    counts = {kind: max(1, len(pictures.where(kind))) for kind in SHARES}
    return [SHARES[p.kind] / counts[p.kind] * (0.5 if p.name in known else 1.0) for p in pictures.pictures]


def small_places(number: int, generator: torch.Generator) -> Places:
    """Little variety, and no mirror images: what a small model can learn in hours of a CPU."""
    return Places.drawn(number, generator, low=0.88, high=1.03, shift=0.04, mirror=0.0)


def seed_of(generator: torch.Generator) -> random.Random:
    """A generator for words that follows the one for numbers."""
    return random.Random(int(torch.randint(2**31, (), generator=generator)))


@dataclass
class CachedSamples:
    """Latents made once: for each picture pairs that differ in size and place and share a ground.

    Attributes:
        latents: (rows, 2, 4, SIZE / 8, SIZE / 8).
        grounds: of each row, an index of `GROUND_WORDS`.
        owners: of each row, the index of its picture.
        known: names that a model knows which goes on.
    """

    pictures: PictureSet
    latents: Tensor
    grounds: Tensor
    owners: Tensor
    known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        weights = torch.tensor(weights_of(self.pictures, self.known))
        coloured = self.grounds > 0
        rows = torch.where(coloured, 0.35, 0.65)
        totals = torch.zeros(len(weights)).index_add(0, self.owners, rows)
        self._weights = weights[self.owners] * rows / totals[self.owners]

    @classmethod
    @torch.no_grad()
    def made(
        cls,
        vae: AutoencoderKL,
        pictures: PictureSet,
        path: Path,
        machine: Machine,
        seed: int,
        known: frozenset[str] = frozenset(),
    ) -> CachedSamples:
        """Encode everything once, or read what an earlier run encoded of the same; the first of several processes does it."""
        if machine.company.leads:
            made_of = _digest(vae, pictures, seed)
            content: dict[str, Any] = torch.load(path, weights_only=True) if path.exists() else {}
            if content.get("made of") != made_of:
                owners, words = _rows(pictures, torch.Generator().manual_seed(seed))
                latents = _encoded(vae, pictures, owners, words, machine, seed)
                content = {"made of": made_of, "latents": latents, "grounds": words, "owners": owners}
                write_safely(content, path)
            machine.company.told_by_leader(1.0)  # that the file is there
        else:
            machine.company.told_by_leader(0.0)
            content = torch.load(path, weights_only=True)
        return cls(pictures, content["latents"], content["grounds"], content["owners"], known)

    def draw(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        rows = choose(self._weights, number, generator)
        rng = seed_of(generator)
        texts = [
            caption(self.pictures.pictures[self.owners[row]], GROUND_WORDS[int(self.grounds[row])], rng) for row in rows.tolist()
        ]
        return self.latents[rows, 0], self.latents[rows, 1], texts


def _digest(vae: AutoencoderKL, pictures: PictureSet, seed: int) -> str:
    """Of everything that latents are made of, so that those of other pictures, seeds or weights are told from them; of the code
    that makes them there is its `_VERSION`."""
    told = [(p.name, p.kind, p.colour) for p in pictures.pictures]
    digest = hashlib.blake2b(repr((_VERSION, seed, told)).encode())
    digest.update(np.ascontiguousarray(pictures.pixels).data)
    for name, tensor in vae.state_dict().items():
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _fitting(*pictures: Picture) -> tuple[bool, list[int]]:
    """Which grounds pictures stand out from: whether white does, and the coloured ones."""
    taken = {picture.colour for picture in pictures}
    return "white" not in taken, [i for i, word in enumerate(GROUND_WORDS) if word is not None and word not in taken]


def _rows(pictures: PictureSet, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The picture and the ground of each row; the first ground of a picture is white, unless the picture is."""
    owners, words = [], []
    for index, picture in enumerate(pictures.pictures):
        white, coloured = _fitting(picture)
        turns = torch.randperm(len(coloured), generator=generator).tolist()
        plain = white and (picture.kind != "painted" or float(torch.rand((), generator=generator)) < 0.75)
        chosen = ([0] if plain else []) + [coloured[turn] for turn in turns]
        owners += [index] * _PAIRS[picture.kind]
        words += chosen[: _PAIRS[picture.kind]]
    return torch.tensor(owners), torch.tensor(words)


def _encoded(vae: AutoencoderKL, pictures: PictureSet, owners: Tensor, words: Tensor, machine: Machine, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    layers = premultiplied(torch.from_numpy(pictures.pixels))
    found = []
    for begin in range(0, len(owners), 4):
        own, word = owners[begin : begin + 4].repeat_interleave(2), words[begin : begin + 4].repeat_interleave(2)
        canvas = place(layers[own].to(machine.device), small_places(len(own), generator), (SIZE, SIZE))
        canvas = over(canvas, grounds(word, (SIZE, SIZE), machine.device)) * 2 - 1
        latents = encode(vae, canvas.contiguous(memory_format=torch.channels_last)) * SCALING_FACTOR
        found.append(latents.unflatten(0, (-1, 2)).cpu().contiguous())
        if begin % 200 == 0:
            print(f"encoded {begin} of {len(owners)} pairs", flush=True)
    return torch.cat(found)


#: Heights and widths of batches, and how often; all as large as makes batches of about the same work.
_SIZES = (((128, 128), 10), ((96, 96), 2), ((128, 192), 2), ((192, 128), 2), ((160, 160), 2), ((96, 160), 1), ((160, 96), 1))
_LARGE = (((192, 192), 1), ((256, 256), 1), ((256, 160), 1), ((160, 256), 1))


@dataclass
class LiveSamples:
    """Pictures drawn and encoded as they are needed: one thing or two, on canvases of many sizes. For GPUs."""

    pictures: PictureSet
    vae: AutoencoderKL
    machine: Machine
    two: float = 0.25

    def __post_init__(self) -> None:
        self._layers = premultiplied(torch.from_numpy(self.pictures.pixels)).to(self.machine.device)
        self._small = functional.avg_pool2d(self._layers, 2)
        self._weights = weights_of(self.pictures)
        self._encode = self.machine.fast(self.vae.encoder)

    @torch.no_grad()
    def draw(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        rng = seed_of(generator)
        (size,) = rng.choices(*zip(*_SIZES, *_LARGE, strict=True))
        number = max(8, number * SIZE * SIZE // (size[0] * size[1]) // 8 * 8)
        pairs = int(number * self.two)
        first = choose(self._weights, number, generator)
        second = choose(self._weights, pairs, generator)
        words = self._words(first, second, rng)
        alone = [self._encoded(self._one(first[pairs:], words[pairs:], size, generator)) for _ in range(2)]
        both = [self._encoded(self._two(first[:pairs], second, words[:pairs], size, generator)) for _ in range(2)]
        named = [self.pictures.pictures[index] for index in first.tolist()]
        texts = [
            caption_of_two(left, self.pictures.pictures[right], GROUND_WORDS[word], rng)
            for left, right, word in zip(named, second.tolist(), words.tolist(), strict=False)
        ]
        texts += [
            caption(picture, GROUND_WORDS[word], rng) for picture, word in zip(named[pairs:], words[pairs:].tolist(), strict=True)
        ]
        return torch.cat([both[0], alone[0]]), torch.cat([both[1], alone[1]]), texts

    def _words(self, first: Tensor, second: Tensor, rng: random.Random) -> Tensor:
        """A ground for each of the first; the second ones stand beside the first of these."""
        words = []
        for own, beside in zip_longest(first.tolist(), second.tolist()):
            white, coloured = _fitting(*(self.pictures.pictures[index] for index in (own, beside) if index is not None))
            words.append(0 if white and rng.random() < 0.6 else rng.choice(coloured))
        return torch.tensor(words)

    def _one(self, indices: Tensor, words: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        places = Places.drawn(len(indices), generator, low=0.8, high=1.04, shift=0.06, mirror=0.0)
        layers = self._layers[indices.to(self.machine.device)]
        return over(place(layers, places, size), grounds(words, size, self.machine.device))

    def _two(self, left: Tensor, right: Tensor, words: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        canvas = grounds(words, size, self.machine.device)
        apart = 0.26 * max(1.0, size[1] / size[0])
        for indices, side in ((left, -apart), (right, apart)):
            places = Places.drawn(len(indices), generator, low=0.44, high=0.54, shift=0.05, mirror=0.0)
            places = Places(places.scale, places.centre + torch.tensor([side, 0.0]), places.mirrored)
            canvas = over(place(self._small[indices.to(self.machine.device)], places, size), canvas)
        return canvas

    def _encoded(self, canvas: Tensor) -> Tensor:
        assert self.vae.quant_conv is not None
        with self.machine.autocast():
            moments = self.vae.quant_conv(self._encode((canvas * 2 - 1).contiguous(memory_format=torch.channels_last)))
        return moments.float()[:, :4] * SCALING_FACTOR
