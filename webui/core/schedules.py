"""Schedules: how the noise levels of a run are chosen from the model's range.

Each function gives the levels (standard deviations of the added noise) from high to low. The last is 0.0 but for `kl_optimal`,
which ends at the lowest level, as it does in the peers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webui.core.beta import inverse_beta
from webui.core.sigmas import sigma_to_timestep, timestep_to_sigma


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a schedule is made for.

    Args:
        sigmas: the model's table, rising.
        low, high: the range of noise; None: the table's.
        rho: None: the schedule's own.
        sdxl: whether the model is of the SDXL family, which has tables of its own.
        alpha, beta: of the Beta schedule.
    """

    sigmas: Sequence[float]
    low: float | None = None
    high: float | None = None
    rho: float | None = None
    sdxl: bool = False
    alpha: float = 0.6
    beta: float = 0.6

    @property
    def ends(self) -> tuple[float, float]:
        """The highest and the lowest level."""
        return self.high or self.sigmas[-1], self.low or self.sigmas[0]


#: (steps, range) → noise levels, falling.
Schedule = Callable[[int, Range], list[float]]


def _ramp(steps: int) -> list[float]:
    """`steps` values from 0 to 1."""
    return [index / (steps - 1) if steps > 1 else 0.0 for index in range(steps)]


def uniform(steps: int, over: Range) -> list[float]:
    """Evenly spaced timesteps from the last to the first: the spacing of the model itself, whatever range is asked for."""
    last = len(over.sigmas) - 1
    return [timestep_to_sigma(last * (1.0 - part), over.sigmas) for part in _ramp(steps)] + [0.0]


def karras(steps: int, over: Range) -> list[float]:
    """Evenly spaced in σ^(1/ρ), ρ = 7, which gives more steps to low noise. Source: Karras et al. 2022, equation 5."""
    rho = over.rho or 7.0
    high, low = (end ** (1 / rho) for end in over.ends)
    return [(high + part * (low - high)) ** rho for part in _ramp(steps)] + [0.0]


def exponential(steps: int, over: Range) -> list[float]:
    """Evenly spaced in log σ: each level is the same share of the one before."""
    return polyexponential(steps, Range(sigmas=over.sigmas, low=over.low, high=over.high, rho=1.0))


def polyexponential(steps: int, over: Range) -> list[float]:
    """log σ as a power ρ of an even ramp; ρ = 1 is the exponential schedule."""
    high, low = (math.log(end) for end in over.ends)
    return [math.exp(low + (1.0 - part) ** (over.rho or 1.0) * (high - low)) for part in _ramp(steps)] + [0.0]


def sgm_uniform(steps: int, over: Range) -> list[float]:
    """Evenly spaced timesteps of which the last, nearly clean one is left out: what Stability's own code does."""
    high, low = (sigma_to_timestep(end, over.sigmas) for end in over.ends)
    return [timestep_to_sigma(high + (low - high) * index / steps, over.sigmas) for index in range(steps)] + [0.0]


def normal(steps: int, over: Range) -> list[float]:
    """Evenly spaced timesteps within the range."""
    high, low = (sigma_to_timestep(end, over.sigmas) for end in over.ends)
    return [timestep_to_sigma(high + (low - high) * part, over.sigmas) for part in _ramp(steps)] + [0.0]


def simple(steps: int, over: Range) -> list[float]:
    """Every (1000 / steps)-th level of the model's table, from the highest."""
    stride = len(over.sigmas) / steps
    return [over.sigmas[-1 - int(index * stride)] for index in range(steps)] + [0.0]


