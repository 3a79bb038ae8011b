"""What extensions there are, read from their folders without running anything of theirs, and in which order they load."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from webui.plugins.manifest import LoadProblem, Manifest, read_manifest


@dataclass(frozen=True)
class PluginInfo:
    """An extension and what became of it.

    Args:
        enabled: a person wants it; with a `problem` it is not loaded all the same.
        problem: why it is not loaded, in words.
        hooks: those that it implements in this process's modules, sorted.
        adds: what it adds, for people: its options' full names.
    """

    name: str
    version: str
    api: int
    path: Path
    enabled: bool = True
    problem: str | None = None
    loaded: bool = False
    load_seconds: float = 0.0
    hooks: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    manifest: Manifest | None = field(default=None, compare=False)


_SECOND = "There is another extension of this name"


def is_second(info: PluginInfo) -> bool:
    """Whether another one has its name, which counts."""
    return (info.problem or "").startswith(_SECOND)


def found(folders: Iterable[Path]) -> dict[Path, PluginInfo]:
    """Every folder that is meant to be an extension. A hidden one, or one without Python or a manifest, is none."""
    paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if _is_meant(path)]
    infos: dict[Path, PluginInfo] = {}
    first: dict[str, Path] = {}
    for path in paths:
        info = read(path)
        if (other := first.setdefault(info.name, path)) != path:
            info = replace(info, problem=f"{_SECOND}, {info.name}, in {other}; only that one is loaded.")
        infos[path] = info
    return infos


def _is_meant(path: Path) -> bool:
    return path.is_dir() and path.name[0] not in "._" and any((path / name).exists() for name in ("extension.toml", "plugin.py"))


def read(path: Path) -> PluginInfo:
    """What its manifest says; one that cannot be read is its problem."""
    try:
        manifest = read_manifest(path)
    except LoadProblem as error:
        return PluginInfo(path.name, "", 0, path, problem=str(error))
    return PluginInfo(manifest.name, manifest.version, manifest.api, path, manifest=manifest)


def in_order(infos: list[PluginInfo]) -> list[PluginInfo]:
    """Each after those that it requires; those that require each other in a circle get that as their problem."""
    by_name = {info.name: info for info in infos if not is_second(info)}
    while True:
        graph: Mapping[str, set[str]] = {
            name: set(info.manifest.requires) & by_name.keys() if info.manifest and info.problem is None else set()
            for name, info in sorted(by_name.items())
        }
        try:
            order = list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            circle = error.args[1]
            for name in set(circle):
                told = f"It and others require each other: {' → '.join(reversed(circle))}."
                by_name[name] = replace(by_name[name], problem=told)
        else:
            return [by_name[name] for name in order] + [info for info in infos if is_second(info)]


def anew(info: PluginInfo, *, enabled: bool, problem: str | None = None) -> PluginInfo:
    """As it was before it was loaded: its manifest is read again, too."""
    fresh = read(info.path)
    same = fresh.name == info.name
    told = problem or fresh.problem or (None if same else f"It was called {info.name} and is called {fresh.name} now; restart.")
    return replace(fresh, name=info.name, enabled=enabled, problem=told)
