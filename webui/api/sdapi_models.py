"""`/sdapi/v1` listings: samplers, files, and empty lists for what there is not yet."""

from __future__ import annotations

import functools
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from webui.api.examples import PICTURE, example
from webui.api.sdapi_options import current_checkpoint
from webui.api.services import Services
from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.header import read_header
from webui.checkpoints.text_widths import text_widths
from webui.core.samplers import SAMPLERS, SCHEDULERS, SamplerInfo, find_scheduler
from webui.errors import WebUIError


class InterrogateBody(BaseModel):
    model_config = ConfigDict(json_schema_extra=example(image=PICTURE, model="clip"))

    image: str = Field("", description="A picture as base64.")
    model: str = "clip"


class NoInterrogator(WebUIError):
    """A1111 answers 404 for a model that it does not know."""

    status = 404


def add_routes(routes: APIRouter, services: Services) -> None:
    _add_sampling(routes)
    _add_files(routes, services)
    _add_styles(routes, services)
    _add_embeddings(routes, services)
    _add_loras(routes, services)
    _add_hypernetworks(routes, services)
    _add_empty(routes)


def _add_sampling(routes: APIRouter) -> None:
    @routes.get("/samplers")
    def samplers() -> list[dict[str, Any]]:
        return [
            {
                "name": sampler.name,
                "aliases": list(sampler.aliases),
                "options": _sampler_options(sampler),
            }
            for sampler in SAMPLERS
        ]

    @routes.get("/schedulers")
    def schedulers() -> list[dict[str, Any]]:
        return [
            {
                "name": scheduler.name,
                "label": scheduler.label,
                "aliases": list(scheduler.aliases) or None,
                "default_rho": scheduler.default_rho,
                "need_inner_model": scheduler.need_inner_model,
            }
            for scheduler in SCHEDULERS
        ]


def _sampler_options(sampler: SamplerInfo) -> dict[str, Any]:
    """By A1111's names; one that does not hold is left out."""
    scheduler = find_scheduler(sampler.automatic) if sampler.automatic != "Uniform" else None
    options = {
        "scheduler": scheduler and scheduler.lower(),
        "second_order": sampler.calls > 1,
        "uses_ensd": sampler.ancestral,
        "brownian_noise": sampler.brownian,
        "discard_next_to_last_sigma": sampler.discards,
    }
    return {key: value for key, value in options.items() if value}


def _add_files(routes: APIRouter, services: Services) -> None:
    catalog = services.catalog

    @routes.get("/sd-models")
    def sd_models() -> list[dict[str, Any]]:
        """The checkpoints that can be used."""
        answer = []
        for info in catalog.checkpoints():
            if info.problem is None:
                sha256 = catalog.sha256(info)
                answer.append(
                    {
                        "title": catalog.title(info),
                        "model_name": info.name.replace("/", "_"),
                        "hash": sha256 and sha256[:10],
                        "sha256": sha256,
                        "filename": str(info.path),
                        "config": None,
                    }
                )
        return answer

    @routes.get("/sd-vae")
    def sd_vae() -> list[dict[str, Any]]:
        return [{"model_name": info.path.name, "filename": str(info.path)} for info in catalog.vaes() if info.problem is None]

    @routes.get("/sd-modules")
    def sd_modules() -> list[dict[str, Any]]:
        """Forge's name for the same."""
        return sd_vae()

    @routes.post("/refresh-checkpoints")
    def refresh_checkpoints() -> None:
        catalog.refresh()

    @routes.post("/refresh-vae")
    def refresh_vae() -> None:
        catalog.refresh()

    @routes.post("/unload-checkpoint")
    def unload_checkpoint() -> dict[str, Any]:
        """Free the memory that checkpoints take, after the running job."""
        services.dispatcher.unload()
        return {}

    @routes.post("/reload-checkpoint")
    def reload_checkpoint() -> dict[str, Any]:
        """Load the checkpoint that is chosen, after the running job."""
        services.dispatcher.reload()
        return {}


def _add_styles(routes: APIRouter, services: Services) -> None:
    @routes.get("/prompt-styles")
    def prompt_styles() -> list[dict[str, Any]]:
        """Named texts for the field `styles` of a request."""
        return [asdict(style) for style in services.styles.all()]


def _add_embeddings(routes: APIRouter, services: Services) -> None:
    @routes.get("/embeddings")
    def embeddings() -> dict[str, dict[str, Any]]:
        """Those that the chosen checkpoint takes, and the others."""
        checkpoint = current_checkpoint(services)
        widths = text_widths(checkpoint) if checkpoint else ()
        infos = services.embeddings.all()
        return {
            "loaded": {info.name: _embedding(info) for info in infos if info.fits(widths)},
            "skipped": {info.name: _embedding(info) for info in infos if not info.fits(widths)},
        }

    @routes.post("/refresh-embeddings")
    def refresh_embeddings() -> None:
        services.embeddings.refresh()


def _embedding(info: EmbeddingInfo) -> dict[str, Any]:
    """A1111's entries, and why a file cannot be used."""
    return {
        "step": info.step,
        "sd_checkpoint": info.checkpoint_hash,
        "sd_checkpoint_name": info.checkpoint,
        "shape": sum(info.widths),
        "vectors": info.vectors,
        **({"problem": info.problem} if info.problem else {}),
    }


def _add_loras(routes: APIRouter, services: Services) -> None:
    @routes.get("/loras")
    def loras() -> list[dict[str, Any]]:
        """The files, with what their authors wrote into them."""
        return [_lora(path) for path in services.library.paths("lora")]

    @routes.post("/refresh-loras")
    def refresh_loras() -> None:
        services.library.refresh()


def _add_hypernetworks(routes: APIRouter, services: Services) -> None:
    @routes.get("/hypernetworks")
    def hypernetworks() -> list[dict[str, str]]:
        """The files."""
        return [{"name": path.stem, "path": str(path)} for path in services.library.paths("hypernetwork")]


def _lora(path: Path) -> dict[str, Any]:
    status = path.stat() if path.is_file() else None
    metadata = _metadata(path, status.st_size, status.st_mtime_ns) if status else {}
    return {"name": path.stem, "alias": metadata.get("ss_output_name") or path.stem, "path": str(path), "metadata": metadata}


@functools.lru_cache(20_000)
def _metadata(path: Path, size: int, modified: int) -> dict[str, str]:
    """A file is read again when its size or time has changed."""
    try:
        return read_header(path).metadata if path.suffix == ".safetensors" else {}
    except (WebUIError, OSError):
        return {}


def _add_empty(routes: APIRouter) -> None:
    def empty_list() -> list[dict[str, Any]]:
        """There are none here."""
        return []

    for path in ("face-restorers", "realesrgan-models"):
        routes.add_api_route(f"/{path}", empty_list, methods=["GET"], name=path)

    @routes.post("/interrogate")
    def interrogate(body: InterrogateBody) -> dict[str, str]:
        """A1111 has a model describe a picture. There is none here: 404 says so."""
        raise NoInterrogator(f"There is no model “{body.model:.80}” here that describes pictures, nor any other.")
