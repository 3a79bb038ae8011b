"""Figures that say something of a picture without looking at it: how sharp it is, how like another. numpy, loaded when needed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np

    Grey = np.ndarray

#: Pictures are compared at this size at most: similarity is about what is seen, and large ones take long.
_SIDE = 256
_WINDOW = 7


def grey_of(data: bytes) -> Grey:
    """Brightness (height, width) in 0…255, float64, of a picture file; its longer side is 256 at most."""
    import numpy as np

    with Image.open(io.BytesIO(data)) as picture:
        grey = picture.convert("L")
    grey.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float64)


def sharpness(grey: Grey) -> float:
    """The variance of the Laplacian: fine detail makes it large, blur small, noise very large.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", doi:10.1109/ICPR.2000.903548.
    """
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(laplacian.var()) if laplacian.size else 0.0


def similarity(one: Grey, other: Grey) -> float | None:
    """The mean structural similarity of two pictures of one size, 1 for equal ones; None for other sizes.

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861, with windows of 7 × 7 that count alike.
    """
    if one.shape != other.shape or min(one.shape) < _WINDOW:
        return None
    mean_one, mean_other = _means(one), _means(other)
    variance_one, variance_other = _means(one * one) - mean_one**2, _means(other * other) - mean_other**2
    covariance = _means(one * other) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    most = (mean_one**2 + mean_other**2 + c1) * (variance_one + variance_other + c2)
    return float((likeness / most).mean())


def _means(values: Grey) -> Grey:
    """Over all windows, by sums from the corner."""
    import numpy as np

    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    total = sums[_WINDOW:, _WINDOW:] - sums[:-_WINDOW, _WINDOW:] - sums[_WINDOW:, :-_WINDOW] + sums[:-_WINDOW, :-_WINDOW]
    return total / _WINDOW**2
