"""From the form to the queue: what Generate does, and its answer to the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from webui.core.extras import ExtraKinds, with_extras
from webui.core.prompt_lines import WithStyles
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, UnsupportedCheckpoint, WebUIError
from webui.jobs.series import SeriesService
from webui.ui.form import collect


def submit(
    series: SeriesService,
    payloads: Mapping[str, Any],
    owner: str,
    kinds: ExtraKinds | None = None,
    script: str = "",
    with_styles: WithStyles | None = None,
) -> dict[str, Any]:
    """Queue what the form holds, or what a script makes of it.

    Args:
        script: its name and options as JSON (see `core.series.script_of`); "": none.

    Returns:
        `job`: the new job's id or None; `errors`: a message by field name; `message`: what concerns no field.
    """
    values, errors = collect(payloads, kinds)
    if errors:
        return _answer(errors=errors)
    try:
        request, options = GenerationRequest(**with_extras(values)), json.loads(script or "{}")
        submitted = series.submit(request, options, owner=owner, with_styles=with_styles)
    except InvalidRequest as error:
        return _answer(errors={error.field: str(error)})
    except UnsupportedCheckpoint as error:
        return _answer(errors={"checkpoint": str(error)})
    except WebUIError as error:
        return _answer(message=str(error))
    if submitted.job is None:
        return _answer(message=submitted.series.note if submitted.series else "")
    return _answer(job=submitted.job.id)


def _answer(job: str | None = None, errors: dict[str, str] | None = None, message: str = "") -> dict[str, Any]:
    return {"job": job, "errors": errors or {}, "message": message}
