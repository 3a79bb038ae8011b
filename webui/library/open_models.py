"""The shipped catalogue of well-known open models: what they are, how large, and under which licence."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from webui.library.folders import Kind, check_kind, folders_of
from webui.settings import Settings

CATALOGUE = Path(__file__).resolve().parent.parent / "assets" / "open_models.toml"


@dataclass(frozen=True)
class OpenModel:
    """One that can be fetched: `download(source, kind, file_name, sha256)`.

    `size` in bytes, `approximate` where it is not known to the byte; `source` is "org/repo/file"; `page` is where its authors
    describe it; `installed` says whether a file of that name lies in the folder of its kind.
    """

    id: str
    title: str
    what: str
    family: str
    kind: Kind
    source: str
    page: str
    file_name: str
    size: int
    approximate: bool
    sha256: str | None
    licence: str
    licence_url: str
    installed: bool


def read_open_models(settings: Settings) -> tuple[OpenModel, ...]:
    """The catalogue, with what is there already marked."""
    models = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["models"]
    return tuple(_model(model_id, table, settings) for model_id, table in models.items())


def _model(model_id: str, table: dict[str, str | int], settings: Settings) -> OpenModel:
    kind = check_kind(str(table["kind"]))
    repository, file = str(table["repository"]), str(table["file"])
    name = str(table.get("file_name", file))
    return OpenModel(
        id=model_id,
        title=str(table["title"]),
        what=str(table["what"]),
        family=str(table["family"]),
        kind=kind,
        source=f"{repository}/{file}",
        page=f"https://huggingface.co/{repository}",
        file_name=name,
        size=int(table["size"]),
        approximate=bool(table.get("approximate", False)),
        sha256=str(table["sha256"]) if "sha256" in table else None,
        licence=str(table["licence"]),
        licence_url=str(table["licence_url"]),
        installed=any((folder / name).is_file() for folder in folders_of(settings, kind)),
    )
