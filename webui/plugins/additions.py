"""What extensions add to the program's tables while they are loaded: samplers, schedule types, upscalers, readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS
from webui.core.params import params_of
from webui.core.readers import READERS, ForeignReader
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLERS, SCHEDULERS, SamplerInfo, SchedulerInfo, split_sampler
from webui.core.schedules import SCHEDULES, Range, Schedule
from webui.errors import PluginError
from webui.plugins.calls import Calls
from webui.plugins.manifest import LoadProblem

#: (RGB picture, wanted width and height) → RGB picture.
Enlarge = Callable[[Any, tuple[int, int]], Any]

#: Infotext keys that are no field's, but which the program writes.
_RESERVED = ("Model hash", "VAE hash", "TI hashes", "Lora hashes", "VAE precision", "Version", "User", "Negative prompt")

#: Schedules that are only ever what "Automatic" means.
_UNLISTED = frozenset(SCHEDULES) - {info.label for info in SCHEDULERS}


class Additions:
    """Of one process's extensions."""

    def __init__(self, calls: Calls, *, engine: bool) -> None:
        self._calls, self._engine = calls, engine
        #: Names by extension.
        self.upscalers: dict[str, tuple[str, ...]] = {}
        #: By name, in the engine.
        self.upscaler_functions: dict[str, Enlarge] = {}
        self._schedules: dict[str, tuple[str, ...]] = {}

    def add(self, plugin: str) -> tuple[str, ...]:
        """What its hooks give; the names, for people.

        Raises:
            LoadProblem: something is named as another is, or is nothing of the kind; `remove` takes back what was added before.
            PluginError: a hook failed.
        """
        schedules, samplers = self._add_schedules(plugin), self._add_samplers(plugin)
        return (*schedules, *samplers, *self._add_upscalers(plugin), *self._add_readers(plugin))

    def remove(self, plugin: str) -> None:
        SAMPLERS.remove(plugin)
        SCHEDULERS.remove(plugin)
        READERS.remove(plugin)
        for label in self._schedules.pop(plugin, ()):
            SCHEDULES.pop(label, None)
        for name in self.upscalers.pop(plugin, ()):
            self.upscaler_functions.pop(name, None)

    def _given(self, hook: str, plugin: str, fits: Callable[[Any], bool]) -> list[Any]:
        found = [item for _, answer in self._calls.collect(hook, plugin) for item in answer]
        if (wrong := next((item for item in found if not fits(item)), None)) is not None:
            raise LoadProblem(f"{hook} gave {wrong!r:.80}, which is none.")
        return found

    # ---- sampling

    def _add_schedules(self, plugin: str) -> tuple[str, ...]:
        given = self._given("register_schedules", plugin, lambda item: _is_pair(item, SchedulerInfo))
        if taken := [info.label for info, _ in given if info.label in _UNLISTED]:
            raise LoadProblem(f"Its schedule type cannot be used: there is another “{taken[0]}”.")
        self._put(SCHEDULERS, plugin, [info for info, _ in given], "schedule type")
        labels = tuple(info.label for info, _ in given)
        self._schedules[plugin] = labels
        SCHEDULES.update({info.label: self._guarded_schedule(plugin, function) for info, function in given})
        return labels

    def _guarded_schedule(self, plugin: str, function: Schedule) -> Schedule:
        asked = self._calls.guarded(plugin, "register_schedules", function)

        def schedule(steps: int, over: Range) -> list[float]:
            levels = asked(steps, over)
            if not _falls(levels):
                told = "noise levels that are finite and fall were expected"
                raise PluginError(plugin, "register_schedules", f"it gave {levels!r:.80} for {steps} steps; {told}.")
            return list(map(float, levels))

        return schedule

    def _add_samplers(self, plugin: str) -> tuple[str, ...]:
        given = self._given("register_samplers", plugin, lambda item: isinstance(item, SamplerInfo))
        for info in given:
            if split_sampler(info.name)[1] is not None:
                found, scheduler = split_sampler(info.name)
                raise LoadProblem(
                    f"Its sampler “{info.name}” cannot be called so: older pictures mean {found} with {scheduler} by it."
                )
            if info.automatic not in SCHEDULES:
                raise LoadProblem(f"Its sampler “{info.name}” names “{info.automatic}”, which is no schedule type.")
        if self._engine:
            functions = self._functions("register_sampler_functions", plugin, [info.name for info in given])
            given = [replace(info, function=self._calls.guarded_sampler(plugin, functions[info.name])) for info in given]
        self._put(SAMPLERS, plugin, given, "sampler")
        return tuple(info.name for info in given)

    def _functions(self, hook: str, plugin: str, names: Sequence[str]) -> dict[str, Callable[..., Any]]:
        """By name: as many as were named."""
        found = dict(self._given(hook, plugin, lambda item: _is_pair(item, str)))
        for name in names:
            if name not in found:
                raise LoadProblem(f"There is no function for “{name}”; {hook} in engine.py would give it.")
        if more := sorted(found.keys() - set(names)):
            raise LoadProblem(f"{hook} gave a function for “{more[0]:.80}”, which plugin.py does not name.")
        return found

    @staticmethod
    def _put(table: Any, plugin: str, items: Sequence[Any], what: str) -> None:
        try:
            table.add(plugin, items)
        except (ValueError, AttributeError, TypeError) as error:
            raise LoadProblem(f"Its {what} cannot be used: {error}.") from error

    # ---- pictures

    def _add_upscalers(self, plugin: str) -> tuple[str, ...]:
        names = tuple(
            self._given("register_upscalers", plugin, lambda item: isinstance(item, str) and item.strip() == item != "")
        )
        others = {name for other, theirs in self.upscalers.items() if other != plugin for name in theirs}
        taken = {name.casefold() for name in (*LATENT_UPSCALERS, *PIXEL_UPSCALERS, *others)}
        for name in names:
            if name.casefold() in taken:
                raise LoadProblem(f"Its upscaler cannot be used: there is another “{name}”.")
            taken.add(name.casefold())
        if self._engine:
            for name, function in self._functions("register_upscaler_functions", plugin, names).items():
                self.upscaler_functions[name] = self._guarded_upscaler(plugin, function)
        self.upscalers[plugin] = names
        return names

    def _guarded_upscaler(self, plugin: str, function: Enlarge) -> Enlarge:
        hook = "register_upscaler_functions"
        asked = self._calls.guarded(plugin, hook, function)

        def enlarge(picture: Any, size: tuple[int, int]) -> Any:
            made = asked(picture, size)
            if not hasattr(made, "convert"):
                raise PluginError(plugin, hook, f"it gave {type(made).__name__}; a picture was expected.")
            return made.convert("RGB")

        return enlarge

    def _add_readers(self, plugin: str) -> tuple[str, ...]:
        given = self._given("register_readers", plugin, lambda item: _is_pair(item, str))
        readers = [ForeignReader(name, self._calls.guarded(plugin, "register_readers", read)) for name, read in given]
        self._put(READERS, plugin, readers, "reader")
        return tuple(name for name, _ in given)


def _is_pair(item: Any, kind: type) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], kind) and callable(item[1])


def _falls(levels: Any) -> bool:
    if isinstance(levels, str) or not isinstance(levels, Sequence) or len(levels) < 2:
        return False
    numbers = all(isinstance(level, int | float) and math.isfinite(level) and level >= 0 for level in levels)
    return numbers and all(high >= low for high, low in pairwise(levels)) and levels[0] > 0


def core_keys() -> set[str]:
    """Infotext keys that extensions' options cannot have."""
    own = (spec.param.infotext for spec in params_of(GenerationRequest).values())
    return {*_RESERVED, *(key.removesuffix("-1").removesuffix("-2") for key in own if key)}
