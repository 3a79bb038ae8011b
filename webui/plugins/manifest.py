"""`extension.toml`: what an extension says of itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.plugins.hooks import API

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FILE = "extension.toml"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def is_name(text: str) -> bool:
    """Whether an extension may be called so."""
    return _NAME.fullmatch(text) is not None


class LoadProblem(Exception):
    """Why an extension is not loaded, in words."""


@dataclass(frozen=True)
class Manifest:
    """Args:
    name: small letters, digits and hyphens; unique.
    api: the version of the list of hooks for which it was written.
    requires: names of extensions that are loaded before it.
    python: packages that it needs, as pip names them ("numpy>=2").
    summary: what the header of its closed accordion says, with options in braces; "": those that are not at their defaults.
    """

    name: str
    version: str
    api: int
    requires: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    author: str = ""
    url: str = ""
    summary: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)


def read_manifest(folder: Path) -> Manifest:
    """Raise LoadProblem where it is missing, damaged, or written for hooks that are not these."""
    try:
        table = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LoadProblem(f"It has no {FILE}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LoadProblem(f"Its {FILE} cannot be read: {error}.") from error
    name, version = _text(table, "name"), _text(table, "version")
    if not is_name(name):
        raise LoadProblem(f"Its name is “{name:.80}”; small letters, digits and hyphens make a name.")
    if not version:
        raise LoadProblem(f"Its {FILE} names no version.")
    return Manifest(
        name=name,
        version=version,
        api=_api(table),
        requires=_texts(table, "requires"),
        python=_texts(table, "python"),
        title=_text(table, "title"),
        description=_text(table, "description"),
        author=_text(table, "author"),
        url=_text(table, "url"),
        summary=_text(table, "summary"),
        raw=table,
    )


def _api(table: Mapping[str, Any]) -> int:
    api = table.get("api")
    if type(api) is not int:
        raise LoadProblem(f"Its {FILE} names no api; write api = {API}.")
    if api != API:
        age = "newer than this program; update the program" if api > API else "older than this program; update the extension"
        raise LoadProblem(f"It was written for api {api}, and this program has api {API}: it is {age}.")
    return api


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise LoadProblem(f"“{key}” in its {FILE} is {value!r:.80}, not text.")
    return value


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise LoadProblem(f"“{key}” in its {FILE} is {value!r:.80}, not a list of texts.")
    return tuple(value)


def requirements(python: Iterable[str]) -> list[Requirement]:
    """Those that count on this machine. Raise LoadProblem where one is none."""
    from packaging.requirements import InvalidRequirement, Requirement  # 20 ms that a folder without extensions need not pay

    found = []
    for text in python:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise LoadProblem(f"“{text:.80}” in its {FILE} is no requirement: {error}.") from error
        if wanted.marker is None or wanted.marker.evaluate():
            found.append(wanted)
    return found


def check_packages(python: Iterable[str]) -> None:
    """Raise LoadProblem naming the packages that are not installed, or not in the version that is wanted."""
    from importlib import metadata

    missing = []
    for wanted in requirements(python):
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{wanted}, which is not installed")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            missing.append(f"{wanted}, but {found} is installed")
    if missing:
        raise LoadProblem(f"It needs {'; '.join(missing)}.")
