"""`/api/v1/extensions`: what is there, and installing, updating, rolling back and removing it. Long work runs as tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as PathParam
from pydantic import BaseModel, ConfigDict, Field

from webui.api.examples import example
from webui.api.guarding import admin, is_at_the_machine
from webui.api.services import Services
from webui.api.tasks import task_json
from webui.jobs.store import JobState
from webui.library.tasks import TaskHandle
from webui.plugins.installing.addresses import read_source
from webui.plugins.installing.backups import Backup
from webui.plugins.installing.installer import Installed
from webui.plugins.installing.plans import Plan
from webui.plugins.installing.shelf import Index

Name = Annotated[str, PathParam(max_length=200)]
Id = Annotated[str, PathParam(max_length=200)]
_FILES_TOLD = 500


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SourceBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(source="https://example.org/an-extension.git", branch="main"))

    source: str = Field(
        max_length=2_000, description="A git address, or a folder or zip file of the machine that runs the program."
    )
    branch: str = Field("", max_length=200, description="Branch or tag of a git address. Default: its usual one.")


class EnabledBody(_Body):
    enabled: bool


class IndexBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(address="https://example.org/index.json"))

    address: str = Field("", max_length=2_000, description="http(s) address or file. Empty: the list that comes along.")


class BackupBody(_Body):
    model_config = ConfigDict(json_schema_extra=example(name="before the update"))

    name: str = Field("", max_length=100)


def installed_json(one: Installed) -> dict[str, Any]:
    """An extension as the page shows it."""
    info, manifest, record, news = one.info, one.info.manifest, one.record, one.news
    return {
        "name": info.name,
        "title": manifest.title if manifest and manifest.title else info.name,
        "description": manifest.description if manifest else "",
        "author": manifest.author if manifest else "",
        "url": manifest.url if manifest else "",
        "version": info.version,
        "path": str(info.path),
        "enabled": info.enabled,
        "loaded": info.loaded,
        "load_seconds": round(info.load_seconds, 4),
        "problem": one.problem,
        "hooks": list(one.hooks),
        "adds": list(info.adds),
        "bundled": one.bundled,
        "removable": one.removable,
        "source": asdict(record.source) if record else None,
        "commit": record.commit if record else "",
        "date": record.date if record else "",
        "packages": [{"name": package.name, "version": package.version} for package in one.packages],
        "previous": one.previous,
        "news": {"changes": [asdict(change) for change in news.changes], "error": news.error} if news else None,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """What would be installed, before it is."""
    manifest, contents = plan.contents.manifest, plan.contents
    return {
        "id": plan.id,
        "source": asdict(plan.record.source),
        "commit": plan.record.commit,
        "date": plan.record.date,
        "name": manifest.name if manifest else "",
        "title": (manifest.title or manifest.name) if manifest else "",
        "version": manifest.version if manifest else "",
        "description": manifest.description if manifest else "",
        "author": manifest.author if manifest else "",
        "requires": list(manifest.requires) if manifest else [],
        "python": list(manifest.python) if manifest else [],
        "adds": [{"name": package.name, "version": package.version} for package in plan.adds],
        "hooks": list(contents.hooks),
        "size": contents.size,
        "file_count": len(contents.files),
        "files": [{"path": path, "size": size} for path, size in contents.files[:_FILES_TOLD]],
        "replaces": plan.replaces,
        "problems": list(plan.problems),
    }


def index_json(index: Index, here: list[Installed]) -> dict[str, Any]:
    names = {one.info.name for one in here}
    addresses = {_same(one.record.source.address) for one in here if one.record}
    entries = []
    for number, entry in enumerate(index.entries):
        is_here = _same(entry.url) in addresses if entry.url else entry.name in names
        entries.append({**asdict(entry), "installed": is_here, "order": number})
    return {"origin": index.origin, "ours": index.ours, "tags": dict(index.tags), "entries": entries}


def _same(address: str) -> str:
    return address.strip().lower().rstrip("/").removesuffix(".git")


def backup_json(backup: Backup) -> dict[str, Any]:
    return asdict(backup)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["extensions"])
    guarded = APIRouter(dependencies=[admin(services.settings)])
    _add_lists(routes, services)
    _add_changes(guarded, services)
    _add_installing(guarded, services)
    _add_sets(guarded, services)
    routes.include_router(guarded)
    return routes


def _add_lists(routes: APIRouter, services: Services) -> None:
    installer = services.installer

    @routes.get("/extensions")
    def extensions(request: Request) -> dict[str, Any]:
        """What is there, with versions, problems and the last failure in a job; and whether whoever asks may change it."""
        failures = _failures(services)
        times = services.plugins.times
        here = [
            {
                **installed_json(one),
                "failure": failures.get(one.info.name, ""),
                "picture_seconds": times.per_picture(one.info.name),
            }
            for one in installer.installed()
        ]
        return {
            "extensions": here,
            "trash": [asdict(deletion) for deletion in installer.trash()],
            "restart_needed": installer.restart_needed(),
            "safe_mode": services.settings.safe_mode,
            "at_the_machine": is_at_the_machine(request),
            "admin_password": bool(services.settings.admin_password),
            "run": services.restart.run,
        }

    @routes.get("/extensions/available")
    def available() -> dict[str, Any]:
        """The list of extensions that was read last, or the one that comes with the program."""
        return index_json(installer.index(), installer.installed())

    @routes.get("/extensions/backups")
    def backups() -> list[dict[str, Any]]:
        """Newest first."""
        return [backup_json(backup) for backup in installer.backups.all()]

    @routes.get("/extensions/backups/{backup_id}/differences")
    def differences(backup_id: Id) -> list[dict[str, Any]]:
        """What restoring it would do."""
        return [asdict(difference) for difference in installer.differences(backup_id)]

    @routes.get("/extensions/plans/{plan_id}")
    def plan(plan_id: Id) -> dict[str, Any]:
        """What was fetched to be looked at: files, packages, hooks, and why it could not be installed."""
        return plan_json(installer.find_plan(plan_id))


def _failures(services: Services) -> dict[str, str]:
    """The error of the newest job that failed for each extension."""
    found: dict[str, str] = {}
    for job in services.store.recent():
        words = job.error.split() if job.state is JobState.FAILED and job.error else []
        if words[:2] == ["The", "extension"] and "failed" in words[3:4]:
            found.setdefault(words[2], job.error or "")
    return found


def _add_changes(routes: APIRouter, services: Services) -> None:
    installer, tasks = services.installer, services.tasks

    @routes.put("/extensions/installed/{name}/enabled")
    def switch(name: Name, body: EnabledBody) -> dict[str, Any]:
        """Switch it on or off, now and for later starts."""
        return installed_json(installer.switch(name, body.enabled))

    @routes.post("/extensions/installed/{name}/reload")
    def reload(name: Name) -> dict[str, Any]:
        """Read its files anew, for whoever writes it; the engine does before the next job."""
        return installed_json(installer.reload(name))

    @routes.post("/extensions/check", status_code=202)
    def check() -> dict[str, Any]:
        """Ask the repositories for new commits."""

        def work(handle: TaskHandle) -> str:
            count = installer.check(handle)
            handle.conclusion = f"News of {count} extension{'' if count == 1 else 's'}" if count else "All are the newest"
            return ""

        return task_json(tasks.start("extension", "Check for updates", work))

    @routes.post("/extensions/installed/{name}/update", status_code=202)
    def update(name: Name) -> dict[str, Any]:
        """Take the newest version; the present one is kept."""
        return _begun(services, f"Update {name:.80}", name, lambda handle: installer.update(name, handle))

    @routes.post("/extensions/installed/{name}/rollback")
    def roll_back(name: Name) -> dict[str, Any]:
        """Go back to the version before the last update; once more goes forward again."""
        return installed_json(installer.roll_back(name))

    @routes.delete("/extensions/installed/{name}")
    def remove(name: Name) -> dict[str, Any]:
        """Move it to the trash, with its packages."""
        return asdict(installer.remove(name))

    @routes.post("/extensions/trash/{deletion_id}/undo")
    def undo(deletion_id: Id) -> dict[str, Any]:
        """Bring a removed extension back."""
        return installed_json(installer.bring_back(deletion_id))

    @routes.delete("/extensions/trash/{deletion_id}")
    def forget(deletion_id: Id) -> None:
        """Delete a removed extension for good."""
        installer.forget(deletion_id)

    @routes.post("/restart")
    def restart() -> dict[str, Any]:
        """Start the program anew with the same flags, at the same address; a running job is taken up again."""
        return {"restarting": services.restart.ask(), "run": services.restart.run}


def _add_installing(routes: APIRouter, services: Services) -> None:
    installer, tasks = services.installer, services.tasks

    @routes.post("/extensions/plans", status_code=202)
    def look(body: SourceBody) -> dict[str, Any]:
        """Fetch an extension to look at it; the task's result is the plan's id. Nothing of it is run."""
        source = read_source(body.source, body.branch)
        return task_json(
            tasks.start("extension", f"Look at {source.address:.120}", lambda handle: installer.plan(source, handle).id)
        )

    @routes.delete("/extensions/plans/{plan_id}")
    def put_away(plan_id: Id) -> None:
        """Delete what was fetched to be looked at."""
        installer.put_away(plan_id)

    @routes.post("/extensions/plans/{plan_id}/install", status_code=202)
    def install(plan_id: Id) -> dict[str, Any]:
        """Install what was looked at, exactly."""
        name = installer.find_plan(plan_id).name
        return _begun(services, f"Install {name}", name, lambda handle: installer.install(plan_id, handle))

    @routes.post("/extensions/available")
    def load_index(body: IndexBody) -> dict[str, Any]:
        """Read another list of extensions, in A1111's form or ours; it is remembered."""
        return index_json(installer.load_index(body.address), installer.installed())


