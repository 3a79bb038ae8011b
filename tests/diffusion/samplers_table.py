"""Writes `docs/samplers.md`: `python -m tests.diffusion.samplers_table`. A test tells when that is due."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tests.diffusion.references import REFERENCES, Reference, difference
from tests.diffusion.sampling import NO_NOISE, ORDERS, calls_per_step, global_error, levels, measured_order, run
from webui.core.samplers import find_sampler
from webui.diffusion.samplers import SAMPLERS, SamplerOptions

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "samplers.md"

INTRODUCTION = """# Samplers

What each sampling method is, what it takes, and how near it comes to what it should give. Made by `python -m
tests.diffusion.samplers_table` from the tests' own measurements; the code is in `webui/diffusion/samplers/`.

**Order**: doubling the steps divides the error by 2 to that power, where no noise is added and the last level is above 0.
Methods that need a past begin in first order, which holds the whole to 2. **Calls**: of the model, for each step.
**Automatic**: the schedule type which that means; "DDIM timesteps" are every ⌊1000 / steps⌋-th of the model's, ending at its
lowest noise level instead of 0.
"""

MEASURES = """## Measured

**Order** and **error in 30 steps** are against the closed form for Gaussian data, with eta 0, from noise level 10 to 0.1.
**Same as** names the scheduler of diffusers 0.42 that is the same method; **difference** is the greatest of any model call's
latents, and of the last, relative to the greatest number there, in float32 on levels and noise that both share. Without either,
the tests look at mean and spread of what comes out.
"""

NOTES = """## Good to know

- **Noise.** DPM++ SDE, 2M SDE and 3M SDE take their noise from a Brownian path of the picture's seed (the numbers are
  torchsde's), so that more steps refine the same picture. All others draw it step by step. Each picture of a batch has its own
  noise.
- **Batches.** A picture of a batch is the picture made alone, but for DPM adaptive: the pictures of a batch share its steps. On
  a CPU that holds for every bit, because each picture goes through the UNet by itself; on a graphics card, where several at once
  are quicker, a colour may differ by one of 255.
- **Steps.** DPM adaptive chooses its own; of the levels only the first and the last above 0 count. DPM fast makes as many model
  calls as there are steps, evenly in log σ. Both end at the lowest level, not at 0. Restart goes from 2 back to 0.1 once more
  from 20 steps on, twice more from 36 on, and stays within the steps asked for.
- **DDIM, DDIM CFG++, PLMS, UniPC** begin with noise of √(1 + σ²) and, where they end above 0, hand on latents in the scaling of
  training, as the published code does. In sigmas, DDIM is Euler, with eta 1 it is DDPM, which is Euler a.
- **UniPC** with the schedule type Automatic takes its levels from its skip type, with any other from that. The variant
  vary_coeff is of first order: its corrector is that of the authors' code, which differs from the paper's, since pictures in
  circulation were made with it.
- **IPNDM_V** has the weights of Adams and Bashforth for uneven steps. Code that other UIs share has slips in them, so pictures
  differ; with even levels they are the same.
- **HeunPP2** weighs its three slopes so that it is of first order; it makes three model calls a step, fewer in the last two.
- **CFG++** puts back the noise seen without the prompt. It is made for CFG scales up to 1; the usual ones are divided by 12.5.
- **LCM** and **TCD** are for models distilled for them. LCM's boundary condition, which changes nothing above the lowest
  timesteps, is left out.
"""


def function_source(name: str) -> str:
    """What the docstring of the function, or else of its module, says after "Source:"."""
    own, module = inspect.getdoc(SAMPLERS[name]) or "", inspect.getdoc(inspect.getmodule(SAMPLERS[name])) or ""
    text = (own if "Source: " in own else module).split("Source: ")[1]
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", " ".join(text.split()).rstrip("."))


def takes(name: str) -> str:
    """The options that change what a sampler gives."""
    info = find_sampler(name)
    assert info is not None
    plain = SamplerOptions(churn=3.0)
    counts = not torch.equal(
        run(name, levels("Karras", 6), options=plain)[0], run(name, levels("Karras", 6), options=replace(plain, noise=1.1))[0]
    )
    options = [f"eta ({info.eta:g})"] if info.eta is not None else []
    options += ["churn"] if info.churns else []
    options += ["noise"] if counts else []
    options += ["UniPC's own"] if name == "UniPC" else []
    return ", ".join(options) or "–"


def calls(name: str) -> str:
    return "3 a try" if name == "DPM adaptive" else str(round(calls_per_step(name)))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def methods() -> str:
    """What does not change from machine to machine."""
    rows = []
    for name in SAMPLERS:
        info = find_sampler(name)
        assert info is not None
        order = str(ORDERS.get(name, "–"))
        rows.append([name, order, calls(name), info.automatic, takes(name), function_source(name)])
    return table(["Sampler", "Order", "Calls", "Automatic", "Takes", "Source"], rows)


def _worst(references: Sequence[Reference], measure: Callable[[Reference], float]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers with numpy 2
        return f"{max(map(measure, references)):.0e}"


def same_as(name: str) -> str:
    found = [reference for reference in REFERENCES if reference.name == name]
    remarks = {reference.remark for reference in found if reference.remark}
    return ", ".join([f"{found[0].scheduler}Scheduler", *remarks]) if found else "–"


def measurements() -> str:
    rows = []
    for name in SAMPLERS:
        closed = name in ORDERS
        found = [reference for reference in REFERENCES if reference.name == name]
        rows.append(
            [
                name,
                f"{measured_order(name):.2f}" if closed else "–",
                f"{global_error(name, 30, NO_NOISE):.0e}" if closed or name == "DPM adaptive" else "–",
                same_as(name),
                _worst(found, difference) if found else "–",
            ]
        )
    return table(["Sampler", "Order", "Error in 30 steps", "Same as", "Difference"], rows)


def document() -> str:
    return "\n".join([INTRODUCTION, methods(), MEASURES, measurements(), NOTES])


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
