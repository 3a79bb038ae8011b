"""`/api/v1/series`: several jobs of one request, by a script or over the pictures of a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from webui.api.answers import CancelledAnswer, SeriesAnswer, SeriesPartAnswer, SeriesSummary
from webui.api.examples import example
from webui.api.once import IdempotencyKey, once
from webui.api.services import Services
from webui.core.request import GenerationRequest
from webui.core.series import name_of
from webui.errors import InvalidRequest
from webui.jobs.series_store import PREFIX, Part, PartState, Series


class SeriesBody(BaseModel):
    model_config = ConfigDict(
        json_schema_extra=example(request={"prompt": "a cat|red|large", "seed": 1}, script={"script": "Prompt matrix"})
    )

    request: dict[str, Any] = Field({}, description="The fields of a job.")
    script: dict[str, Any] = Field({}, description="`script`: its name; the others are its options.")
    owner: str = Field("", max_length=200, description="Who asks; only shown.")
    save: bool = Field(True, description="Whether the pictures are kept in the outputs folder.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["jobs"])

    @routes.post("/series", status_code=201)
    def submit(body: SeriesBody, response: Response, key: IdempotencyKey = None) -> SeriesAnswer:
        """Put what a script makes of a request on the disk, and begin with it. Jobs are queued when their turn comes."""
        if body.script.get("script") in (None, "", "None"):
            raise InvalidRequest("script", "A series needs a script; a single job is queued by POST /api/v1/jobs.")
        request = GenerationRequest.from_dict(body.request)

        def make(series_id: str | None, asked: str | None) -> Series:
            submitted = services.series.submit(
                request,
                body.script,
                owner=body.owner,
                save=body.save,
                with_styles=services.styles.put_into,
                series_id=series_id,
                body=asked,
            )
            assert submitted.series is not None
            return submitted.series

        series = once(services.series, key, ["series", body.model_dump()], make, PREFIX)
        response.headers["Location"] = f"/api/v1/series/{series.id}"
        return series_json(series)

    @routes.get("/series")
    def recent(limit: int = 5) -> list[SeriesSummary]:
        """The newest, without their parts."""
        listed = services.series.recent(min(max(limit, 1), 100))
        return [_summary(series) for series in listed]

    @routes.get("/series/{series_id}")
    def series(series_id: str) -> SeriesAnswer:
        """By its id, or that of one of its jobs."""
        return series_json(services.series.get(series_id))

    _add_steering(routes, services.series.cancel, lambda series_id: series_json(services.series.resume(series_id)))
    return routes


def _add_steering(routes: APIRouter, cancel: Callable[[str], int], resume: Callable[[str], SeriesAnswer]) -> None:
    @routes.post("/series/{series_id}/cancel")
    def stop(series_id: str) -> CancelledAnswer:
        """End a series; finished pictures are kept."""
        return {"cancelled": cancel(series_id)}

    @routes.post("/series/{series_id}/resume")
    def go_on(series_id: str) -> SeriesAnswer:
        """Do what is missing, and once more what could not be made."""
        return resume(series_id)


def series_json(series: Series) -> SeriesAnswer:
    return {**_summary(series), "parts": [_part_json(part) for part in series.parts]}


def _summary(series: Series) -> SeriesSummary:
    """`failed` names what could not be made, with the reasons."""
    return {
        "id": series.id,
        "script": name_of(series.script),
        "state": series.state.value,
        "owner": series.owner,
        "created": series.created,
        "finished": series.finished,
        "done": series.count(PartState.DONE),
        "total": len(series.parts),
        "seconds_left": series.seconds_left,
        "note": series.note,
        "failed": [{"name": part.name, "error": part.error} for part in series.parts if part.state is PartState.FAILED],
    }


def _part_json(part: Part) -> SeriesPartAnswer:
    return {
        "number": part.number,
        "name": part.name,
        "kind": part.kind,
        "state": part.state.value,
        "job_id": part.job_id,
        "error": part.error,
        "seconds": part.seconds,
    }
