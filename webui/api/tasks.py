"""`/api/v1/tasks`: work on model files that goes on beside the jobs. The event stream tells of every change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam

from webui.api.services import Services
from webui.library.tasks import Task

TaskId = Annotated[str, PathParam(max_length=100)]


def task_json(task: Task) -> dict[str, Any]:
    return asdict(task)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["tasks"])

    @routes.get("/tasks")
    def tasks() -> list[dict[str, Any]]:
        """Those that run, newest first, then those that ended last."""
        return [task_json(task) for task in services.tasks.all()]

    @routes.get("/tasks/{task_id}")
    def task(task_id: TaskId) -> dict[str, Any]:
        return task_json(services.tasks.get(task_id))

    @routes.delete("/tasks/{task_id}")
    def cancel(task_id: TaskId) -> dict[str, Any]:
        """End a running task. Once it has ended, `kept` tells whether the same download goes on from there."""
        return task_json(services.tasks.cancel(task_id))

    return routes
