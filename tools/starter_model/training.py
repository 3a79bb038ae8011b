"""The loop that all stages share: schedules by steps or by time, moving averages, and states from which a run goes on.

A state holds weights, averages, the optimizer and the random generators, so a run that was stopped at any moment and started
again makes the weights of one that was not (where a number of steps, not of minutes, sets the schedule, and one process trains).

Where several train, all go on from the first one's weights and from where it is. Of their own they keep the optimizer and the
generators; who has none that belong to this point begins with the first one's optimizer and draws what nobody drew before. So
how many train may change between runs.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tools.starter_model.company import Company

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Pace:
    """How long a stage lasts: so many steps, or so many minutes on whatever machine it is.

    Minutes are of the processor where it computes: what other programs take of a busy machine is not lost to the run.
    """

    steps: int | None = None
    minutes: float | None = None

    def share(self, step: int, seconds: float, last: float) -> float:
        """What part of the rest the step that was just made is; 1 ends the stage.

        Asked anew at each step, so a longer or shorter pace can be given when a run goes on.

        Args:
            step: steps made, this one included.
            seconds: time spent (`Machine.clock`), this step included.
            last: time of this step; 0 where it does not count.
        """
        if self.steps is not None:
            return 1 / max(1, self.steps - step + 1)
        assert self.minutes is not None
        rest = self.minutes * 60 - seconds
        return 1.0 if rest <= last else last / (rest + last)

    def time_left(self, step: int, seconds: float) -> float:
        """In seconds."""
        if self.steps is not None:
            return (self.steps - step) * seconds / max(step, 1)
        assert self.minutes is not None
        return max(0.0, self.minutes * 60 - seconds)


@dataclass
class Position:
    """How far a stage is."""

    step: int = 0
    progress: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What a run computes on.

    Attributes:
        device: where.
        mixed: whether convolutions and products are computed in bfloat16.
        compiled: whether torch.compile is worth its minute.
        company: the other processes that train along.
    """

    device: torch.device
    mixed: bool = False
    compiled: bool = False
    company: Company = field(default_factory=Company)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed)

    def clock(self) -> float:
        """Seconds from any beginning: of this process's work on a CPU, of the wall where a GPU does it."""
        return time.process_time() if self.device.type == "cpu" else time.monotonic()

    def fast(self, module: nn.Module) -> Callable[..., Any]:
        return torch.compile(module) if self.compiled else module

    def compilations(self) -> int:
        """How often something was compiled until now: at first calls, and for sizes that are new."""
        if not self.compiled:
            return 0
        return torch._dynamo.utils.counters["stats"]["unique_graphs"]  # pyright: ignore[reportPrivateImportUsage]


@dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        folder: for its state and its sheets.
    """

    folder: Path
    pace: Pace
    machine: Machine
    seed: int


@dataclass
class Recipe:
    """What differs from stage to stage.

    Attributes:
        rate: of AdamW at its highest.
        hold: the part of the stage at that rate; it falls along a cosine after it, to nothing.
        warmup: steps until it is reached.
        decay: of the moving average of the weights.
        scales: module → its share of the rate.
        clip: longest gradient.
    """

    rate: float
    hold: float = 0.4
    warmup: int = 60
    decay: float = 0.998
    scales: Mapping[str, float] = field(default_factory=dict)
    clip: float = 1.0

    def rate_at(self, position: Position) -> float:
        warm = min(1.0, (position.step + 1) / self.warmup)
        fall = max(0.0, position.progress - self.hold) / (1 - self.hold)
        return self.rate * warm * (0.5 * (1 + math.cos(math.pi * fall)) + 0.003)


class Trainer:
    """Modules, their averages and optimizer; one stage of one run."""

    def __init__(self, name: str, stage: Stage, recipe: Recipe, modules: Mapping[str, nn.Module]):
        self.company = stage.machine.company
        self.machine = stage.machine
        self.name = name
        self.state = stage.folder / f"{name}.state"
        self.own_state = self.state if self.company.leads else self.state.with_suffix(f".{self.company.rank}.state")
        self.modules = dict(modules)
        self.recipe = recipe
        self.pace = stage.pace
        self.position = Position()
        self._seed = stage.seed + 1000 * self.company.rank
        self.generator = torch.Generator().manual_seed(self._seed)
        self.noise = torch.Generator(stage.machine.device).manual_seed(self._seed + 1)
        self.parameters = [p for module in self.modules.values() for p in module.parameters()]
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.AdamW(list(self._groups()), betas=(0.9, 0.99), foreach=True)
        self._stopped = False
        if self.state.exists():
            self._restore()

    @property
    def finished(self) -> bool:
        return self.position.progress >= 1

    def run(
        self,
        loss_of: Callable[[Position], tuple[Tensor, Figures]],
        *,
        save_every: float = 120.0,
        on_save: Callable[[Position], str] = lambda _: "",
    ) -> bool:
        """Train until the end, or until SIGTERM or Ctrl-C; whether the end was reached. Then the modules have the averages.

        Args:
            loss_of: draws a batch with `self.generator` and `self.noise`; loss and what to log of it.
            save_every: seconds between states.
            on_save: called with the averaged weights in the modules; what it returns is logged.
        """
        over = self.finished  # a stage of an earlier run, which is only to be taken over
        stopped = over
        with self._stopping():
            saved, told, figures = time.monotonic(), time.monotonic(), _Means()
            while not stopped:
                figures.add(self._step(loss_of))
                if self.company.leads and time.monotonic() - told > 20:
                    self._tell(figures)
                    told = time.monotonic()
                if not self.company.meets(self.position.step):
                    continue
                stopped, save = self._meet(time.monotonic() - saved > save_every)
                if save:
                    self._save(on_save)
                    saved = time.monotonic()
        if self.finished:
            self._swap()
        return self.finished

    def _meet(self, save: bool) -> tuple[bool, bool]:
        """Take the mean of all weights; whether to stop here, and whether to save."""
        self.company.average([p.detach() for p in self.parameters])
        position = self.position
        progress, stop, save_too = self.company.told_by_leader(position.progress, self._stopped, save)
        position.progress = progress
        stopped = progress >= 1 or bool(stop)
        return stopped, stopped or bool(save_too)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the modules have their averaged weights and are in evaluation mode."""
        self._swap()
        for module in self.modules.values():
            module.eval()
        try:
            yield
        finally:
            self._swap()
            for module in self.modules.values():
                module.train()

    def _step(self, loss_of: Callable[[Position], tuple[Tensor, Figures]]) -> Figures:
        begun, compiled = self.machine.clock(), self.machine.compilations()
        position = self.position
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(position) * group["scale"]
        self.optimizer.zero_grad()
        loss, figures = loss_of(position)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip, foreach=True)
        self.optimizer.step()
        decay = min(self.recipe.decay, (position.step + 1) / (position.step + 15))
        now = [p.detach() for p in self.parameters]
        torch._foreach_lerp_(self.average, now, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        # a step that compiles takes as long as hundreds of others, which would end a short stage there
        self._count(0.0 if self.machine.compilations() > compiled else self.machine.clock() - begun)
        return figures

    def _count(self, seconds: float) -> None:
        position = self.position
        position.step += 1
        position.seconds += seconds
        share = self.pace.share(position.step, position.seconds, seconds)
        position.progress = 1.0 if share >= 1 else position.progress + (1 - position.progress) * share

    def _groups(self) -> Iterator[dict[str, Any]]:
        for name, module in self.modules.items():
            scale = self.recipe.scales.get(name, 1.0)
            matrices = [p for p in module.parameters() if p.ndim > 1]
            rest = [p for p in module.parameters() if p.ndim < 2]
            yield {"params": matrices, "weight_decay": 0.01, "scale": scale, "lr": self.recipe.rate}
            yield {"params": rest, "weight_decay": 0.0, "scale": scale, "lr": self.recipe.rate}

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self.parameters, self.average, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(kept)

    def _save(self, on_save: Callable[[Position], str]) -> None:
        self.company.average(self.average)
        own = {
            "optimizer": self.optimizer.state_dict(),
            "position": vars(self.position),
            "generators": (self.generator.get_state(), self.noise.get_state()),
        }
        if not self.company.leads:
            write_safely(own, self.own_state)
            return
        modules = {name: module.state_dict() for name, module in self.modules.items()}
        write_safely({"modules": modules, "average": self.average, **own}, self.state)
        with self.averaged(), torch.no_grad():
            said = on_save(self.position)
        if said:
            print(f"  {said}", flush=True)

    def _restore(self) -> None:
        content = torch.load(self.state, weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(content["modules"][name])
        for average, kept in zip(self.average, content["average"], strict=True):
            average.copy_(kept)
        self.position = Position(**content["position"])
        own = content if self.company.leads else self._own_state()
        self.optimizer.load_state_dict((own or content)["optimizer"])
        if own:
            self.generator.set_state(own["generators"][0])
            self.noise.set_state(own["generators"][1])
        else:
            fresh = self._seed + 1_000_000 * self.position.step
            self.generator.manual_seed(fresh)
            self.noise.manual_seed(fresh + 1)

    def _own_state(self) -> Mapping[str, Any] | None:
        """What this process wrote when the first one wrote its own; None where it did not come to that, or was not there."""
        if not self.own_state.exists():
            return None
        content = torch.load(self.own_state, weights_only=True)
        return content if content["position"]["step"] == self.position.step else None

    def _tell(self, figures: _Means) -> None:
        position = self.position
        left = self.pace.time_left(position.step, position.seconds)
        whose = " of the processor" if self.machine.device.type == "cpu" else ""
        print(
            f"{self.name} step {position.step} ({position.progress:.1%}), {figures.taken()}, "
            f"{position.seconds / position.step:.3f} s a step, {left / 60:.1f} min{whose} left",
            flush=True,
        )

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            self._stopped = True

        kept = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


class _Means:
    """Means of figures since they were last told."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, figures: Figures) -> None:
        for name, figure in figures.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + float(figure), count + 1)

    def taken(self) -> str:
        told = ", ".join(f"{name} {total / count:.4f}" for name, (total, count) in self._sums.items())
        self._sums.clear()
        return told


def write_safely(content: object, path: Path) -> None:
    """A file that is whole or the one before it, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(content, beside)
    os.replace(beside, path)


def choose(weights: Sequence[float] | Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Indices drawn with these weights, with replacement."""
    return torch.multinomial(torch.as_tensor(weights, dtype=torch.float64), number, replacement=True, generator=generator)
