"""Grids of pictures with titles, written row by row: the whole is never in memory, so that there is no limit to its size.

    Z title ─────────────┐ Z title ──── …
           X title X title        X title …
    Y title  cell   cell   Y title  cell
    Y title  cell   cell   Y title  cell

Values of Z stand side by side; those of the axes beyond it below each other.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageChops

from webui.storage.chunks import png_chunk, png_infotext
from webui.storage.lettering import draw_lines, height_of, width_of, wrapped

#: No viewer opens wider pictures; cells are shrunk until the grid fits.
LARGEST_SIDE = 65_000

#: Bytes of the strip that is put together at a time.
_STRIP = 16 * 2**20

_WHITE, _GREY, _RED = (255, 255, 255), (128, 128, 128), (170, 30, 30)
_PAD = 6

Index = tuple[int, ...]
#: A cell's picture; or words that stand in its place: why there is none.
Load = Callable[[Index], "Image.Image | str"]


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Args:
        shape: how many values each axis has; X, Y, Z and further.
        labels: their titles.
        cell: width and height of the largest cell, in pixels.
        margin: between cells.
    """

    shape: tuple[int, ...]
    labels: tuple[tuple[str, ...], ...]
    cell: tuple[int, int]
    margin: int = 0
    legend: bool = True

    @cached_property
    def counts(self) -> tuple[int, int, int, int]:
        """Columns and rows of a block, blocks side by side, blocks below each other."""
        shape = (*self.shape, 1, 1, 1)
        return shape[0], shape[1], shape[2], math.prod(self.shape[3:])

    @cached_property
    def scale(self) -> float:
        """At most 1."""
        columns, rows, across, down = self.counts
        widest = across * columns * (self.cell[0] + self.margin) + across * self.cell[0]
        highest = down * rows * (self.cell[1] + self.margin) + down * self.cell[1]
        return min(1.0, LARGEST_SIDE / max(widest, highest))

    @cached_property
    def size(self) -> tuple[int, int]:
        """Of a cell, as it is drawn."""
        return max(1, int(self.cell[0] * self.scale)), max(1, int(self.cell[1] * self.scale))

    @cached_property
    def font(self) -> int:
        """In pixels."""
        return max(10, sum(self.size) // 25)

    def titles(self, axis: int) -> tuple[str, ...]:
        """Of an axis; empty ones where it is not there or nothing is to be written."""
        if axis < len(self.shape) and self.legend:
            return self.labels[axis]
        return ("",) * (self.shape[axis] if axis < len(self.shape) else 1)

    @cached_property
    def left(self) -> int:
        """The width of the titles of rows."""
        widest = max((width_of(line, self.font) for title in self.titles(1) for line in title.splitlines()), default=0)
        return min(widest + 2 * _PAD, max(self.size[0] * 3 // 4, 4 * self.font)) if widest else 0

    @cached_property
    def block(self) -> tuple[int, int]:
        """Width of a block and height of its rows of cells, margins included."""
        columns, rows, _, _ = self.counts
        return self.left + _spread(columns, self.size[0], self.margin), _spread(rows, self.size[1], self.margin)

    @cached_property
    def width(self) -> int:
        return _spread(self.counts[2], self.block[0], self.margin)

    @cached_property
    def height(self) -> int:
        return sum(band.height for band in self.bands)

    @cached_property
    def bands(self) -> list[Band]:
        """From top to bottom."""
        rows = self.counts[1]
        found: list[Band] = []
        for below, further in enumerate(itertools.product(*(range(length) for length in reversed(self.shape[3:])))):
            rest = tuple(reversed(further))
            if below:
                found.append(Blank(self.margin))
            found += [self._block_titles(rest), self._column_titles()]
            for row in range(rows):
                if row:
                    found.append(Blank(self.margin))
                found.append(Cells(self.size[1], row, rest))
        return [band for band in found if band.height]

    def _block_titles(self, rest: Index) -> Titles:
        beyond = [self.titles(3 + place)[value] for place, value in enumerate(rest)]
        texts = ["\n".join(filter(None, [title, *beyond])) for title in self.titles(2)]
        return self._titled([(self._block_left(place), self.block[0], text) for place, text in enumerate(texts)])

    def _column_titles(self) -> Titles:
        boxes = [
            (self._cell_left(block, column), self.size[0], text)
            for block in range(self.counts[2])
            for column, text in enumerate(self.titles(0))
        ]
        return self._titled(boxes)

    def _titled(self, boxes: Iterable[tuple[int, int, str]]) -> Titles:
        lines = [(left, width, wrapped(text, self.font, width - 2 * _PAD) if text else []) for left, width, text in boxes]
        highest = max((height_of(each, self.font) for _, _, each in lines), default=0)
        return Titles(highest + 2 * _PAD if highest else 0, tuple(lines))

    def _block_left(self, block: int) -> int:
        return block * (self.block[0] + self.margin)

    def _cell_left(self, block: int, column: int) -> int:
        return self._block_left(block) + self.left + column * (self.size[0] + self.margin)


def _spread(count: int, side: int, margin: int) -> int:
    return count * side + (count - 1) * margin


# ---- bands, each as wide as the grid


@dataclass(frozen=True)
class Blank:
    """White."""

    height: int

    def pieces(self, layout: Layout, load: Load) -> list[tuple[int, int, Image.Image]]:
        """What stands in the band: left edge, top edge, picture."""
        return []


@dataclass(frozen=True)
class Titles:
    """Words above blocks or columns: left edge, width, lines."""

    height: int
    lines: tuple[tuple[int, int, list[str]], ...]

    def pieces(self, layout: Layout, load: Load) -> list[tuple[int, int, Image.Image]]:
        return [(left, 0, _written(lines, layout.font, (width, self.height))) for left, width, lines in self.lines if lines]


@dataclass(frozen=True)
class Cells:
    """One row of cells of all blocks that stand side by side; `rest` is their index beyond Z."""

    height: int
    row: int
    rest: Index

    def pieces(self, layout: Layout, load: Load) -> list[tuple[int, int, Image.Image]]:
        columns, _, across, _ = layout.counts
        found = []
        for block in range(across):
            if title := layout.titles(1)[self.row]:
                lines = wrapped(title, layout.font, layout.left - 2 * _PAD)
                found.append((layout._block_left(block), 0, _written(lines, layout.font, (layout.left, self.height))))
            for column in range(columns):
                index = (column, self.row, block, *self.rest)[: len(layout.shape)]
                picture = _fitted(load(index), layout)
                left = layout._cell_left(block, column) + (layout.size[0] - picture.width) // 2
                found.append((left, (self.height - picture.height) // 2, picture))
        return found


Band = Blank | Titles | Cells


def _written(lines: Sequence[str], font: int, size: tuple[int, int], colour: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    picture = Image.new("RGB", size, _WHITE)
    draw_lines(picture, list(lines), font, (0, 0, *size), colour)
    return picture


def _fitted(found: Image.Image | str, layout: Layout) -> Image.Image:
    if isinstance(found, str):
        font = max(10, layout.font * 2 // 3)
        lines = wrapped(found, font, max(layout.size[0] - 2 * _PAD, font))
        return _written(lines, font, layout.size, _RED)
    picture = found.convert("RGB")
    if layout.scale < 1:
        size = max(1, round(picture.width * layout.scale)), max(1, round(picture.height * layout.scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


# ---- PNG, row by row


def grid_chunks(layout: Layout, load: Load, infotext: str = "") -> Iterator[bytes]:
    """The bytes of a PNG file, part by part.

    Args:
        load: gives the picture of a cell, or words that stand in its place; asked row by row.
    """
    header = struct.pack(">IIBBBBB", layout.width, layout.height, 8, 2, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + (png_infotext(infotext) if infotext else b"")
    packer = zlib.compressobj(6)
    above = Image.new("RGB", (layout.width, 1))
    for band in layout.bands:
        for strip in _strips(band, layout, load):
            packed = packer.compress(_filtered(strip, above))
            above = strip.crop((0, strip.height - 1, strip.width, strip.height))
            if packed:
                yield png_chunk(b"IDAT", packed)
    yield png_chunk(b"IDAT", packer.flush()) + png_chunk(b"IEND", b"")


def _strips(band: Band, layout: Layout, load: Load) -> Iterator[Image.Image]:
    """A band from top to bottom, in parts that are not too large."""
    pieces = band.pieces(layout, load)
    step = max(1, _STRIP // (3 * layout.width))
    for top in range(0, band.height, step):
        height = min(step, band.height - top)
        strip = Image.new("RGB", (layout.width, height), _WHITE)
        for left, upper, picture in pieces:
            strip.paste(picture, (left, upper - top))
        yield strip


def _filtered(strip: Image.Image, above: Image.Image) -> bytes:
    """As PNG's filter 2: each row as its difference to the one above it, which packs better."""
    shifted = Image.new("RGB", strip.size)
    shifted.paste(above, (0, 0))
    shifted.paste(strip.crop((0, 0, strip.width, strip.height - 1)), (0, 1))
    rows, length = ImageChops.subtract_modulo(strip, shifted).tobytes(), 3 * strip.width
    return b"".join(b"\2" + rows[start : start + length] for start in range(0, len(rows), length))