def ddim(steps: int, over: Range) -> list[float]:
    """Every ⌊1000 / steps⌋-th level, counted from the second lowest, as DDIM's own code strides; may give a step or more extra.

    Source: Song et al. 2021, arXiv:2010.02502.
    """
    stride = max(len(over.sigmas) // steps, 1)
    return [*over.sigmas[1::stride][::-1], 0.0]


def ddim_timesteps(steps: int, over: Range) -> list[float]:
    """As `ddim`, but ending at the table's lowest level, where DDIM's own code stops: "Automatic" for DDIM and PLMS."""
    return [*ddim(steps, over)[:-1], over.sigmas[0]]


def turbo(steps: int, over: Range) -> list[float]:
    """The levels for which SD Turbo was distilled, generalised: timesteps 1000·k/steps − 1."""
    count = len(over.sigmas)
    timesteps = [min(max(round(count / steps * index) - 1, 0), count - 1) for index in range(steps, 0, -1)]
    return [over.sigmas[timestep] for timestep in timesteps] + [0.0]


def kl_optimal(steps: int, over: Range) -> list[float]:
    """Even in arctan σ: optimal in Kullback-Leibler divergence for Gaussian data.

    Source: Sabour et al. 2024, theorem 3.1, arXiv:2404.14507. Ends at the lowest level, not at 0.
    """
    high, low = (math.atan(end) for end in over.ends)
    return [math.tan(high + (low - high) * index / steps) for index in range(steps + 1)]


def beta(steps: int, over: Range) -> list[float]:
    """Quantiles of a Beta distribution, here spread over σ: many levels at both ends.

    Source: Lee et al. 2024, arXiv:2407.12173.
    """
    high, low = over.ends
    quantiles = [inverse_beta(1.0 - part, over.alpha, over.beta) for part in _ramp(steps)]
    return [low + quantile * (high - low) for quantile in quantiles] + [0.0]


# ---- tables

_AYS_SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
_GITS_SD1 = (14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029)
_GITS_SDXL = (14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, 0.029)
# fmt: off
_AYS_32_SD1 = (
    14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609, 3.13490466, 2.79228788,
    2.48773628, 2.21663865, 1.97508351, 1.7793172, 1.61475335, 1.46540953, 1.314849, 1.16642497, 1.03475547, 0.91573744,
    0.80748169, 0.71202361, 0.621739, 0.53065202, 0.4529096, 0.37491455, 0.27461819, 0.2011529, 0.14105873, 0.06682881,
    0.03166121, 0.015,
)
_AYS_32_SDXL = (
    14.615, 11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704, 3.27407457, 2.74396527, 2.29968659,
    1.95448514, 1.67108715, 1.42878152, 1.23181009, 1.06789649, 0.92579443, 0.80290886, 0.69660121, 0.60436903, 0.52852552,
    0.46773344, 0.41393379, 0.36258186, 0.31008517, 0.26518925, 0.22326461, 0.17653877, 0.13959192, 0.10587381, 0.05519369,
    0.02877334, 0.015,
)
# fmt: on


def _from_table(sd1: tuple[float, ...], sdxl: tuple[float, ...], source: str) -> Schedule:
    def tabled(steps: int, over: Range) -> list[float]:
        return interpolate_log(sdxl if over.sdxl else sd1, steps) + [0.0]

    tabled.__doc__ = f"Levels optimised on the model family, interpolated in log σ for other numbers of steps. {source}"
    return tabled


def interpolate_log(table: Sequence[float], steps: int) -> list[float]:
    """`steps` values over the length of the table, linear in the logarithm between its entries."""
    last = len(table) - 1
    values = []
    for part in _ramp(steps):
        low = min(int(part * last), last - 1)
        share = part * last - low
        values.append(math.exp((1 - share) * math.log(table[low]) + share * math.log(table[low + 1])))
    return values


_AYS_SOURCE = "Source: Sabour et al. 2024, arXiv:2404.14507."

#: By label. "Automatic" is resolved before (`samplers.effective_scheduler`); "DDIM timesteps" is only ever its meaning.
SCHEDULES: dict[str, Schedule] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": _from_table(_AYS_SD1, _AYS_SDXL, _AYS_SOURCE),
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
    "Turbo": turbo,
    "DDIM timesteps": ddim_timesteps,
    "Align Your Steps GITS": _from_table(_GITS_SD1, _GITS_SDXL, "Source: Chen et al. 2024, arXiv:2405.11326."),
    "Align Your Steps 11": _from_table(_AYS_SD1, _AYS_SDXL, _AYS_SOURCE),
    "Align Your Steps 32": _from_table(_AYS_32_SD1, _AYS_32_SDXL, _AYS_SOURCE),
}


def schedule(label: str, steps: int, over: Range, *, discard_penultimate: bool = False) -> list[float]:
    """Noise levels, falling; as a rule `steps` + 1 of them, the last one 0.0.

    Args:
        label: a key of `SCHEDULES`.
        discard_penultimate: make one more step and leave out the lowest level but the last, as some samplers want it.
    """
    levels = SCHEDULES[label](steps + discard_penultimate, over)
    return [*levels[:-2], levels[-1]] if discard_penultimate else levels
