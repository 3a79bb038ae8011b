"""`/internal/*`: what A1111's own page asks for, and other programs too: a task's progress, facts about the program."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import platform
import sys
import time
import zlib
from typing import Any

import psutil
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from webui import __version__
from webui.api.examples import example
from webui.api.sdapi_options import LABELS, flags_of, ram
from webui.api.services import Services
from webui.errors import JobNotFound
from webui.jobs.store import Job, JobState

_PACKAGES = ("torch", "diffusers", "transformers", "gradio", "fastapi", "pillow", "numpy", "safetensors", "spandrel")


class ProgressBody(BaseModel):
    model_config = ConfigDict(json_schema_extra=example(id_task="t2i-0123456789ab", id_live_preview=3))

    id_task: str = Field("", max_length=200, description="What `force_task_id` named, or a job's id.")
    id_live_preview: int = Field(-1, description="Of the preview that is known; it is not sent again.")
    live_preview: bool = True


def add_routes(routes: APIRouter, services: Services) -> None:
    _add_progress(routes, services)
    _add_facts(routes, services)


# ---- tasks


def _add_progress(routes: APIRouter, services: Services) -> None:
    @routes.get("/internal/ping")
    async def ping() -> dict[str, Any]:
        return {}

    @routes.get("/internal/pending-tasks")
    def pending_tasks() -> dict[str, Any]:
        """The ids of the jobs that wait."""
        waiting = services.dispatcher.queue.order
        return {"size": len(waiting), "tasks": waiting}

    @routes.post("/internal/progress")
    def progress(body: ProgressBody) -> dict[str, Any]:
        """How far a task is. `textinfo` says so in words, also while it waits."""
        try:
            job = services.store.get(body.id_task)
        except JobNotFound:
            return _progress("Waiting...")
        if job.state is JobState.RUNNING:
            return _running(services, job, body)
        if job.state is JobState.QUEUED:
            waiting = services.dispatcher.queue.order
            place = waiting.index(job.id) + 1 if job.id in waiting else 1
            return _progress(f"In queue: {place}/{max(len(waiting), 1)}", queued=True)
        return _progress(None, completed=True)


def _progress(text: str | None, **others: Any) -> dict[str, Any]:
    unknown = {"active": False, "queued": False, "completed": False, "progress": None, "eta": None, "live_preview": None}
    return {**unknown, "id_live_preview": -1, "textinfo": text, **others}


def _running(services: Services, job: Job, body: ProgressBody) -> dict[str, Any]:
    if body.live_preview:
        services.dispatcher.watch()
    latest = services.dispatcher.progress(job.id)
    if latest is None:
        return _progress(None, active=True, progress=0.0)
    picture = latest.preview if body.live_preview else None
    number = zlib.crc32(picture) if picture else body.id_live_preview  # another picture has another number
    sent = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture and number != body.id_live_preview else None
    told = {"progress": latest.fraction, "eta": latest.eta, "live_preview": sent, "id_live_preview": number}
    return _progress(latest.text, active=True, **told)


# ---- the program


def _add_facts(routes: APIRouter, services: Services) -> None:
    ready = time.time() - psutil.Process().create_time()

    @routes.get("/internal/quicksettings-hint")
    def quicksettings_hint() -> list[dict[str, str]]:
        """The settings of `/sdapi/v1/options` that the page shows, with their labels."""
        return [{"name": name, "label": label} for name, label in LABELS.items()]

    @routes.get("/internal/profile-startup")
    def profile_startup() -> dict[str, Any]:
        """Seconds from the start of the process until its routes were there. The engine starts beside them."""
        return {"total": ready, "records": {"routes": ready}}

    @routes.get("/internal/sysinfo", response_class=Response, responses=_TEXT)
    def sysinfo() -> Response:
        """What helps to find out why something does not work, as JSON. No password is in it."""
        return Response(_sysinfo(services), media_type="text/plain; charset=utf-8")

    @routes.get("/internal/sysinfo-download", response_class=Response, responses=_TEXT)
    def sysinfo_download() -> Response:
        name = time.strftime("sysinfo-%Y-%m-%d-%H-%M.json")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(_sysinfo(services), media_type="text/plain; charset=utf-8", headers=headers)


_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


def _sysinfo(services: Services) -> str:
    engine = services.dispatcher.engine
    facts = {
        "Platform": platform.platform(),
        "Python": sys.version.partition(" ")[0],
        "Version": f"Periplus {__version__}",
        "Flags": flags_of(services),
        "CPU": {"model": platform.processor(), "count logical": psutil.cpu_count(), "count physical": psutil.cpu_count(False)},
        "RAM": ram(),
        "Engine": {"state": engine.state.value, "text": engine.text, "device": engine.device, "checkpoint": engine.checkpoint},
        "Device memory": {"total": engine.memory_total, "free": engine.memory_free, "peak": engine.memory_peak},
        "Extensions": [_extension(info) for info in services.plugins.plugins()],
        "Packages": {name: _version(name) for name in _PACKAGES},
    }
    return json.dumps(facts, indent=4, default=str)


def _extension(info: Any) -> dict[str, Any]:
    return {"name": info.name, "version": info.version, "enabled": info.enabled, "problem": info.problem}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
