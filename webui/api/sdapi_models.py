"""`/sdapi/v1` listings: samplers, files, and empty lists for what there is not yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from webui.api.sdapi_options import current_checkpoint
from webui.api.sdapi_scripts import titles
from webui.api.services import Services
from webui.checkpoints.embedding_files import EmbeddingInfo
from webui.checkpoints.text_widths import text_widths
from webui.core.samplers import SAMPLERS, SCHEDULERS, SamplerInfo, find_scheduler


def add_routes(routes: APIRouter, services: Services) -> None:
    _add_sampling(routes)
    _add_files(routes, services)
    _add_styles(routes, services)
    _add_embeddings(routes, services)
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


def _add_empty(routes: APIRouter) -> None:
    def empty_list() -> list[dict[str, Any]]:
        """There are none yet."""
        return []

    for path in (
        "hypernetworks",
        "face-restorers",
        "realesrgan-models",
        "loras",
        "script-info",
        "extensions",
    ):
        routes.add_api_route(f"/{path}", empty_list, methods=["GET"], name=path)

    @routes.get("/scripts")
    def scripts() -> dict[str, list[str]]:
        return {tab: titles(tab) for tab in ("txt2img", "img2img")}
