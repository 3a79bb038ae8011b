"""The tools: what each does, by the same request table and queue as `/api/v1`."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from webui.api.job_json import picture_json
from webui.api.mcp import pictures, schemas
from webui.api.metadata import told_of
from webui.api.sdapi_options import current_checkpoint, current_vae
from webui.api.services import Services
from webui.api.sse import Stopping, following
from webui.checkpoints.catalog import suited_values
from webui.core.params import Param, suggest
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.jobs.events import JobChanged, JobProgress
from webui.jobs.store import Job, JobState

OWNER = "MCP"
_SIDES = ("width", "height")

#: Told of each step: how much is done (0–1), and in words.
Report = Callable[[float, str], Awaitable[None]]
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """`told` becomes JSON; `pictures` are (base64, media type); `failed`: the job ended without what was asked for."""

    told: dict[str, Any]
    pictures: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False


@dataclass(frozen=True)
class Tool:
    """`reads`: it changes nothing."""

    name: str
    title: str
    description: str
    schema: dict[str, Any]
    run: Callable[[Services, Arguments, Report], Awaitable[Answer]]
    reads: bool = False


# ---- making pictures


async def generate(services: Services, arguments: Arguments, report: Report) -> Answer:
    return await _make(services, arguments, {}, report)


async def img2img(services: Services, arguments: Arguments, report: Report) -> Answer:
    named = {"source": arguments["picture"]} | ({"mask": arguments["mask"]} if arguments.get("mask") else {})

    def kept() -> dict[str, Any]:
        return {name: services.sources.put(pictures.given(services, name, text), name) for name, text in named.items()}

    return await _make(services, arguments, await run_in_threadpool(kept), report)


async def _make(services: Services, arguments: Arguments, sources: dict[str, Any], report: Report) -> Answer:
    own = ("settings", "picture", "mask", *schemas.ANSWER_FIELDS)
    asked = {name: value for name, value in arguments.items() if name not in own}
    asked = {**(arguments.get("settings") or {}), **asked, **sources}
    suited = await run_in_threadpool(_suited, services, asked)
    request = GenerationRequest.from_dict(suited | {name: _number(name, value) for name, value in asked.items()})
    job = await run_in_threadpool(services.dispatcher.submit, request, owner=OWNER)
    return await _followed(services, job.id, arguments, report)


def _suited(services: Services, asked: Arguments) -> dict[str, Any]:
    """What the form would begin with under this checkpoint: a model that was trained on small pictures makes no large ones."""
    name = asked.get("checkpoint")
    info = services.catalog.find_checkpoint(name) if isinstance(name, str) and name else current_checkpoint(services)
    suited = {"vae": current_vae(services), **(suited_values(info) if info else {})}
    if isinstance(source := asked.get("source"), str) and not asked.keys() & {*_SIDES}:
        suited |= _shaped(services.sources.size(source), [suited.get(name, schemas.FIELDS[name].default) for name in _SIDES])
    return suited


def _shaped(source: tuple[int, int], suited: Sequence[int]) -> dict[str, int]:
    """A size of the source's proportions and the suited size's area, for any other would squeeze it."""
    scale = math.sqrt(math.prod(suited) / math.prod(source))
    return {name: _fitting(schemas.FIELDS[name].param, side * scale) for name, side in zip(_SIDES, source, strict=True)}


def _fitting(param: Param, side: float) -> int:
    raster = param.multiple_of or 1
    return int(min(max(round(side / raster) * raster, param.low or 0), param.high or math.inf))


def _number(name: str, value: Any) -> Any:
    """Seeds may come as text, for most clients' numbers lose digits of them."""
    spec = schemas.FIELDS.get(name)
    long = spec is not None and spec.is_long and isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,30}\s*", value)
    return int(value) if long else value


async def job(services: Services, arguments: Arguments, report: Report) -> Answer:
    await run_in_threadpool(services.store.get, arguments["job"])
    if arguments.get("stop"):
        await run_in_threadpool(services.dispatcher.cancel, arguments["job"])
    return await _followed(services, arguments["job"], arguments, report)


async def _followed(services: Services, job_id: str, arguments: Arguments, report: Report) -> Answer:
    job = await _wait(services, job_id, float(arguments.get("wait", schemas.USUAL_WAIT)), report)
    how = arguments.get("pictures", schemas.SMALL)
    shown = await run_in_threadpool(pictures.shown, services, job.pictures, how)
    told = await run_in_threadpool(_told_of_job, services, job)
    return Answer(told, shown, failed=job.state is JobState.FAILED)


async def _wait(services: Services, job_id: str, seconds: float, report: Report) -> Job:
    """The job when it is finished, or when the time is over. Raise Stopping if the program ends before."""
    reported = 0.0
    until = time.monotonic() + min(max(seconds, 0), schemas.LONGEST_WAIT)
    async with following(services.bus, keep_alive=1.0) as events:
        job = await run_in_threadpool(services.store.get, job_id)
        async for event in events:
            if isinstance(event, JobProgress) and event.job_id == job_id and event.fraction > reported:
                reported = event.fraction  # it may only grow
                await report(reported, event.text)
            elif event is None or (isinstance(event, JobChanged) and event.job.id == job_id):
                job = await run_in_threadpool(services.store.get, job_id)
            if job.state.finished or time.monotonic() >= until:
                return job
    raise Stopping(f"The program is being stopped; job {job_id} goes on after the next start.")


