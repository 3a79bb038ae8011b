"""The Beta distribution's quantiles, which the standard library lacks. All that the Beta schedule needs of scipy."""

from __future__ import annotations

import math
from functools import lru_cache

_TINY = 1e-300


def cumulative_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 to 1. Source: DLMF 8.17.22, evaluated by Lentz's method."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - cumulative_beta(1.0 - x, b, a)  # the fraction converges quickly only on this side
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    return front * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _away(number: float) -> float:
    return number if abs(number) > _TINY else _TINY


@lru_cache(maxsize=2000)
def inverse_beta(share: float, a: float, b: float) -> float:
    """The x below which a Beta(a, b) variable falls with probability `share`, by bisection."""
    if share <= 0.0 or share >= 1.0:
        return float(share >= 1.0)
    low, high = 0.0, 1.0
    while high - low > 1e-15:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if cumulative_beta(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2
