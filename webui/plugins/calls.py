"""Calling the hooks: each extension's own function with the arguments that it names; whatever goes wrong bears its name."""

from __future__ import annotations

import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from webui.core.params import suggest
from webui.errors import Cancelled, PluginError, WebUIError
from webui.plugins import hooks
from webui.plugins.hooks import COMMON_HOOKS, ENGINE_HOOKS, HOOKS
from webui.plugins.manifest import LoadProblem

Value = TypeVar("Value")

_PROJECT = hooks.hookimpl.project_name
_MARK = f"{_PROJECT}_impl"


def implemented(module: ModuleType) -> tuple[str, ...]:
    """The hooks that a module implements.

    Raises:
        LoadProblem: for a marked function that is no hook, or takes an argument that the hook has not.
    """
    found = {name: value for name, value in vars(module).items() if inspect.isroutine(value) and hasattr(value, _MARK)}
    for name, function in found.items():
        if name not in HOOKS:
            raise LoadProblem(f"There is no hook “{name}”. {suggest(name, tuple(HOOKS))}")
        if getattr(function, _MARK)["wrapper"] or getattr(function, _MARK)["hookwrapper"]:
            raise LoadProblem(f"{name} is marked as pluggy's wrapper; the hooks here fold instead.")
        known = tuple(inspect.signature(HOOKS[name]).parameters)
        for argument in inspect.signature(function).parameters:
            if argument not in known:
                raise LoadProblem(f"The hook {name} has no argument “{argument}”; it has {', '.join(known) or 'none'}.")
    return tuple(found)


class _Registry(pluggy.PluginManager):
    """Of the hooks of one process: the functions for the other are passed over."""

    def __init__(self, *, engine: bool) -> None:
        super().__init__(_PROJECT)
        self._engine = engine
        self.add_hookspecs(hooks)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        ours = name in COMMON_HOOKS or (name in ENGINE_HOOKS) == self._engine
        return super().parse_hookimpl_opts(plugin, name) if ours else None


