"""Going over a picture strip by strip, and what is kept on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from webui.diffusion.tiling.moments import Moments, moments_of
from webui.diffusion.tiling.rows import Rows, Stored, size


@dataclass(frozen=True)
class Strips:
    """How a picture is cut across its longer side.

    Attributes:
        axis: 2 where the strips lie above one another, 3 where they lie side by side.
        length: of the longer side, in latents.
        count: of strips; they are as even as whole latents allow.
    """

    axis: int
    length: int
    count: int

    @classmethod
    def of(cls, height: int, width: int, tile: int) -> Strips:
        """Strips of about as many latents as a square tile of that side has: memory is bounded however wide the picture is.

        None is thinner than two latents: torch 2.13 on the CPU reads past the end of bfloat16 input where a convolution of
        stride 2 has one column to give.
        """
        length, across = max(height, width), min(height, width)
        thickness = max(1, tile * tile // across)
        return cls(2 if height >= width else 3, length, max(1, min(-(-length // thickness), length // 2)))

    def spans(self, total: int) -> list[tuple[int, int]]:
        """(start, stop) of each strip in an activation that is `total` rows long."""
        scale = total // self.length
        edges = [index * self.length // self.count * scale for index in range(self.count)]
        return list(zip(edges, [*edges[1:], total], strict=True))


@dataclass
class Sweeper:
    """Computes activations and statistics strip by strip, and gives back what no later strip needs.

    Attributes:
        strips: how the picture is cut.
        room: how many numbers may be stored to save computing them twice, those that have to be stored included.
        told: called after each strip.
        known: statistics of norms; those that are missing are measured and added.
        frugal: store nothing within a level, which takes statistics that are known.
    """

    strips: Strips
    room: int = 0
    told: Callable[[], None] = lambda: None
    known: dict[nn.Module, Moments] = field(default_factory=dict)
    frugal: bool = False
    live: list[Stored] = field(default_factory=list)

    def store(self, source: Rows, *, beside: bool = False) -> Stored:
        """All of it; what it was computed from is given back on the way, unless the result is to stand beside that."""
        stored = Stored(source.shape, source.axis)
        for strip in self._computed(source):
            stored.append(strip)
            if not beside:
                for consumed in self.live:
                    consumed.release()
        self.live = [*(self.live if beside else ()), stored]
        return stored

    def settled(self, source: Rows) -> Rows:
        """Stored, if what comes next has to measure it."""
        return source if self.frugal else self.store(source)

    def moments(self, source: Rows, norm: nn.GroupNorm) -> Moments:
        """What that norm needs to know of it."""
        if norm not in self.known:
            self.known[norm] = self._measured(source, norm)
        return self.known[norm]

    def fits(self, source: Rows, *, beside: bool = False) -> bool:
        return size(source.shape) + (self.stored if beside else 0) <= self.room

    @property
    def stored(self) -> int:
        """Numbers in what is kept."""
        return sum(size(stored.shape) for stored in self.live)

    def _measured(self, source: Rows, norm: nn.GroupNorm) -> Moments:
        if isinstance(source, Stored):  # reading it is nothing to wait for
            spans = self.strips.spans(source.shape[source.axis])
            return moments_of((source.rows(*span) for span in spans), norm.num_groups)
        return moments_of(self._computed(source), norm.num_groups)

    def _computed(self, source: Rows) -> Iterator[Tensor]:
        for span in self.strips.spans(source.shape[source.axis]):
            yield source.rows(*span)
            self.told()


@dataclass
class Plan(Sweeper):
    """Goes the same way without computing: how many strips it will be, and how much memory it will take.

    Attributes:
        steps: strips that will be computed.
        most: numbers that stay stored at a time.
        widest: numbers in the largest strip of any layer, halo included.
        peak: numbers held at a time, those of the strips in work included.
    """

    steps: int = 0
    most: int = 0
    widest: int = 0
    peak: int = 0

    def store(self, source: Rows, *, beside: bool = False) -> Stored:
        self._count(source, stored=size(source.shape), beside=beside)
        stored = Stored(source.shape, source.axis)
        self.live = [*(self.live if beside else ()), stored]
        return stored

    def _measured(self, source: Rows, norm: nn.GroupNorm) -> Moments:
        if not isinstance(source, Stored):
            self._count(source)
        unknown = torch.zeros(1, norm.num_groups)
        return Moments(1, unknown, unknown)

    def _count(self, source: Rows, stored: int = 0, *, beside: bool = False) -> None:
        self.steps += self.strips.count
        kept = self.stored + stored if beside else max(self.stored, stored)
        self.most = max(self.most, kept)
        widest = self._widest_strip(source)
        self.widest = max(self.widest, widest)
        self.peak = max(self.peak, kept + SCRATCH * widest)

    def _widest_strip(self, source: Rows) -> int:
        """Of the layers that are computed together, halo included."""
        total = source.shape[source.axis]
        longest = max(stop - start for start, stop in self.strips.spans(total))
        own = size(source.shape) // total * min(longest + HALO, total)
        return max(own, *(self._widest_strip(layer) for layer in source.sources)) if source.sources else own


#: Strips of the widest layer that stand beside one another while it is computed: input, normed, oneDNN's copies. Measured.
SCRATCH = 6
#: Rows that a residual block reads beside its own, on both sides together, and one more for rounding.
HALO = 5
