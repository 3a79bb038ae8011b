"""The API's description at /docs: Swagger UI from a package on this machine, where FastAPI's own page asks a CDN."""

from __future__ import annotations

import importlib.resources

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_FILES = "/docs-files"


def add_routes(app: FastAPI) -> None:
    """Serve /docs; nothing on the page comes from elsewhere."""
    # Only the package's files are used; its function would make the application itself.
    folder = importlib.resources.files(fastapi_offline) / "static"
    app.mount(_FILES, StaticFiles(directory=str(folder)), name="docs-files")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "/openapi.json",
            title=f"{app.title}: HTTP API",
            swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{_FILES}/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
