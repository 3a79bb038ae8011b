"""What A1111's txt2img and progress routes answer with, made from a job."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from webui import __version__
from webui.api.answers import ProgressAnswer, ProgressState
from webui.api.extras import OVERRIDE
from webui.api.sdapi_request import ANSWER_SETTINGS
from webui.api.services import Services
from webui.core import infotext
from webui.core.lora_tags import NOT_FOUND
from webui.core.params import check_value, params_of
from webui.core.request import VAE_BUILT_IN
from webui.engine.protocol import CancelWhen
from webui.errors import InvalidRequest
from webui.jobs.events import JobProgress
from webui.jobs.resolve import model_hashes
from webui.jobs.store import Job, Picture
from webui.storage.encoding import encode_picture, ending_of, pixels_of
from webui.storage.preferences import Preferences

#: Keys of infotext that A1111 has fields of their own for in `info`, or leaves out of its extra ones.
_ALWAYS = (
    *("Steps", "Sampler", "CFG scale", "Image CFG scale", "Seed", "Size-1", "Size-2", "Model hash", "Model", "VAE hash", "VAE"),
    *("Variation seed", "Variation seed strength", "Seed resize from-1", "Seed resize from-2", "Denoising strength", "Clip skip"),
    *("ENSD", "RNG", "Tiling", "Version"),
)


def timestamp(seconds: float | None) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.localtime(seconds)) if seconds else "0"


@dataclass(frozen=True)
class AnswerFormat:
    """How the pictures of an answer are encoded. `ending` None: as they were saved."""

    ending: str | None
    quality: int
    lossless: bool

    @classmethod
    def of(cls, body: Any, chosen: Preferences) -> AnswerFormat:
        """What the request's `override_settings` say, over what was chosen. Raise InvalidRequest for a format there is not."""
        asked = {key: value for key, value in (body.override_settings or {}).items() if key in ANSWER_SETTINGS}
        asked = {key: "jpg" if value == "jpeg" else value for key, value in asked.items() if value is not None}
        for key, value in asked.items():
            try:
                check_value(params_of(Preferences)[key], value)
            except InvalidRequest as error:
                raise InvalidRequest(OVERRIDE + key, str(error)) from error
        quality, lossless = (asked.get(key, getattr(chosen, key)) for key in ANSWER_SETTINGS[1:])
        return cls(asked.get("samples_format"), quality, lossless)


def encoded_pictures(services: Services, job: Job, wanted: AnswerFormat) -> list[str]:
    """The pictures as base64."""
    found = ((picture, services.dispatcher.picture_bytes(picture)) for picture in job.pictures)
    return [base64.b64encode(_in_format(picture, data, wanted)).decode() for picture, data in found]


def _in_format(picture: Picture, data: bytes, wanted: AnswerFormat) -> bytes:
    if wanted.ending in (None, ending_of(data)):
        return data
    size, options = (picture.width, picture.height), {"quality": wanted.quality, "lossless": wanted.lossless}
    return encode_picture(pixels_of(data), *size, picture.infotext, wanted.ending, **options).data


def echo(parameters: dict[str, Any]) -> dict[str, Any]:
    """The request as it goes back, its pictures only where `include_init_images` asks for them.

    What JSON cannot say (NaN deep inside a script's arguments) becomes null.
    """
    told = dict(parameters)
    if not told.pop("include_init_images", True):
        told |= {"init_images": None, "mask": None}
    return json.loads(json.dumps(told), parse_constant=lambda _: None)


# ---- info


def info_text(services: Services, job: Job, parameters: dict[str, Any], comments: list[str]) -> str:
    """A1111's `info`: a JSON object in a string."""
    return json.dumps(
        _prompts_and_seeds(job, parameters) | _settings(job) | _models(services, job) | _rest(job, parameters, comments)
    )


def _prompts_and_seeds(job: Job, parameters: dict[str, Any]) -> dict[str, Any]:
    request, count = job.request, len(job.pictures)
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * count,
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * count,
        "seed": request.seed,
        "all_seeds": [picture.seed for picture in job.pictures],
        "subseed": request.variation_seed,
        "all_subseeds": [request.single(picture.index).variation_seed for picture in job.pictures],
        "subseed_strength": request.variation_strength,
    }


def _settings(job: Job) -> dict[str, Any]:
    request = job.request
    return {
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.guidance_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
    }


def _models(services: Services, job: Job) -> dict[str, Any]:
    request = job.request
    checkpoint_hash, vae_hash = model_hashes(request, services.catalog)
    return {
        "sd_model_name": PurePosixPath(request.checkpoint or "").name,
        "sd_model_hash": checkpoint_hash,
        "sd_vae_name": None if request.vae == VAE_BUILT_IN else request.vae,
        "sd_vae_hash": vae_hash,
    }


def _rest(job: Job, parameters: dict[str, Any], comments: list[str]) -> dict[str, Any]:
    return {
        "seed_resize_from_w": job.request.seed_resize_width or -1,
        "seed_resize_from_h": job.request.seed_resize_height or -1,
        "denoising_strength": job.request.denoising_strength if job.request.source or job.request.hires else None,
        "extra_generation_params": _extra_params(job),
        "index_of_first_image": 0,
        "infotexts": [picture.infotext for picture in job.pictures],
        "styles": parameters.get("styles") or [],
        "job_timestamp": timestamp(job.started or job.created),
        "clip_skip": job.request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": f"Periplus {__version__}",
        "comments": "\n".join([*comments, *filter(None, (_not_found(job), job.note))]),
    }


def _not_found(job: Job) -> str:
    """As A1111 tells of LoRAs that were left out."""
    told = infotext.parse(job.pictures[0].infotext).settings if job.pictures else {}
    return f"Networks not found: {told[NOT_FOUND]}" if NOT_FOUND in told else ""


def _extra_params(job: Job) -> dict[str, str]:
    """What the infotext of the first picture says beyond the keys that A1111 always has."""
    told = infotext.parse(job.pictures[0].infotext).settings if job.pictures else {}
    others = {key: text for key, text in told.items() if key not in _ALWAYS}
    return {"Schedule type": job.request.scheduler, **others}


# ---- progress


def progress_json(
    running: Job | None,
    waiting: list[Job],
    progress: JobProgress | None,
    skip_image: bool,
    stopping: CancelWhen | None = None,
) -> ProgressAnswer:
    """A job that waits for the engine counts as work: clients take progress 0 and job_count 0 for "ready"."""
    job = running or next(iter(waiting), None)
    fraction = 0.0 if job is None else max(0.01, min(progress.fraction if progress else 0.0, 1.0))
    preview = progress.preview if progress and not skip_image else None
    return {
        "progress": fraction,
        "eta_relative": (progress.eta if progress else None) or 0.0,
        "state": _state(job, progress, stopping),
        "current_image": base64.b64encode(preview).decode() if preview else None,
        "textinfo": progress.text if progress else None,
    }


def _state(job: Job | None, progress: JobProgress | None, stopping: CancelWhen | None) -> ProgressState:
    return {
        "skipped": stopping is CancelWhen.SKIP,
        "interrupted": stopping is CancelWhen.NOW,
        "stopping_generation": stopping is CancelWhen.AFTER_BATCH,
        "job": job.id if job else "",
        "job_count": job.request.batch_count if job else 0,
        "job_timestamp": timestamp(job and (job.started or job.created)),
        "job_no": progress.image // job.request.batch_size if job and progress else 0,
        "sampling_step": progress.step if progress else 0,
        "sampling_steps": job.request.steps if job else 0,
    }
