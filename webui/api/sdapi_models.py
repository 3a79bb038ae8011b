"""`/sdapi/v1` listings: samplers, files, and empty lists for what there is not yet."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from webui.api.services import Services
from webui.core.samplers import SAMPLERS, SCHEDULERS


def add_routes(routes: APIRouter, services: Services) -> None:
    _add_sampling(routes)
    _add_files(routes, services)
    _add_empty(routes)


def _add_sampling(routes: APIRouter) -> None:
    @routes.get("/samplers")
    def samplers() -> list[dict[str, Any]]:
        return [
            {
                "name": sampler.name,
                "aliases": list(sampler.aliases),
                "options": {} if sampler.automatic == "Uniform" else {"scheduler": sampler.automatic.lower()},
            }
            for sampler in SAMPLERS
        ]

    @routes.get("/schedulers")
    def schedulers() -> list[dict[str, Any]]:
        return [
            {
                "name": scheduler.name,
                "label": scheduler.label,
                "aliases": None,
                "default_rho": scheduler.default_rho,
                "need_inner_model": scheduler.need_inner_model,
            }
            for scheduler in SCHEDULERS
        ]


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


def _add_empty(routes: APIRouter) -> None:
    def empty_list() -> list[dict[str, Any]]:
        """There are none yet."""
        return []

    for path in (
        "prompt-styles",
        "upscalers",
        "latent-upscale-modes",
        "hypernetworks",
        "face-restorers",
        "realesrgan-models",
        "loras",
        "script-info",
        "extensions",
    ):
        routes.add_api_route(f"/{path}", empty_list, methods=["GET"], name=path)

    @routes.get("/embeddings")
    def embeddings() -> dict[str, dict[str, Any]]:
        return {"loaded": {}, "skipped": {}}

    @routes.get("/scripts")
    def scripts() -> dict[str, list[str]]:
        return {"txt2img": [], "img2img": []}
