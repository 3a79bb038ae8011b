"""Loading extensions one by one and saying what became of each: none keeps the others or the program from working."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from webui.core.extras import ExtraKinds, extras_to_json
from webui.core.request import GenerationRequest
from webui.errors import PluginError, WebUIError
from webui.plugins.additions import Additions, Enlarge, core_keys
from webui.plugins.calls import Calls, implemented
from webui.plugins.choices import Choices, read_choices, write_choices
from webui.plugins.finding import PluginInfo, anew, found, in_order, is_second
from webui.plugins.importing import forget, import_part, open_packages
from webui.plugins.manifest import LoadProblem, check_packages
from webui.plugins.own_settings import OwnSettings
from webui.plugins.times import Times
from webui.settings import Settings

log = logging.getLogger(__name__)

Value = TypeVar("Value")

#: An import of plugin.py, of engine.py, that is not done by then is given up; engine.py may load torch from a cold disk.
FRONT_SECONDS, ENGINE_SECONDS = 10.0, 120.0


class PluginManager:
    """The extensions of one process; each of the two has its own. Methods may be called from any thread."""

    def __init__(
        self,
        folders: Sequence[Path] = (),
        choices_file: Path | None = None,
        *,
        engine: bool = False,
        safe_mode: bool = False,
        seconds: float | None = None,
        data_dir: Path = Path(),
    ) -> None:
        """Nothing is loaded yet.

        Args:
            folders: those that hold a folder for each extension; of two with one name the first counts.
            choices_file: remembers what is switched off; None: nothing is remembered.
            engine: whether this is the process with torch.
            safe_mode: list them, load none.
            seconds: how long an import may take.
            data_dir: the data folder, for `on_start`.
        """
        self._folders, self._file, self._engine, self._safe = tuple(folders), choices_file, engine, safe_mode
        self._seconds = seconds
        self._data_dir, self._started = data_dir, False
        self._parts = ("plugin", "engine") if engine else ("plugin",)
        self._choices = read_choices(choices_file) if choices_file else Choices()
        self._infos: dict[Path, PluginInfo] = {}
        self._lock = threading.RLock()
        self._calls = Calls(engine=engine)
        #: What each extension costs.
        self.times = Times(self._calls.seconds)
        self._additions = Additions(self._calls, engine=engine)
        #: The settings of the extensions that are loaded; `change_setting` changes them.
        self.settings = OwnSettings()
        self.settings.adopt(self._choices.settings)
        #: The options of the extensions that are loaded.
        self.kinds = ExtraKinds()
        self.kinds.alter_settings = lambda settings: self.fold("alter_settings", settings)

    @classmethod
    def of(cls, settings: Settings, *, engine: bool = False) -> PluginManager:
        """Find and load what the settings name."""
        manager = cls(
            settings.extension_dirs,
            settings.extension_choices_file,
            engine=engine,
            safe_mode=settings.safe_mode,
            data_dir=settings.data_dir,
        )
        manager.load_all()
        return manager

    def plugins(self) -> list[PluginInfo]:
        """Every extension that was found, loaded or not, by name."""
        with self._lock:
            return sorted(self._infos.values(), key=lambda info: (info.name, str(info.path)))

    def find(self, name: str) -> PluginInfo:
        """The one that bears the name. Raise PluginError where there is none."""
        info = next((info for info in self._infos.values() if info.name == name and not is_second(info)), None)
        if info is None:
            raise PluginError(name, "", f"There is no extension “{name:.80}”.")
        return info

    def title(self, name: str) -> str:
        """What people call it."""
        manifest = self.find(name).manifest
        return manifest.title if manifest and manifest.title else name.replace("-", " ").capitalize()

    # ---- loading

    def load_all(self) -> None:
        """Find the extensions and load those that are switched on; what is loaded already stays as it is."""
        with self._lock:
            there = found(self._folders)
            for path in self._infos.keys() - there.keys():
                gone = self._infos.pop(path)
                if not is_second(gone):
                    self._unload(gone)
            new = {path: info for path, info in there.items() if path not in self._infos}
            self._infos |= {path: replace(info, enabled=self._wants(info.name)) for path, info in new.items()}
            for info in in_order([info for path, info in self._infos.items() if path in new]):
                self._infos[info.path] = info
                if info.problem is None and info.enabled and not self._safe:
                    self._load(info)
                elif info.problem:
                    log.warning("The extension %s is not loaded: %s", info.name, info.problem)

    def _wants(self, name: str) -> bool:
        return name not in self._choices.disabled

    def _load(self, info: PluginInfo) -> None:
        begun = time.perf_counter()
        try:
            told = self._loaded(info)
            if self._started:
                self._tell_start(info)
            self._infos[info.path] = replace(info, **told, loaded=True, load_seconds=time.perf_counter() - begun)
        except (LoadProblem, WebUIError) as error:
            log.warning("The extension %s is not loaded: %s", info.name, error)
            self._unload(info)
            self._infos[info.path] = replace(info, problem=str(error))

    def _loaded(self, info: PluginInfo) -> dict[str, Any]:
        manifest = info.manifest
        assert manifest is not None, "without one there is a problem"
        for needed in manifest.requires:
            self._check_needed(needed)
        open_packages(info.path)
        check_packages(manifest.python)
        modules = {part: self._import(info, part) for part in self._parts if (info.path / f"{part}.py").is_file()}
        if not (info.path / "plugin.py").is_file():
            raise LoadProblem("It has no plugin.py.")
        hooks = {name for module in modules.values() for name in implemented(module)}
        for part, module in modules.items():
            self._calls.add(info.name, module, part)
        kinds = [kind for _, answer in self._calls.collect("register_params", info.name) for kind in answer]
        settings = [kind for _, answer in self._calls.collect("register_settings", info.name) for kind in answer]
        try:
            self.kinds.add(info.name, kinds, core_keys())
        except (ValueError, TypeError) as error:
            raise LoadProblem(f"Its options cannot be used: {error}.") from error
        try:
            self.settings.add(info.name, settings)
        except (ValueError, TypeError) as error:
            raise LoadProblem(f"Its settings cannot be used: {error}.") from error
        if kinds and manifest.summary:
            self.kinds.summaries[info.name] = manifest.summary
        adds = (*self.kinds.fields_of(info.name), *self._additions.add(info.name))
        return {"problem": None, "hooks": tuple(sorted(hooks)), "adds": adds}

    def _import(self, info: PluginInfo, part: str) -> ModuleType:
        usual = FRONT_SECONDS if part == "plugin" else ENGINE_SECONDS
        return import_part(info.name, info.path, part, self._seconds or usual)

    def _check_needed(self, needed: str) -> None:
        other = next((info for info in self._infos.values() if info.name == needed), None)
        if other is None or not other.loaded:
            why = "not there" if other is None else "not loaded" if other.enabled else "switched off"
            raise LoadProblem(f"It requires the extension {needed}, which is {why}.")

    def _unload(self, info: PluginInfo) -> None:
        self._calls.remove(info.name)
        self.kinds.remove(info.name)
        self.settings.remove(info.name)
        self._additions.remove(info.name)
        forget(info.name, info.path)

    # ---- on and off

    def enable(self, name: str) -> PluginInfo:
        """Switch it on, now and for later starts. Raise PluginError where there is none; a problem stands in what is returned."""
        return self._switch(name, True)

    def disable(self, name: str) -> PluginInfo:
        """Switch it off, now and for later starts; tabs and addresses of its own stay until the program is started again."""
        return self._switch(name, False)

    def _switch(self, name: str, on: bool) -> PluginInfo:
        with self._lock:
            info = self.find(name)
            self._choose(self._choices.with_disabled(name, not on))
            self._load_anew({name})
            return self._infos[info.path]

    def _load_anew(self, names: AbstractSet[str]) -> None:
        """These and those that require them, as is chosen now."""
        infos = [info for info in self._infos.values() if not is_second(info)]
        while more := {info.name for info in infos if info.manifest and names & {*info.manifest.requires}} - names:
            names = names | more
        for info in in_order([anew(info, enabled=self._wants(info.name)) for info in infos if info.name in names]):
            self._unload(info)
            self._infos[info.path] = info
            if info.enabled and info.problem is None and not self._safe:
                self._load(info)

    def reload(self, name: str) -> PluginInfo:
        """Read its files anew, for whoever writes it."""
        with self._lock:
            self.find(name)
            self._choose(self._choices.with_reload(name))
            return self._switch(name, name not in self._choices.disabled)

    def change_setting(self, name: str, value: Any) -> None:
        """Keep a value of a setting ("watermark.text"); the engine has it from the next job on. None: the default again.

        Raises:
            InvalidRequest: there is no such setting, or the value is not allowed.
            OSError: it could not be written.
        """
        with self._lock:
            value = self.settings.fields[name].default if value is None and name in self.settings.fields else value
            extension, field = self.settings.checked(name, value)
            self._choose(self._choices.with_setting(extension, field, value))
            self.settings.adopt(self._choices.settings)

    def _choose(self, choices: Choices) -> None:
        self._choices = choices
        if self._file is not None:
            write_choices(self._file, choices)

    def follow(self) -> bool:
        """Do what was chosen in the other process since: the engine asks before each job. True: there was something."""
        if self._file is None or self._safe:
            return False
        with self._lock:
            paths = set(self._infos)
            before, self._choices = self._choices, read_choices(self._file)
            self.settings.adopt(self._choices.settings)
            changed = before.disabled ^ self._choices.disabled
            changed |= {name for name, count in self._choices.reloads.items() if count != before.reloads.get(name, 0)}
            self._load_anew(changed & {info.name for info in self._infos.values()})
            self.load_all()
            return before != self._choices or paths != set(self._infos)

    # ---- what they add

    def upscalers(self) -> list[str]:
        """The names of those that extensions add."""
        return [name for names in list(self._additions.upscalers.values()) for name in names]

    def upscaler(self, name: str) -> Enlarge | None:
        """What an extension's upscaler does, in the engine."""
        return self._additions.upscaler_functions.get(name)

    # ---- calling

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call an `on_*` hook. Raise PluginError for the first that fails."""
        for _ in self._calls.collect(hook, **arguments):
            pass

    def fold(self, hook: str, value: Value, **others: Any) -> Value:
        """The value as the extensions leave it. Raise PluginError, which names the extension and the hook."""
        return self._calls.fold(hook, value, **others)

    def registered(
        self, hook: str, fits: Callable[[Any], bool] = lambda item: True, only: str | None = None
    ) -> list[tuple[str, Any]]:
        """What extensions (or the one that is named) add, with their names. Who fails, or adds what is none, is switched off."""
        found: list[tuple[str, Any]] = []
        for info in [info for info in self.plugins() if info.loaded and hook in info.hooks and only in (None, info.name)]:
            try:
                for name, items in self._calls.collect(hook, info.name):
                    wrong = next((item for item in items if not fits(item)), None)
                    if wrong is not None:
                        raise PluginError(name, hook, f"it gave {wrong!r:.80}, which is none.")
                    found += [(name, item) for item in items]
            except WebUIError as error:
                self.give_up(info.name, error)
        return found

    def give_up(self, name: str, error: Exception) -> None:
        """Switch one off that fails while the program starts, and name it."""
        self._give_up(self.find(name), error)

    def acts(self, hooks: Iterable[str], request: GenerationRequest) -> bool:
        """Whether one of these hooks can change what is made of the request. Who has options does nothing without them."""
        given = extras_to_json(request.extras)
        names = {name for hook in hooks for name in self._calls.names(hook)}
        return any(name in given or name not in self.kinds.extensions for name in names)

    def within(self, hook: str, **arguments: Any) -> AbstractContextManager[None]:
        """A block in which what the extensions gave is entered. Raise PluginError."""
        return self._calls.within(hook, **arguments)

    def only(self, hook: str, kind: type[Value], **arguments: Any) -> Value | None:
        """The answer of the one extension that gives one. Raise PluginError, also where two do."""
        return self._calls.only(hook, kind, **arguments)

    def start(self) -> None:
        """Tell each that the program starts; one that fails is switched off, and named."""
        self._started = True
        for info in [info for info in self.plugins() if info.loaded]:
            try:
                self._tell_start(info)
            except WebUIError as error:
                self._give_up(info, error)
        self.times.taken()  # no picture's

    def close(self) -> None:
        """Unload all, which takes what they added out of the process's tables: for tests, which have one after the other."""
        with self._lock:
            for info in [info for info in self.plugins() if info.loaded]:
                self._unload(info)
                self._infos[info.path] = anew(info, enabled=info.enabled)

    def _tell_start(self, info: PluginInfo) -> None:
        for _ in self._calls.collect("on_start", info.name, data_dir=self._data_dir):
            pass

    def _give_up(self, info: PluginInfo, error: Exception) -> None:
        log.warning("The extension %s is switched off: %s", info.name, error)
        with self._lock:
            self._unload(info)
            self._infos[info.path] = anew(info, enabled=True, problem=str(error))

    def implements(self, hook: str) -> bool:
        """Whether any extension has this hook of the process."""
        return self._calls.has(hook)

    def require(self, request: GenerationRequest) -> None:
        """Raise PluginError where the request has options of an extension that is not loaded: nothing is skipped in silence."""
        for name in extras_to_json(request.extras):
            if name not in self.kinds.extensions:
                info = next((info for info in self.plugins() if info.name == name), None)
                reason = "it is not there" if info is None else info.problem or "it is switched off"
                raise PluginError(name, "", f"The job has options of the extension {name}, which is not loaded: {reason}.")

    def check(self, request: GenerationRequest) -> GenerationRequest:
        """The request with its options typed. Raise InvalidRequest for one that is not there or not allowed."""
        return replace(request, extras=self.kinds.checked(request.extras)) if request.extras else request