def _told_of_job(services: Services, job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {"job": job.id, "state": job.state.value}
    if job.error or job.note:
        told["message"] = job.error or job.note
    if not job.state.finished:
        latest = services.dispatcher.progress(job.id)
        told |= {"ahead": services.store.ahead(job), "progress": latest.fraction if latest else 0.0}
        told["next"] = f"It goes on. Call the tool job with job={job.id!r} for the pictures."
    wanted = ("url", "seed", "width", "height", "path", "infotext")
    told["pictures"] = [{name: value for name, value in picture_json(each).items() if name in wanted} for each in job.pictures]
    return told


# ---- asking


async def metadata(services: Services, arguments: Arguments, report: Report) -> Answer:
    def read() -> dict[str, Any]:
        return told_of(pictures.given(services, "picture", arguments["picture"]), services.plugins.kinds)

    told = await run_in_threadpool(read)
    del told["chunks"]  # whole graphs, of which `request` and `notes` tell what matters
    return Answer(told)


async def models(services: Services, arguments: Arguments, report: Report) -> Answer:
    return Answer(await run_in_threadpool(_listed, services, arguments))


def _listed(services: Services, arguments: Arguments) -> dict[str, Any]:
    kind, chosen = arguments.get("kind", "checkpoint"), current_checkpoint(services)
    name = chosen.name if chosen else None
    query = {key: arguments[key] for key in ("search", "start", "count") if key in arguments}
    page = services.library.page(kind, family=services.library.family_of(name or ""), **{"count": 30, **query})
    sizes = {info.name: info for info in services.catalog.checkpoints()} if kind == "checkpoint" else {}
    found = []
    for entry in page.entries:
        told: dict[str, Any] = {"name": entry.name, "family": entry.family, "problem": entry.problem, "fits": entry.fits}
        if entry.adds.prompt or entry.adds.negative:
            told |= {"prompt": entry.adds.prompt, "negative_prompt": entry.adds.negative}
        if info := sizes.get(entry.name):
            told |= {"suited": suited_values(info)}
        found.append(told)
    return {"current": {"checkpoint": name, "vae": current_vae(services)}, "total": page.total, "models": found}


# ---- what there is

_MAKES = (
    "Answers with the pictures, their files' paths and addresses, seeds and settings. What is left out is as the checkpoint "
    "suggests, else the program's own default. Several calls wait in one queue."
)
TOOLS = (
    Tool(
        "generate",
        "Make pictures from words",
        f"Make pictures of what a prompt says (txt2img) with Stable Diffusion on this computer. {_MAKES} "
        "The tool models tells which checkpoints there are, and what calls a LoRA in a prompt.",
        schemas.GENERATE,
        generate,
    ),
    Tool(
        "img2img",
        "Make pictures from a picture",
        f"Make a picture anew by a prompt, or only the white part of a mask (inpainting). {_MAKES} "
        "Without width and height it keeps its proportions.",
        schemas.IMG2IMG,
        img2img,
    ),
    Tool(
        "job",
        "Ask for a job",
        "Wait for pictures that generate or img2img did not wait for, or stop them.",
        schemas.JOB,
        job,
    ),
    Tool(
        "metadata",
        "Read a picture's settings",
        "How a picture was made, from its file, of A1111, ComfyUI and other programs: infotext, and `request`, whose fields "
        "generate takes as `settings`.",
        schemas.METADATA,
        metadata,
        reads=True,
    ),
    Tool(
        "models",
        "List models",
        "Model files of a kind, and the checkpoint and VAE in use. `prompt` is what calls a model in a prompt; `fits` is false "
        "where it was made for another family than the checkpoint in use; `suited` are settings that suit a checkpoint.",
        schemas.MODELS,
        models,
        reads=True,
    ),
)


def find(name: str, arguments: Arguments) -> Tool:
    """The tool of that name, once the arguments are known to be its.

    Raises:
        InvalidRequest: there is no such tool or argument, one is missing, or of another kind.
    """
    tool = next((tool for tool in TOOLS if tool.name == name), None)
    if tool is None:
        raise InvalidRequest("name", f"There is no tool “{name:.80}”. {suggest(name, [tool.name for tool in TOOLS])}")
    properties = tool.schema["properties"]
    for argument in arguments:
        if argument not in properties:
            raise InvalidRequest(argument, f"There is no argument “{argument:.80}”. {_hint(argument, properties)}")
    for argument in tool.schema["required"]:
        if argument not in arguments:
            raise InvalidRequest(argument, f"{argument} is missing. {properties[argument].get('description', '')}")
    for argument, value in arguments.items():
        if argument not in schemas.FIELDS or argument in schemas.PICTURE_FIELDS:
            _check(argument, value, properties[argument])
    return tool


def _hint(argument: str, properties: Mapping[str, Any]) -> str:
    if argument in schemas.FIELDS and "settings" in properties:
        return f"Put it into settings: {{“{argument}”: …}}."
    return suggest(argument, list(properties))


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text"),
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "boolean": ((bool,), "true or false"),
    "object": ((dict,), "an object"),
}


def _check(argument: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Arguments that are no fields of a request; the request checks its own, in better words."""
    kinds, words = _KINDS[schema["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InvalidRequest(argument, f"{argument}: {words} was expected, but {value!r:.80} was given.")
    if (choices := schema.get("enum")) and value not in choices:
        raise InvalidRequest(argument, f"{argument}: “{value:.80}” is not known; it can be {', '.join(choices)}.")
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise InvalidRequest(
            argument, f"{argument} is {value}; it must lie between {low} and {high if high is not None else '∞'}."
        )
