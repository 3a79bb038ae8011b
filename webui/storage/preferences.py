"""What a person chose in the page and wants to find again: `settings.toml` in the data folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from webui.core.params import FieldSpec, Param, check_ranges, check_value, params_of
from webui.core.request import VAE_AUTOMATIC
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.errors import InvalidRequest
from webui.storage.editing_preferences import EditingPreferences
from webui.storage.saving_preferences import SavingPreferences
from webui.storage.toml_file import TomlFile

LISTS = "lists"

#: The preference that lists the settings below the header.
QUICK = "quicksettings_list"

#: Preferences that are chosen in the header, where they are used; they are no settings of the tab Settings.
CHOSEN_IN_HEADER = ("checkpoint", "vae")


@dataclass(frozen=True, kw_only=True)
class Preferences(SavingPreferences, EditingPreferences):
    """Nothing here changes a picture: checkpoint and VAE are what a form starts with, and go into each request by name."""

    checkpoint: Annotated[str | None, Param("Checkpoint", max_length=1_000, help="Chosen last.")] = None
    vae: Annotated[str, Param("VAE", max_length=1_000, help="Chosen last.")] = VAE_AUTOMATIC
    live_preview: Annotated[bool, Param("Live preview", help="Show the picture while it is made.")] = True
    title_progress: Annotated[bool, Param("Progress in the page's title", help="Percent and time left.")] = True
    notify_when_done: Annotated[bool, Param("Notify when done", help="When a long job ends and the page is not looked at.")] = (
        False
    )

    quicksettings_list: Annotated[
        str,
        Param(
            "Quicksettings list",
            several=True,
            max_length=10_000,
            help="Settings that stand below the header, in this order, to be changed there.",
        ),
    ] = ""

    hide_samplers: Annotated[
        str,
        Param(
            "Hide samplers in user interface", choices=SAMPLER_NAMES, several=True, group=LISTS, help="Pasted settings use them."
        ),
    ] = ""
    hide_schedulers: Annotated[
        str,
        Param("Hide schedule types in user interface", choices=SCHEDULER_LABELS, several=True, group=LISTS),
    ] = ""

    infotext_styles: Annotated[
        str,
        Param(
            "Styles in pasted settings",
            choices=("Apply if any", "Apply", "Discard", "Ignore"),
            help="Apply: choose the styles whose texts stand in the prompts. Apply if any: leave the choice where there is none. "
            "Discard: only take their texts out.",
        ),
    ] = "Apply if any"

    preview_method: Annotated[
        str,
        Param(
            "Live preview method",
            choices=("TAESD", "Approx cheap"),
            help="TAESD: sharp, if a small decoder lies in models/VAE-taesd. Approx cheap: blurred, and costs nothing.",
        ),
    ] = "TAESD"
    keep_free: Annotated[
        float,
        Param(
            "Keep free",
            low=0,
            high=512,
            step=0.5,
            help="GB of the graphics card's memory to leave to other programs. Holds from the next job on.",
        ),
    ] = 0.0

    lora_preferred_name: Annotated[
        str,
        Param(
            "Call LoRAs by",
            choices=("Alias from file", "Filename"),
            help="What a click on a card writes: the name that the trainer gave the file, or the file's. Both are understood.",
        ),
    ] = "Alias from file"
    extra_networks_default_multiplier: Annotated[
        float,
        Param("Weight of LoRAs", low=0, high=2, step=0.01, help="That a click on a card writes, where none is noted for it."),
    ] = 1.0
    extra_networks_add_text_separator: Annotated[
        str,
        Param("Text before what a card adds", max_length=20, help="Goes between the prompt and what a click on a card writes."),
    ] = " "

    upscaler_tile: Annotated[
        int,
        Param(
            "Tile size for upscalers",
            low=0,
            high=512,
            step=16,
            help="In pixels; 0: the whole picture at once, which takes much memory. Halved by itself where memory runs out.",
        ),
    ] = 192
    upscaler_overlap: Annotated[
        int, Param("Tile overlap for upscalers", low=0, high=48, step=1, help="In pixels; more hides seams better.")
    ] = 8

    def __post_init__(self) -> None:
        check_ranges(self)
        self.check_patterns()


#: The settings of the tab Settings, by name.
SETTINGS = {name: spec for name, spec in params_of(Preferences).items() if name not in CHOSEN_IN_HEADER}

#: Those that may stand below the header: all but the list of them.
QUICK_SETTINGS = {name: spec for name, spec in SETTINGS.items() if name != QUICK}


class PreferencesFile:
    """The preferences and their file. Thread-safe; `problem` says in words what could not be read of the file, else ""."""

    def __init__(self, path: Path, tell: Callable[[Mapping[str, Any]], None] = lambda changed: None) -> None:
        """`tell` hears of what was changed: the new values by name."""
        self._file, self._tell = TomlFile(path), tell
        self._lock = threading.Lock()
        self._unwritten = False
        self._table = self._file.read()
        self.problem = self._file.problem
        self._current, complaints = _typed(self._table)
        if complaints:
            self.problem = f"In {path}: {' '.join(complaints)} The default is used instead."

    @property
    def current(self) -> Preferences:
        return self._current

    def update(self, **changes: object) -> Preferences:
        """Change some preferences and write the file.

        Raises:
            InvalidRequest: for an unknown name or a value out of range; nothing changes.
            SaveFailed: the file could not be written; the change holds until the program ends, and is written with the next.
        """
        if unknown := sorted(set(changes) - set(params_of(Preferences))):
            raise InvalidRequest(unknown[0], f"There is no preference “{unknown[0]:.80}”.")
        with self._lock:
            before, current = self._current, replace(self._current, **changes)
            if current != before:
                self._current, self._unwritten = current, True
                self._tell({name: value for name, value in asdict(current).items() if value != getattr(before, name)})
                # Keys that are not known here stay: a later version, or an extension, may have written them.
                known = {key: value for key, value in asdict(current).items() if value is not None}
                others = {key: value for key, value in self._table.items() if key not in params_of(Preferences)}
                self._table = known | others
            if self._unwritten:
                self._file.write(self._table)
                self._unwritten = False
            return current


def check_preference(spec: FieldSpec, value: Any) -> None:
    """Raise InvalidRequest unless a preference may have this value."""
    check_value(spec, value)
    replace(Preferences(), **{spec.name: value})


def is_preference(spec: FieldSpec, value: Any) -> bool:
    """Whether a preference may have this value."""
    try:
        check_preference(spec, value)
    except InvalidRequest:
        return False
    return True


def _typed(table: Mapping[str, Any]) -> tuple[Preferences, list[str]]:
    """The preferences in a table, and a sentence for each value that cannot be used."""
    values: dict[str, Any] = {}
    complaints: list[str] = []
    for spec in params_of(Preferences).values():
        if spec.name in table:
            try:
                check_preference(spec, table[spec.name])
                values[spec.name] = table[spec.name]
            except InvalidRequest as error:
                complaints.append(str(error))
    return Preferences(**values), complaints