def _begun(services: Services, title: str, name: str, put: Callable[[TaskHandle], Installed]) -> dict[str, Any]:
    """A task that puts an extension in its place, and says at its end whether it works there."""

    def work(handle: TaskHandle) -> str:
        handle.conclusion = _told(put(handle))
        return name

    return task_json(services.tasks.start("extension", title, work))


def _told(one: Installed) -> str:
    name, version = one.info.name, one.info.version
    return f"{name} {version} is here, but not loaded: {one.problem}" if one.problem else f"{name} {version} is here"


def _add_sets(routes: APIRouter, services: Services) -> None:
    installer, tasks = services.installer, services.tasks

    @routes.post("/extensions/backups", status_code=201)
    def back_up(body: BackupBody) -> dict[str, Any]:
        """Note down which extensions are there, at which commit, on or off."""
        return backup_json(installer.backup(body.name))

    @routes.delete("/extensions/backups/{backup_id}")
    def delete(backup_id: Id) -> None:
        installer.backups.delete(backup_id)

    @routes.post("/extensions/backups/{backup_id}/restore", status_code=202)
    def restore(backup_id: Id) -> dict[str, Any]:
        """Make the set of extensions what it was."""
        backup = installer.backups.find(backup_id)
        work = lambda handle: installer.restore(backup_id, handle)  # noqa: E731
        return task_json(tasks.start("extension", f"Restore “{backup.name}”", work))
