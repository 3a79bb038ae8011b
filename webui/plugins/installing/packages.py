"""The packages that an extension asks for: resolved beside what is installed here, and kept in a folder of its own.

What is installed stays as it is: every package here, and every one of another extension, is a constraint for pip. Only ready-made
wheels are taken, since building one runs the package's code. The folder lies in the extension's own, so that it goes with it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from webui.plugins.importing import PACKAGES
from webui.plugins.installing.commands import Ended, Progress, run
from webui.plugins.installing.refusal import InstallRefused
from webui.plugins.manifest import LoadProblem, requirements

RESOLVE_SECONDS, INSTALL_SECONDS = 180.0, 600.0

_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
_OPTIONS = ["--only-binary", ":all:", "--progress-bar", "off", "--retries", "2", "--timeout", "20"]


@dataclass(frozen=True)
class Package:
    """`sha256`: of the wheel that was looked at, "" where nobody says; `size` is not known before it is fetched."""

    name: str
    version: str
    sha256: str = ""


@dataclass(frozen=True)
class Resident:
    """A package that must stay as it is: `owner` is "" for the program's own, else the extension's name."""

    version: str
    owner: str = ""

    def told(self, name: str) -> str:
        return f"{name} {self.version} " + (f"belongs to the extension {self.owner}" if self.owner else "is installed here")


def environment() -> dict[str, Resident]:
    """What is installed where the program runs, by its normalised name."""
    own = [path for path in sys.path if Path(path).name != PACKAGES]
    found = ((dist.metadata["Name"], dist.version) for dist in metadata.distributions(path=own))
    return {canonicalize_name(name): Resident(version) for name, version in found if name and _is_version(version)}


def in_folder(tree: Path) -> list[Package]:
    """The packages that lie in an extension's folder."""
    found = metadata.distributions(path=[str(tree / PACKAGES)])
    return sorted((Package(dist.metadata["Name"], dist.version) for dist in found), key=lambda package: package.name.lower())


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def parsed(python: Iterable[str]) -> list[Requirement]:
    """The manifest's requirements that count on this machine.

    Raises:
        InstallRefused: one is none, or names a file or address instead of a package.
    """
    try:
        found = requirements(python)
    except LoadProblem as error:
        raise InstallRefused(str(error)) from error
    for wanted in found:
        if wanted.url:
            raise InstallRefused(
                f"It asks for {wanted.name} from {wanted.url:.120}; only packages by name and version are taken."
            )
    return found


def check_against(wanted: Iterable[Requirement], resident: Mapping[str, Resident]) -> None:
    """Raise InstallRefused, naming both versions, for what would change a package that is here."""
    for each in wanted:
        here = resident.get(canonicalize_name(each.name))
        if here and not each.specifier.contains(here.version, prereleases=True):
            raise _would_change(f"It asks for {each.name}{each.specifier}", here.told(each.name))


def _would_change(asked: str, here: str) -> InstallRefused:
    return InstallRefused(f"{asked}, and {here}. Another version of it could break what works now, so the extension is refused.")


def resolve(python: Iterable[str], resident: Mapping[str, Resident], folder: Path, progress: Progress) -> list[Package]:
    """The packages that must come along for `python`, exact.

    Args:
        folder: where files for pip may be written.

    Raises:
        InstallRefused: they would change a package that is here, or do not exist for this machine.
        Cancelled: the task was cancelled.
    """
    wanted = parsed(python)
    check_against(wanted, resident)
    names = [canonicalize_name(each.name) for each in wanted if not each.extras]
    if len(names) == len(wanted) and all(name in resident and not resident[name].owner for name in names):
        return []
    constraints, report = folder / "constraints.txt", folder / "report.json"
    constraints.write_text("".join(f"{name}=={one.version}\n" for name, one in sorted(resident.items())), encoding="utf-8")
    command = [*_PIP, "install", "--dry-run", *_OPTIONS, "--report", str(report), "-c", str(constraints), "--"]
    try:
        run([*command, *map(str, wanted)], progress, seconds=RESOLVE_SECONDS, what="Looking up its packages")
    except Ended as error:
        raise _explained(error, wanted, resident) from error
    return _reported(json.loads(report.read_text(encoding="utf-8")))


def _reported(report: Mapping[str, Any]) -> list[Package]:
    found = []
    for entry in report["install"]:
        hashes = entry.get("download_info", {}).get("archive_info", {}).get("hashes", {})
        found.append(Package(entry["metadata"]["name"], entry["metadata"]["version"], hashes.get("sha256", "")))
    return sorted(found, key=lambda package: package.name.lower())


def _explained(error: Ended, wanted: Iterable[Requirement], resident: Mapping[str, Resident]) -> InstallRefused:
    """pip's reasons in words, with both versions where one of ours is in the way."""
    for line in error.output.splitlines():
        asked = re.match(r"\s*(\S+ \S+) depends on ([A-Za-z0-9._-]+)(\S*)", line)
        here = resident.get(canonicalize_name(asked[2])) if asked else None
        if asked and here and not Requirement(asked[2] + _specifier(asked[3])).specifier.contains(here.version, prereleases=True):
            return _would_change(f"Its package {asked[1]} asks for {asked[2]}{asked[3]}", here.told(asked[2]))
    if found := re.search(r"No matching distribution found for (\S+)", error.output):
        named = ", ".join(str(each) for each in wanted)
        return InstallRefused(
            f"It asks for {named}, and there is no ready-made package (wheel) of {found[1]} that fits this machine and what is "
            "installed, or the package index cannot be reached."
        )
    return InstallRefused(str(error))


def _specifier(text: str) -> str:
    try:
        return str(Requirement(f"x{text}").specifier)
    except InvalidRequirement:
        return ""


def install(packages: Iterable[Package], tree: Path, folder: Path, progress: Progress) -> None:
    """Put exactly these into the extension's own folder. Raise InstallRefused where pip fails, Cancelled where it is stopped."""
    lines = [f"{each.name}=={each.version}" + (f" --hash=sha256:{each.sha256}" if each.sha256 else "") for each in packages]
    if not lines:
        return
    asked = folder / "packages.txt"
    asked.write_text("\n".join(lines), encoding="utf-8")
    target = ["--target", str(tree / PACKAGES), "--no-compile"]
    command = [*_PIP, "install", "--no-deps", *_OPTIONS, *target, "-r", str(asked)]
    run(command, progress, seconds=INSTALL_SECONDS, what="Installing its packages")