class Calls:
    """The hooks of one process. Extensions are called in the order in which they were loaded; tryfirst and trylast count."""

    def __init__(self, *, engine: bool) -> None:
        self._registry = _Registry(engine=engine)
        #: Seconds spent in each extension's hooks since `Times.taken`.
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, plugin: str, module: ModuleType, part: str) -> None:
        self._registry.register(module, f"{plugin}/{part}")

    def remove(self, plugin: str) -> None:
        for name, _ in self._registry.list_name_plugin():
            if name.partition("/")[0] == plugin:
                self._registry.unregister(name=name)

    def _implementations(self, hook: str) -> Iterator[tuple[str, pluggy.HookImpl]]:
        found = getattr(self._registry.hook, hook).get_hookimpls()
        for each in sorted(found, key=lambda each: each.trylast - each.tryfirst):
            yield each.plugin_name.partition("/")[0], each

    def has(self, hook: str) -> bool:
        return bool(getattr(self._registry.hook, hook).get_hookimpls())

    def names(self, hook: str) -> list[str]:
        """The extensions that have this hook."""
        return [name for name, _ in self._implementations(hook)]

    def call(self, plugin: str, hook: str, function: pluggy.HookImpl, arguments: dict[str, Any]) -> Any:
        """Raise PluginError for whatever it raises, but for what is told to people as it is, and a memory that is full."""
        return self.guarded(plugin, hook, function.function)(*(arguments[name] for name in function.argnames))

    def guarded(self, plugin: str, hook: str, function: Callable[..., Value]) -> Callable[..., Value]:
        """What a hook gave to be called later, called as the hook itself would be."""

        def called(*given: Any) -> Value:
            begun = time.perf_counter()
            try:
                return function(*given)
            except (Exception, SystemExit) as error:
                if _passes(error):
                    raise
                raise failure(plugin, hook, error) from error
            finally:
                self.seconds[plugin] += time.perf_counter() - begun

        return called

    def guarded_sampler(self, plugin: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A sampler of an extension: what the model or whoever stops the job raises is not the extension's."""
        hook = "register_sampler_functions"

        def sample(denoise: Any, latents: Any, sigmas: Any, noise: Any, options: Any, on_step: Any) -> Any:
            model, told, begun = _Within(denoise), _Within(on_step), time.perf_counter()
            try:
                made = function(model, latents, sigmas, noise, options, told)
            except (Exception, SystemExit) as error:
                if error is model.error or error is told.error or _passes(error):
                    raise
                raise failure(plugin, hook, error) from error
            finally:
                self.seconds[plugin] += time.perf_counter() - begun - model.seconds - told.seconds
            return _checked(plugin, hook, latents, made)

        return sample

    def collect(self, hook: str, plugin: str | None = None, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """What each extension (or the one that is named) answers, with its name, one by one. Raise PluginError."""
        for name, function in self._implementations(hook):
            if plugin in (None, name):
                answer = self.call(name, hook, function, arguments)
                if hook.startswith("register_") and (isinstance(answer, str) or not isinstance(answer, Sequence)):
                    raise PluginError(name, hook, f"it gave {_described(answer)}; a list was expected.")
                yield name, answer

    @contextmanager
    def within(self, hook: str, **arguments: Any) -> Iterator[None]:
        """A block in which what the extensions gave is entered; left in any case. Raise PluginError."""
        with ExitStack() as until:
            for name, answer in self.collect(hook, **arguments):
                if answer is None:
                    continue
                if not isinstance(answer, AbstractContextManager):
                    raise PluginError(name, hook, f"it gave {_described(answer)}; a context manager or None was expected.")
                try:
                    until.enter_context(answer)
                except (Exception, SystemExit) as error:
                    if _passes(error):
                        raise
                    raise failure(name, hook, error) from error
            yield

    def only(self, hook: str, kind: type[Value], **arguments: Any) -> Value | None:
        """The answer of the one extension that gives one. Raise PluginError, also where two do."""
        found: Value | None = None
        first = ""
        for name, answer in self.collect(hook, **arguments):
            if answer is None:
                continue
            if found is not None:
                raise PluginError(name, hook, f"the extension {first} wants the same in this picture; switch one of the two off.")
            if not isinstance(answer, kind):
                raise PluginError(name, hook, f"it gave {_described(answer)}; {kind.__name__} or None was expected.")
            found, first = answer, name
        return found

    def fold(self, hook: str, value: Value, **others: Any) -> Value:
        """The value as the extensions leave it. Raise PluginError, also for an answer of another kind."""
        first = next(iter(inspect.signature(HOOKS[hook]).parameters))
        for name, function in self._implementations(hook):
            given: Any = _Within(value) if hook.startswith("wrap_") and callable(value) else value
            answer = self.call(name, hook, function, {first: given, **others})
            if answer is not None:
                value = (
                    Guarded(name, hook, given, answer, self.seconds)
                    if given is not value
                    else _checked(name, hook, value, answer)
                )  # pyright: ignore[reportAssignmentType]
        return value


def _passes(error: BaseException) -> bool:
    return isinstance(error, WebUIError | Cancelled | MemoryError) or "out of memory" in str(error).lower()


def failure(plugin: str, hook: str, error: BaseException) -> PluginError:
    return PluginError(plugin, hook, f"{type(error).__name__}: {error}")


def _described(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def _checked(plugin: str, hook: str, before: Value, answer: Any) -> Value:
    same_shape = getattr(answer, "shape", None) == getattr(before, "shape", None)
    if not isinstance(answer, type(before)) or not same_shape:
        raise PluginError(plugin, hook, f"it gave {_described(answer)}; {_described(before)} or None was expected.")
    return answer


class _Within:
    """What an extension stands around; it remembers its own error and time, which are not the extension's."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self._inner = inner
        self.error: BaseException | None = None
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, *given: Any) -> Any:
        begun = time.perf_counter()
        try:
            return self._inner(*given)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.seconds += time.perf_counter() - begun


class Guarded:
    """A denoiser that an extension stands around: what the extension raises bears its name, what comes from within does not.

    Whatever else is asked of it, such as `unconditional`, the denoiser within answers.
    """

    def __init__(self, plugin: str, hook: str, within: _Within, outer: Any, seconds: defaultdict[str, float]) -> None:
        if not callable(outer):
            raise PluginError(plugin, hook, f"it gave {_described(outer)}; something to call or None was expected.")
        self._plugin, self._hook, self._within, self._outer = plugin, hook, within, outer
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._within, name)

    def __call__(self, latents: Any, sigma: float) -> Any:
        begun, inside = time.perf_counter(), self._within.seconds
        try:
            result = self._outer(latents, sigma)
        except (Exception, SystemExit) as error:
            if error is self._within.error or _passes(error):
                raise
            raise failure(self._plugin, self._hook, error) from error
        finally:
            self._seconds[self._plugin] += time.perf_counter() - begun - (self._within.seconds - inside)
        return _checked(self._plugin, self._hook, latents, result)
