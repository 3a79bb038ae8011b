"""A1111's selectable scripts in its txt2img and img2img requests: `script_name`, and `script_args` in the order of its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Response
from starlette.concurrency import run_in_threadpool

from webui.api.sdapi_answer import AnswerFormat, echo, encoded_pictures, info_text
from webui.api.sdapi_plot import PLOT_TITLES, make_plot
from webui.api.sdapi_request import Translated, api_field
from webui.api.services import Services
from webui.api.sse import Stopping, following
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.series import scripts_of
from webui.errors import InvalidRequest, WebUIError
from webui.jobs.events import JobChanged
from webui.jobs.series_makers import GRID, MADE_HERE
from webui.jobs.series_store import Part, PartState, Series, SeriesState
from webui.jobs.store import Job

#: How long nothing is heard before it is looked whether a series has ended, in seconds.
_SILENCE = 0.2

#: What A1111 has for arguments that are left out at the end, by the name of the script here.
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "Prompt matrix": (False, False, "positive", "comma", 0),
    "Prompts from file or textbox": (False, False, "start", ""),
    "Loopback": (4, 0.5, "Linear", "None"),
    "SD upscale": ("", 64, "Lanczos", 2.0),
}


class ScriptFailed(WebUIError):
    """The script came to no picture."""


def titles(tab: str) -> list[str]:
    """The scripts of a tab, as A1111's clients write them."""
    return sorted([PLOT_TITLES[0], *(name.lower() for name in scripts_of(tab))])


def title_of(body: Any, tab: str) -> str | None:
    """The script that a request asks for. Raise InvalidRequest where the tab has none of that name."""
    name = (body.script_name or "").casefold()
    if not name or name in PLOT_TITLES:
        return PLOT_TITLES[0] if name else None
    if name not in titles(tab):
        raise InvalidRequest(
            "script_name", f"Script “{body.script_name:.80}” is not known in {tab}; {', '.join(titles(tab))} are."
        )
    return name


async def make(services: Services, body: Any, title: str, translated: Translated) -> Response:
    """Carry a script out and answer when it is done. It goes on if the client leaves."""
    if title in PLOT_TITLES:
        return await make_plot(services, body, translated.request, translated.comments)
    series = await run_in_threadpool(_submit, services, body, title, translated)
    try:
        await _ended(services, series.id)
        return await run_in_threadpool(_answer, services, body, series.id, translated.comments)
    finally:
        if not body.save_images:
            await run_in_threadpool(_forget, services, series.id)


def options_of(title: str, args: Sequence[Any], upscalers: Sequence[str]) -> dict[str, Any]:
    """The script and its options by our names.

    Args:
        upscalers: the names that a number counts in.

    Raises:
        InvalidRequest: naming `script_args`.
    """
    name = next(each for each in _DEFAULTS if each.lower() == title)
    given, defaults = list(args), _DEFAULTS[name]
    if name == "Prompts from file or textbox" and len(given) == 3:
        given.insert(2, "start")  # before A1111 1.7 prompts were not joined
    if len(given) > len(defaults):
        raise InvalidRequest("script_args", f"{name} takes {len(defaults)} arguments, but {len(given)} were given.")
    given += defaults[len(given) :]
    try:
        return {"script": name, **_READERS[name](given, upscalers)}
    except (TypeError, ValueError) as error:
        raise InvalidRequest("script_args", f"{name}: {args!r:.200} cannot be read: {error}.") from error


def _matrix(args: Sequence[Any], _: Sequence[str]) -> dict[str, Any]:
    start, seeds, prompt, joiner, margin = args
    return {"at_start": bool(start), "vary_seeds": bool(seeds), "prompt": prompt, "joiner": joiner, "margin": int(margin)}


def _lines(args: Sequence[Any], _: Sequence[str]) -> dict[str, Any]:
    iterate, same, place, lines = args
    return {"iterate_seeds": bool(iterate), "same_seed": bool(same), "place": place, "lines": str(lines)}


def _loopback(args: Sequence[Any], _: Sequence[str]) -> dict[str, Any]:
    loops, strength, curve, interrogation = args
    if interrogation not in (None, "", "None"):
        raise InvalidRequest("script_args", f"Loopback: prompts are not interrogated here; give None, not {interrogation!r:.40}.")
    return {"loops": int(loops), "final_strength": float(strength), "curve": curve}


