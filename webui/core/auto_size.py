"""A size for a picture among those that a training set may have: multiples of 64 within limits. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

#: What can be preferred among the sizes whose proportions are near enough.
LARGEST, NEAREST = "Maximize area", "Minimize error"
OBJECTIVES = (LARGEST, NEAREST)

_RASTER = 64

Size = tuple[int, int]


@dataclass(frozen=True)
class SizeRange:
    """Sizes whose sides and whose product (in pixels) lie within limits, both of them included.

    Args:
        error: by how much the proportions may differ at most; 0.1 is a tenth.
    """

    low: int
    high: int
    least_area: int
    most_area: int
    error: float

    def best(self, size: Size, objective: str = LARGEST) -> Size | None:
        """The size that a picture of that size is cut to; None: none has about its proportions.

        Largest first and then nearest in proportions, or the other way round, as A1111's "Auto-sized crop" has it.
        """
        sides = range(-(-self.low // _RASTER) * _RASTER, self.high + 1, _RASTER)
        sizes = [(width, height) for width in sides for height in sides if self.least_area <= width * height <= self.most_area]
        near = [(_error(size, each), each) for each in sizes if _error(size, each) <= self.error]
        if not near:
            return None

        def key(found: tuple[float, Size]) -> tuple[float, float]:
            error, (width, height) = found
            return (-width * height, error) if objective == LARGEST else (error, -width * height)

        return min(near, key=key)[1]


def _error(size: Size, other: Size) -> float:
    """How far the proportions are apart: 0 is the same, towards 1 ever more different."""
    one, two = size[0] * other[1], size[1] * other[0]
    return 1 - min(one, two) / max(one, two)
