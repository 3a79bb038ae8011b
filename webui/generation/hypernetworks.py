"""The hypernetworks that a prompt names by `<hypernet:name:strength>`: found and read."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from webui.checkpoints.embedding_files import stamp
from webui.checkpoints.hypernetworks import Hypernetwork, read_hypernetwork
from webui.checkpoints.lora.files import NamedFiles
from webui.core.params import suggest
from webui.core.prompt_parts import parse_networks, strip_comments
from webui.errors import InvalidRequest

#: The word of the tag.
KIND = "hypernet"

#: How many stay in memory; with the layers that trainers suggest each has some 100 MB.
_KEPT = 4

#: A strength outside is a slip of the keyboard.
_LIMIT = 100.0


@dataclass(frozen=True, eq=False)
class HypernetworkUse:
    """A tag and what it names. `file` is equal for equal content."""

    hypernetwork: Hypernetwork
    strength: float
    file: Hashable


class HypernetworkShelf:
    """The files of some folders and what was read of them, kept from job to job."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._files = NamedFiles(folders)
        self._read: OrderedDict[Hashable, Hypernetwork] = OrderedDict()

    def forget(self) -> None:
        """Give back the memory of what no job uses."""
        self._read.clear()

    def state(self, prompts: Iterable[str]) -> Hashable:
        """Changes when a file does that one of the prompts names."""
        names = dict.fromkeys(name for prompt in prompts for name, _ in _tags(prompt))
        return tuple((name, path, path and stamp(path)) for name in names for path in [self._files.path(name)])

    def of(self, prompt: str, width: int, say: Callable[[str], None]) -> tuple[tuple[HypernetworkUse, ...], tuple[str, ...]]:
        """What a prompt names, and the names that no file has.

        Args:
            width: of the checkpoint's texts.
            say: tells people of what is left out.

        Raises:
            InvalidRequest: a strength is no number.
            UnsupportedCheckpoint: a file cannot be read.
        """
        uses, missing = list[HypernetworkUse](), list[str]()
        for name, written in _tags(prompt):
            strength, path = _strength(name, written), self._files.path(name)
            if path is None:
                missing.append(name)
                say(self._missing(name))
                continue
            hypernetwork = self._get(path)
            uses.append(HypernetworkUse(hypernetwork, strength, (path, stamp(path))))
            if misfit := hypernetwork.misfit(width):
                say(misfit)
        return tuple(uses), tuple(missing)

    def _get(self, path: Path) -> Hypernetwork:
        key = path, stamp(path)
        if key not in self._read:
            with torch.inference_mode(False):  # it outlives the job
                self._read[key] = read_hypernetwork(path)
        self._read.move_to_end(key)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return self._read[key]

    def _missing(self, name: str) -> str:
        names = self._files.names()
        hint = suggest(name, names) if names else "Hypernetworks are looked for in models/hypernetworks."
        return f"There is no hypernetwork “{name:.80}”, so it was left out. {hint}"


def _tags(prompt: str) -> Iterator[tuple[str, str]]:
    """Names and strengths as they are written, in the tags' order."""
    _, found = parse_networks(strip_comments(prompt))
    for network in found:
        if network.kind == KIND and network.positional and network.positional[0].strip():
            yield network.positional[0].strip(), (*network.positional, "1")[1]


def _strength(name: str, written: str) -> float:
    try:
        strength = float(written)
    except ValueError:
        strength = math.nan
    if not abs(strength) <= _LIMIT:
        raise InvalidRequest(
            "prompt", f"<{KIND}:{name:.60}:{written:.20}>: a number from -{_LIMIT:g} to {_LIMIT:g} was expected as strength."
        )
    return strength
