"""Looking at an extension before it is installed: fetched, read, its packages resolved. Nothing of it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from webui.plugins.installing import packages, repository, unpacking
from webui.plugins.installing.addresses import Source
from webui.plugins.installing.commands import Progress
from webui.plugins.installing.contents import Contents, read_contents
from webui.plugins.installing.packages import Package, Resident
from webui.plugins.installing.places import Places, Record, remove, write_record
from webui.plugins.installing.refusal import InstallRefused


@dataclass(frozen=True)
class Plan:
    """What would be installed, at `stage`.

    Args:
        replaces: the version that is there now, "" for a new extension.
        adds: packages that come along in its own folder.
        problems: with one it cannot be installed; sentences.
    """

    id: str
    stage: Path
    record: Record
    contents: Contents
    adds: tuple[Package, ...]
    replaces: str
    problems: tuple[str, ...]

    @property
    def tree(self) -> Path:
        return self.stage / "tree"

    @property
    def name(self) -> str:
        """Raise InstallRefused where the plan has a problem, so that nothing of it is relied upon."""
        if self.problems or self.contents.manifest is None:
            raise InstallRefused(" ".join(self.problems))
        return self.contents.manifest.name


#: Why an extension with such contents cannot stand beside those that are here ("" where it can), and the version it replaces.
Neighbours = Callable[[Contents], tuple[str, str]]


def make_plan(
    source: Source, commit: str, places: Places, neighbours: Neighbours, resident: Mapping[str, Resident], progress: Progress
) -> Plan:
    """Fetch and look.

    Args:
        commit: the one to take; "": the newest.
        resident: the packages that must stay as they are.

    Raises:
        InstallRefused: it cannot be fetched. What is wrong with what was fetched stands in the plan instead.
        Cancelled: the task was cancelled.
    """
    stage = places.stage()
    try:
        progress.begin(f"Fetching {source.address:.200}")
        record = fetch(source, commit, stage / "tree", progress)
        progress.begin("Reading what it holds")
        progress.check()
        contents = read_contents(stage / "tree")
        refused, replaces = neighbours(contents)
        problems = [*contents.problems, *([refused] if refused else [])]
        adds: list[Package] = []
        if contents.manifest and not problems:
            progress.begin("Looking up its packages")
            try:
                adds = packages.resolve(contents.manifest.python, resident, stage, progress)
            except InstallRefused as error:
                problems.append(str(error))
        return Plan(stage.name, stage, record, contents, tuple(adds), replaces, tuple(problems))
    except BaseException:
        remove(stage)
        raise


def fetch(source: Source, commit: str, tree: Path, progress: Progress) -> Record:
    """Make `tree` a copy of what lies there."""
    if source.kind == "git":
        found = repository.clone(source, commit, tree, progress, look=unpacking.Watch(tree))
        change = repository.head(tree, progress)
        _check_tree(tree)
        return Record(found, change.commit, change.date)
    if source.kind == "zip":
        inner = tree.with_name("unpacked")
        unpacking.unzip(Path(source.address), inner, progress)
        if not inner.is_dir():
            raise InstallRefused("The zip file is empty.")
        unpacking.unwrapped(inner).rename(tree)
    else:
        unpacking.copy_folder(Path(source.address), tree, progress)
    print_of_it = unpacking.fingerprint(tree)
    if commit and print_of_it != commit:
        raise InstallRefused(f"What lies at {source.address} is not what it was: its fingerprint is another.")
    return Record(source, print_of_it, datetime.now(UTC).isoformat(timespec="seconds"))


def _check_tree(tree: Path) -> None:
    files = [path.relative_to(tree) for path in unpacking.walk(tree)]
    for path in files:
        unpacking.check_path(path.as_posix())
    if sum((tree / path).lstat().st_size for path in files) > unpacking.MOST_BYTES:
        raise InstallRefused(f"It is larger than {unpacking.MOST_BYTES >> 20} MB; an extension is code, models are not in it.")


def carry_out(plan: Plan, places: Places, progress: Progress) -> str:
    """Install what was planned; returns the name. Raise InstallRefused where it cannot be; nothing of it is left then."""
    try:
        name = plan.name
        if plan.adds:
            progress.begin(f"Installing {len(plan.adds)} packages into its own folder")
            packages.install(plan.adds, plan.tree, plan.stage, progress)
        write_record(plan.tree, plan.record)
        progress.check()
        places.put(plan.tree, name)
        return name
    finally:
        remove(plan.stage)
