"""Errors as JSON, in the form that A1111's clients know, with the field beside it: {error, detail, field, body, errors}."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from webui.api.answers import ErrorAnswer
from webui.errors import InvalidRequest, WebUIError

#: How the description of the API tells of errors, on every route.
ANSWERS: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorAnswer, "description": "Why not."}}

_EXPECTED = {
    "int": "a whole number was expected",
    "float": "a number was expected",
    "string": "text was expected",
    "bool": "true or false was expected",
    "list": "a list was expected",
    "dict": "an object was expected",
    "finite": "a finite number was expected",
}


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(WebUIError, _on_webui_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_crash)


def error_response(status: int, error: str, detail: str, field: str | None = None) -> JSONResponse:
    errors = f"{field}: {detail}" if field and not detail.startswith(f"{field}:") else detail
    return JSONResponse({"error": error, "detail": detail, "field": field, "body": "", "errors": errors}, status)


async def _on_webui_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WebUIError)
    field = error.field if isinstance(error, InvalidRequest) else None
    return error_response(error.status, type(error).__name__, str(error), field)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    field, words = _in_words(error.errors()[0])
    return error_response(422, "InvalidRequest", words, field)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    response = error_response(error.status_code, http.HTTPStatus(error.status_code).phrase, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback; what it says is not for whoever asked.
    return error_response(500, type(error).__name__, "Something went wrong inside; the program's log has the details.")


def _in_words(problem: Mapping[str, Any]) -> tuple[str | None, str]:
    """The field and the sentence for the first thing that pydantic did not like."""
    kind, field = problem["type"], ".".join(str(part) for part in problem["loc"][1:]) or None
    if kind == "json_invalid":
        return None, f"The body is no valid JSON: {problem['ctx']['error']} (at character {problem['loc'][-1]})."
    if field is None:
        return None, "The body must be a JSON object, sent with Content-Type: application/json."
    if kind == "extra_forbidden":
        return field, f"There is no field “{field:.80}”."
    if kind == "missing":
        return field, f"{field} is missing."
    expected = _EXPECTED.get(kind.split("_")[0], problem["msg"])
    return field, f"{field}: {expected}, but {problem['input']!r:.80} was given."
