"""Jobs, pictures and events as JSON of `/api/v1`. Seeds are strings: a browser's number loses digits past 2^53."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from webui.api.answers import JobAnswer, PictureAnswer
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.jobs.events import (
    EngineChanged,
    Event,
    JobChanged,
    JobProgress,
    ModelsChanged,
    NoticePosted,
    PictureSaved,
    PlotChanged,
    QueueChanged,
    SettingsChanged,
    TaskChanged,
)
from webui.jobs.plot_store import PlotCell
from webui.jobs.store import Job, Picture


def job_json(job: Job, ahead: int) -> JobAnswer:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "owner": job.owner,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "note": job.note,
        "error": job.error,
        "error_field": job.error_field,
        "ahead": ahead,
        "held": job.held,
        "save": job.save,
        "image_count": job.image_count,
        "request": request_json(job.request),
        "extras": None if job.extras is None else job.extras.to_dict(),
        "pictures": [picture_json(picture) for picture in job.pictures],
    }


def request_json(request: GenerationRequest) -> dict[str, Any]:
    long = [name for name, spec in params_of(GenerationRequest).items() if spec.is_long]
    return request.to_dict() | {name: str(getattr(request, name)) for name in long}


def picture_json(picture: Picture) -> PictureAnswer:
    return {
        "index": picture.index,
        "seed": str(picture.seed),
        "width": picture.width,
        "height": picture.height,
        "url": f"/api/v1/jobs/{quote(picture.job_id, safe='')}/pictures/{picture.index}.png",
        "path": picture.path,
        "saved": picture.saved,
        "infotext": picture.infotext,
    }


def event_json(event: Event) -> dict[str, Any]:
    match event:
        case EngineChanged():
            return _engine_json(event)
        case JobChanged():
            return {"type": "job", "job": job_json(event.job, event.ahead)}
        case QueueChanged():
            return {"type": "queue", "waiting": event.waiting, "running": event.running, "paused": event.paused}
        case JobProgress():
            return _progress_json(event)
        case PictureSaved():
            return {"type": "picture", "job_id": event.job_id, "picture": picture_json(event.picture)}
        case NoticePosted():
            return {"type": "notice", "text": event.text, "level": event.level, "job_id": event.job_id}
        case TaskChanged():
            return {"type": "task", "task": asdict(event.task)}
        case PlotChanged():
            return _plot_json(event)
        case ModelsChanged():
            return {"type": "models", "kinds": list(event.kinds)}
        case SettingsChanged():
            return {"type": "settings", "values": dict(event.values), "version": event.version}


def _plot_json(event: PlotChanged) -> dict[str, Any]:
    return {
        "type": "plot",
        "id": event.plot_id,
        "state": event.state.value,
        "done": event.done,
        "failed": event.failed,
        "total": event.total,
        "seconds_left": event.seconds_left,
        "note": event.note,
        "cell": None if event.cell is None else cell_json(event.plot_id, event.cell),
    }


def cell_json(plot_id: str, cell: PlotCell) -> dict[str, Any]:
    """What changes of a cell while the plot is worked on."""
    place = ".".join(map(str, cell.index))
    done = cell.seed is not None
    return {
        "index": list(cell.index),
        "state": cell.state.value,
        "job_id": cell.job_id,
        "url": f"/api/v1/jobs/{quote(cell.job_id or '', safe='')}/pictures/0.png" if done else None,
        "thumbnail": f"/api/v1/plots/{quote(plot_id, safe='')}/cells/{place}.webp" if done else None,
        "seed": None if cell.seed is None else str(cell.seed),
        "width": cell.width,
        "height": cell.height,
        "path": cell.path,
        "seconds": cell.seconds,
        "sharpness": cell.sharpness,
        "similarity": cell.similarity,
        "favourite": cell.favourite,
        "error": cell.error,
        "error_field": cell.error_field,
    }


def _engine_json(event: EngineChanged) -> dict[str, Any]:
    return {
        "type": "engine",
        "state": event.state.value,
        "text": event.text,
        "device": event.device,
        "memory_total": event.memory_total,
        "memory_free": event.memory_free,
        "memory_peak": event.memory_peak,
        "host_used": event.host_used,
        "host_peak": event.host_peak,
        "host_total": event.host_total,
        "since": event.since,
        "checkpoint": event.checkpoint,
        "vae": event.vae,
    }


def _progress_json(event: JobProgress) -> dict[str, Any]:
    preview = None
    if event.preview is not None:
        preview = "data:image/jpeg;base64," + base64.b64encode(event.preview).decode()
    return {
        "type": "progress",
        "job_id": event.job_id,
        "text": event.text,
        "fraction": event.fraction,
        "step": event.step,
        "steps": event.steps,
        "image": event.image,
        "images": event.images,
        "eta": event.eta,
        "preview": preview,
        "file": event.file,
        "file_size": event.file_size,
    }