def _upscale(args: Sequence[Any], upscalers: Sequence[str]) -> dict[str, Any]:
    _, overlap, upscaler, factor = args
    if isinstance(upscaler, int):
        if not 0 <= upscaler < len(upscalers):
            raise ValueError(f"there is no upscaler {upscaler}; they are counted from 0 to {len(upscalers) - 1}")
        upscaler = upscalers[upscaler]
    return {"overlap": int(overlap), "upscaler": str(upscaler), "factor": float(factor)}


_READERS: Mapping[str, Callable[[Sequence[Any], Sequence[str]], dict[str, Any]]] = {
    "Prompt matrix": _matrix,
    "Prompts from file or textbox": _lines,
    "Loopback": _loopback,
    "SD upscale": _upscale,
}


def _submit(services: Services, body: Any, title: str, translated: Translated) -> Series:
    AnswerFormat.of(body, services.preferences.current)  # it is one that there is
    options = options_of(title, body.script_args or [], services.upscalers.names())
    try:
        save, put_in = bool(body.save_images), services.styles.put_into
        series = services.series.submit(translated.request, options, owner="API", save=save, with_styles=put_in).series
    except InvalidRequest as error:
        own = error.field in options and error.field not in params_of(GenerationRequest)
        raise type(error)("script_args" if own else api_field(error.field, services.plugins.kinds), str(error)) from error
    assert series is not None, "there is a script"
    return series


async def _ended(services: Services, series_id: str) -> None:
    async with following(services.bus, _SILENCE) as events:
        while (await run_in_threadpool(services.series.state, series_id)) is SeriesState.RUNNING:
            async for event in events:
                if event is None or (isinstance(event, JobChanged) and event.job.state.finished):
                    break
            else:
                raise Stopping(f"The program is being stopped; {series_id} goes on after the next start.")


def _shown(series: Series) -> list[Part]:
    """The grid first, as in A1111; of what is put together out of tiles only the whole."""
    done = [part for part in series.parts if part.state is PartState.DONE and part.job_id]
    if any(part.kind not in ("picture", GRID) for part in series.parts):
        return [part for part in done if part.kind in MADE_HERE]
    return sorted(done, key=lambda part: part.kind != GRID)


def _answer(services: Services, body: Any, series_id: str, comments: list[str]) -> Response:
    series = services.series.get(series_id)
    parts = _shown(series)
    if not parts or series.state is SeriesState.PAUSED:
        errors = [part.error for part in series.parts if part.error]
        raise ScriptFailed(errors[0] if errors else series.note or "The script was stopped before its first picture.")
    jobs = [services.store.get(part.job_id or "") for part in parts]
    parameters = body.model_dump()
    wanted = AnswerFormat.of(body, services.preferences.current)
    shown = jobs if parameters["send_images"] is not False else []
    images = [picture for job in shown for picture in encoded_pictures(services, job, wanted)]
    notes = [*comments, *([series.note] if series.note else [])]
    info = _info(services, jobs, parameters, notes, grids=sum(part.kind == GRID for part in parts))
    return Response(json.dumps({"images": images, "parameters": echo(parameters), "info": info}), media_type="application/json")


def _info(services: Services, jobs: list[Job], parameters: dict[str, Any], comments: list[str], grids: int) -> str:
    """That of the first job, with the lists of all pictures."""
    singles = [(job.request.single(picture.index), picture) for job in jobs for picture in job.pictures]
    info = json.loads(info_text(services, jobs[0], parameters, comments)) | {
        "all_prompts": [request.prompt for request, _ in singles],
        "all_negative_prompts": [request.negative_prompt for request, _ in singles],
        "all_seeds": [request.seed for request, _ in singles],
        "all_subseeds": [request.variation_seed for request, _ in singles],
        "infotexts": [picture.infotext for _, picture in singles],
        "index_of_first_image": grids,
    }
    return json.dumps(info)


def _forget(services: Services, series_id: str) -> None:
    for part in services.series.get(series_id).parts:
        if part.job_id and part.state is PartState.DONE:
            services.dispatcher.forget_unsaved(part.job_id)
