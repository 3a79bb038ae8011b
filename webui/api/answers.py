"""What the routes that clients use most answer with: types that describe the API, and that what is sent is checked against."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12


class ErrorAnswer(BaseModel):
    """Why a request was refused, or what went wrong. The form is that of A1111, with the field beside it."""

    error: str = Field(description="The kind of error.", examples=["InvalidRequest"])
    detail: str = Field(description="A sentence for people.")
    field: str | None = Field(description="The field that is to blame, where one is.")
    body: str = Field(description="Empty; A1111's clients look for it.")
    errors: str = Field(description="The field and the sentence.")


# ---- jobs


class PictureAnswer(TypedDict):
    index: int
    seed: str
    width: int
    height: int
    url: str
    path: str | None
    saved: bool
    infotext: str


class JobAnswer(TypedDict):
    """A job and what became of it. Times are seconds since 1970."""

    id: str
    kind: str
    state: str
    owner: str
    created: float
    started: float | None
    finished: float | None
    note: str
    error: str
    error_field: str | None
    ahead: int
    held: bool
    save: bool
    image_count: int
    request: dict[str, Any]
    extras: dict[str, Any] | None
    pictures: list[PictureAnswer]


class ExtrasJobAnswer(JobAnswer):
    problems: list[str]


class QueueAnswer(TypedDict):
    waiting: list[str]
    running: str | None
    paused: bool


# ---- series


class SeriesPartAnswer(TypedDict):
    number: int
    name: str
    kind: str
    state: str
    job_id: str | None
    error: str
    seconds: float | None


class SeriesPartFailed(TypedDict):
    name: str
    error: str


class SeriesSummary(TypedDict):
    id: str
    script: str
    state: str
    owner: str
    created: float
    finished: float | None
    done: int
    total: int
    seconds_left: float | None
    note: str
    failed: list[SeriesPartFailed]


class SeriesAnswer(SeriesSummary):
    parts: list[SeriesPartAnswer]


class CancelledAnswer(TypedDict):
    cancelled: int


# ---- history


class EntryAnswer(TypedDict):
    """A picture of the history; `prompt` is its beginning, or the whole where a single one is told."""

    id: int
    name: str
    width: int
    height: int
    made: float
    size: int
    kind: str
    model: str
    seed: str
    prompt: str
    favourite: bool
    url: str
    thumbnail: str


class WholeEntryAnswer(EntryAnswer):
    negative_prompt: str
    settings: dict[str, str]
    path: str
    infotext: str


class HistoryAnswer(TypedDict):
    pictures: list[EntryAnswer]
    more: bool
    total: int | None
    scanning: bool


class FacetAnswer(TypedDict):
    name: str
    count: int


class FacetsAnswer(TypedDict):
    models: list[FacetAnswer]
    kinds: list[FacetAnswer]
    total: int
    favourites: int


class DeletionAnswer(TypedDict):
    deletion: str
    time: float
    names: list[str]


class DeletedAnswer(DeletionAnswer):
    problems: list[str]


class TrashAnswer(TypedDict):
    days: int
    deletions: list[DeletionAnswer]


class RestoredAnswer(TypedDict):
    pictures: list[EntryAnswer]
    problems: list[str]


# ---- A1111's progress


class ProgressState(TypedDict):
    skipped: bool
    interrupted: bool
    stopping_generation: bool
    job: str
    job_count: int
    job_timestamp: str
    job_no: int
    sampling_step: int
    sampling_steps: int


class ProgressAnswer(TypedDict):
    progress: float
    eta_relative: float
    state: ProgressState
    current_image: str | None
    textinfo: str | None


class PngInfoAnswer(TypedDict):
    info: str
    items: dict[str, Any]
    parameters: dict[str, str]
