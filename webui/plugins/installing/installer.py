"""The set of extensions of one data folder: what is there, and everything that changes it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from webui.plugins.finding import PluginInfo, is_second
from webui.plugins.installing import packages, plans, repository, shelf
from webui.plugins.installing.addresses import Source, same_place
from webui.plugins.installing.backups import Backup, Backups, Difference, Standing, compare
from webui.plugins.installing.commands import Progress
from webui.plugins.installing.contents import Contents, engine_part
from webui.plugins.installing.packages import Package, Resident
from webui.plugins.installing.places import Deletion, Places, Record, read_record, remove
from webui.plugins.installing.plans import Plan
from webui.plugins.installing.refusal import InstallRefused, NotThere
from webui.plugins.installing.repository import Change
from webui.plugins.loader import PluginManager
from webui.settings import BUNDLED_EXTENSIONS, Settings

#: What an extension with one of these adds is drawn or served when the program starts.
_AT_START = {f"register_{what}" for what in ("params", "settings", "panels", "tabs", "routes", "localisations")}


@dataclass(frozen=True)
class News:
    """What a check for updates found: the new commits, newest first; or why it could not be told."""

    changes: tuple[Change, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Installed:
    """An extension that is there. `previous`: the version to go back to, "" for none; `news` is None before a check."""

    info: PluginInfo
    record: Record | None
    problem: str
    hooks: tuple[str, ...]
    bundled: bool
    removable: bool
    previous: str
    news: News | None
    packages: list[Package] = field(default_factory=list)


class Installer:
    """Methods may be called from any thread; those that take a `progress` take long, and end with Cancelled where it says so."""

    def __init__(self, settings: Settings, plugins: PluginManager, places: Places) -> None:
        """Nothing is changed or asked yet."""
        self._plugins, self._places = plugins, places
        self._lock = threading.RLock()  # held while folders change
        self._plans: dict[str, Plan] = {}
        self._news: dict[str, News] = {}
        self._shipped = {entry.name for entry in shelf.shipped_index().entries}
        self._index_file = settings.state_dir / "extension-index.json"
        self.backups = Backups(settings.data_dir / "extension-backups")
        self._at_start = self._drawn_at_start()

    # ---- what is there

    def installed(self) -> list[Installed]:
        """All that were found, by name."""
        return [self._installed(info) for info in self._plugins.plugins()]

    def _installed(self, info: PluginInfo) -> Installed:
        record = read_record(info.path)
        own = info.path.parent == self._places.folder
        bundled = record is None and info.name in self._shipped and info.path.parent == BUNDLED_EXTENSIONS
        former = self._places.previous(info.name) if own and record else None
        engine_hooks, engine_problem = engine_part(info.path)
        return Installed(
            info=info,
            record=record,
            problem=info.problem or engine_problem,
            hooks=tuple(sorted({*info.hooks, *engine_hooks})),
            bundled=bundled,
            removable=own and not bundled and not is_second(info),
            previous=_version(former) if former else "",
            news=self._news.get(info.name),
            packages=packages.in_folder(info.path),
        )

    def _find(self, name: str) -> Installed:
        info = next((info for info in self._plugins.plugins() if info.name == name and not is_second(info)), None)
        if info is None:
            raise NotThere(f"There is no extension “{name:.80}”.")
        return self._installed(info)

    def _recorded(self, name: str) -> tuple[Installed, Record]:
        found = self._find(name)
        if found.record is None:
            raise InstallRefused(
                f"The extension {name} was not installed through the page, so only you know where its files come from."
            )
        return found, found.record

    def restart_needed(self) -> bool:
        """Whether something has changed that the page draws, or the API serves, from the next start on only."""
        return self._drawn_at_start() != self._at_start

    def _drawn_at_start(self) -> dict[str, tuple[str, str]]:
        drawn = [info for info in self._plugins.plugins() if info.loaded and _AT_START & {*info.hooks}]
        records = {info.name: read_record(info.path) for info in drawn}
        return {info.name: (info.version, record.commit if (record := records[info.name]) else "") for info in drawn}

    def switch(self, name: str, on: bool) -> Installed:
        """On or off, now and for later starts. Raise NotThere."""
        with self._lock:
            self._find(name)
            _ = self._plugins.enable(name) if on else self._plugins.disable(name)
            return self._find(name)

    def reload(self, name: str) -> Installed:
        """Read its files anew, in both processes. Raise NotThere."""
        with self._lock:
            self._find(name)
            self._plugins.reload(name)
            return self._find(name)

    # ---- to install

    def plan(self, source: Source, progress: Progress) -> Plan:
        """Fetch an extension to look at it; it waits until it is installed or put away. Raise InstallRefused, Cancelled."""
        return self._planned(source, "", None, progress)

    def _planned(self, source: Source, commit: str, updates: str | None, progress: Progress) -> Plan:
        def neighbours(contents: Contents) -> tuple[str, str]:
            return self._beside(contents, source, updates)

        plan = plans.make_plan(source, commit, self._places, neighbours, self._resident(source), progress)
        with self._lock:
            self._plans[plan.id] = plan
        return plan

    def _resident(self, source: Source) -> dict[str, Resident]:
        """The packages that must stay: the program's, and those of other extensions, which one process shares."""
        others = (each for each in self.installed() if each.record is None or each.record.source.address != source.address)
        theirs = {
            packages.canonicalize_name(package.name): Resident(package.version, each.info.name)
            for each in others
            for package in each.packages
        }
        return {**theirs, **packages.environment()}

    def _beside(self, contents: Contents, source: Source, updates: str | None) -> tuple[str, str]:
        manifest = contents.manifest
        if manifest is None:
            return "", ""
        if updates not in (None, manifest.name):
            return f"It is called {manifest.name} now and was called {updates}; remove that one, then install this.", ""
        names = {each.info.name: each for each in reversed(self.installed())}
        here = names.get(manifest.name)
        if here is None and self._places.at(manifest.name).exists():
            return f"There is a folder {self._places.at(manifest.name)} already, which is no extension; move it away first.", ""
        if here is not None and not (here.record and same_place(here.record.source.address, source.address)):
            return (
                f"There is an extension {manifest.name} already, in {here.info.path}; two of one name cannot be told apart.",
                "",
            )
        if missing := [name for name in manifest.requires if name not in names]:
            return f"It requires the extension {missing[0]}, which is not here; install that first.", ""
        return "", here.info.version if here else ""

    def find_plan(self, plan_id: str) -> Plan:
        """Raise NotThere."""
        plan = self._plans.get(plan_id)
        if plan is None:
            raise NotThere("This look at an extension has ended; look again.")
        return plan

    def put_away(self, plan_id: str) -> None:
        """Delete what was fetched to be looked at. Raise NotThere."""
        with self._lock:
            remove(self.find_plan(plan_id).stage)
            del self._plans[plan_id]

    def install(self, plan_id: str, progress: Progress) -> Installed:
        """Install what was looked at, and load it. Raise InstallRefused, NotThere, Cancelled; then nothing of it is left."""
        plan = self.find_plan(plan_id)
        try:
            # Another of this name may have come since it was looked at.
            if refused := self._beside(plan.contents, plan.record.source, None)[0]:
                remove(plan.stage)
                raise InstallRefused(refused)
            name = plans.carry_out(plan, self._places, progress)
        finally:
            with self._lock:
                self._plans.pop(plan_id, None)
        with self._lock:
            self._news.pop(name, None)
            self._plugins.load_all()
            if not plan.replaces and not self._plugins.find(name).enabled:
                self._plugins.enable(name)
            self._plugins.reload(name)  # the engine may still have an earlier one of this name
            return self._find(name)

    # ---- newer and older

    def check(self, progress: Progress) -> int:
        """Ask every repository for news; returns how many extensions have some. Raise Cancelled."""
        for each in self.installed():
            if each.record is None or each.record.source.kind != "git":
                continue
            progress.begin(f"Asking for news of {each.info.name}")
            try:
                self._news[each.info.name] = News(tuple(repository.news(each.info.path, each.record.source.branch, progress)))
            except InstallRefused as error:
                self._news[each.info.name] = News(error=str(error))
        return sum(bool(news.changes) for news in self._news.values())

    def update(self, name: str, progress: Progress) -> Installed:
        """Take the newest of the branch, or of the folder or zip file. A backup of the set is written first."""
        _, record = self._recorded(name)
        plan = self._planned(record.source, "", name, progress)
        if plan.record.commit == record.commit:
            self.put_away(plan.id)
            raise InstallRefused(f"The extension {name} is the newest already.")
        if plan.problems:
            self.put_away(plan.id)
            raise InstallRefused(f"The new version of {name} is not installed. {' '.join(plan.problems)}")
        self.backup("pre-update")
        return self.install(plan.id, progress)

    def roll_back(self, name: str) -> Installed:
        """Change places with the version before; once more brings the newer one back. Raise NotThere, InstallRefused."""
        with self._lock:
            self._recorded(name)
            self._places.swap(name)
            self._news.pop(name, None)
            self._plugins.reload(name)
            return self._find(name)

    # ---- away and back

    def remove(self, name: str) -> Deletion:
        """Move it to the trash, with its packages. Raise NotThere, and InstallRefused for one that comes with the program."""
        with self._lock:
            found = self._find(name)
            if not found.removable:
                raise InstallRefused(f"The extension {name} comes with the program and can be switched off, not removed.")
            needed = [each.info.name for each in self.installed() if each.info.manifest and name in each.info.manifest.requires]
            if needed:
                raise InstallRefused(f"The extension {needed[0]} requires {name}; remove that one first.")
            deletion = self._places.throw_away(found.info.path, name, found.info.version)
            self._news.pop(name, None)
            self._plugins.load_all()
            return deletion

    def trash(self) -> list[Deletion]:
        return self._places.trash()

    def bring_back(self, deletion_id: str) -> Installed:
        """Undo a removal. Raise NotThere, InstallRefused."""
        with self._lock:
            name = self._places.bring_back(deletion_id)
            self._plugins.load_all()
            self._plugins.reload(name)
            return self._find(name)

    def forget(self, deletion_id: str) -> None:
        """Delete something in the trash for good. Raise NotThere."""
        self._places.forget(deletion_id)

    # ---- the set as a whole

    def backup(self, name: str) -> Backup:
        """Note what is there, from where, at which commit, on or off."""
        return self.backups.save(name, self._standing())

    def _standing(self) -> list[Standing]:
        return [
            Standing(each.info.name, each.info.version, each.info.enabled, each.record.source if each.record else None,
                     each.record.commit if each.record else "")
            for each in self.installed() if not is_second(each.info)
        ]  # fmt: skip

    def differences(self, backup_id: str) -> list[Difference]:
        """What a restore would do. Raise NotThere."""
        return compare(self.backups.find(backup_id).extensions, self._standing())

    def restore(self, backup_id: str, progress: Progress) -> str:
        """Make the set what it was, as far as it can be had. What is not in the backup is switched off, not removed.

        Raises:
            InstallRefused: naming what could not be got back; the rest is done.
        """
        left = self.differences(backup_id)
        while left:
            failed = self._failing(left, progress)
            if len(failed) == len(left):
                told = " ".join(f"{each.name}: {why}" for each, why in failed)
                raise InstallRefused(f"Not everything could be restored. {told}")
            left = [each for each, _ in failed]
        return self.backups.find(backup_id).name

    def _failing(self, differences: list[Difference], progress: Progress) -> list[tuple[Difference, str]]:
        """Restore them; those that cannot be yet, and why: one that requires another can be after it."""
        failed = []
        for each in differences:
            progress.check()
            try:
                self._restore(each, progress)
            except (InstallRefused, OSError) as error:
                failed.append((each, str(error)))
        return failed

    def _restore(self, difference: Difference, progress: Progress) -> None:
        wanted = difference.wanted
        if difference.what in ("install", "change"):
            if wanted.source is None:
                raise InstallRefused("nobody noted where it came from.")
            plan = self._planned(wanted.source, wanted.commit, wanted.name, progress)
            if plan.problems:
                self.put_away(plan.id)
                raise InstallRefused(" ".join(plan.problems))
            self.install(plan.id, progress)
        self.switch(wanted.name, wanted.enabled)

    # ---- to choose from

    def index(self) -> shelf.Index:
        """The list that was fetched last, else the one that comes along."""
        return shelf.kept(self._index_file) or shelf.shipped_index()

    def load_index(self, address: str) -> shelf.Index:
        """Read another list; "" goes back to the one that comes along. Raise InvalidRequest, InstallRefused."""
        if not address.strip():
            self._index_file.unlink(missing_ok=True)
            return self.index()
        index = shelf.fetch_index(address)
        self._index_file.parent.mkdir(parents=True, exist_ok=True)
        shelf.keep(self._index_file, index)
        return index


def _version(tree: Path) -> str:
    from webui.plugins.finding import read

    return read(tree).version or "?"
