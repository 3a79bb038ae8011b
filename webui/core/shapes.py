"""Sizes of pictures by their shape: square, portrait, landscape, each with about as many pixels as a model was trained for."""

from __future__ import annotations

from math import sqrt

#: Of portraits: height by width. 3:2 of photographs.
_RATIO = 1.5

#: What people use with models of these sides, and what SDXL was trained for among others (arXiv:2307.01952, appendix I).
_PORTRAITS = {512: (512, 768), 1024: (832, 1216)}


def shapes(width: int, height: int) -> dict[str, tuple[int, int]]:
    """Width and height in pixels of "square", "portrait" and "landscape" for a model made for pictures of this size."""
    side = _rounded(sqrt(width * height), 8)
    portrait = _PORTRAITS.get(side) or _portrait(side)
    return {"square": (side, side), "portrait": portrait, "landscape": (portrait[1], portrait[0])}


def own_shape(width: int, height: int) -> dict[str, tuple[int, int]]:
    """The one of these shapes that a model has which was taught no other size."""
    name = "square" if width == height else "portrait" if width < height else "landscape"
    return {name: (width, height)}


def _portrait(side: int) -> tuple[int, int]:
    step = 64 if side >= 512 else 8
    return _rounded(side / sqrt(_RATIO), step), _rounded(side * sqrt(_RATIO), step)


def _rounded(length: float, step: int) -> int:
    return max(step, round(length / step) * step)
