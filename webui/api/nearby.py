"""`/api/v1/models/nearby`: installations of other programs whose models can be used, told to whoever sits at the machine."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from webui.api.examples import example
from webui.api.guarding import AdminNeeded, is_at_the_machine
from webui.api.services import Services


class AnswerBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra=example(home="/home/me/stable-diffusion-webui", use=True)
    )

    home: str = Field(max_length=4_000, description="Of an installation that was found.")
    use: bool = Field(description="false: ask no more about it, or use it no longer.")


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/models", tags=["models"])
    neighbours = services.neighbours

    @routes.get("/nearby")
    def nearby(request: Request) -> dict[str, Any]:
        """Installations of A1111, Forge and ComfyUI near the program, with the number of models of each kind.

        `declined` are those about which a person does not want to be asked. Nothing is told to other machines.
        """
        if not is_at_the_machine(request):
            return {"found": [], "used": []}
        declined = set(neighbours.declined())
        found = [
            {
                "home": str(each.home),
                "program": each.program,
                "counts": dict(each.counts),
                "declined": each.home in declined,
            }
            for each in neighbours.find()
        ]
        return {"found": found, "used": [str(home) for home in neighbours.used()]}

    @routes.post("/nearby")
    def answer(request: Request, body: AnswerBody) -> None:
        """Use the models of an installation where they lie, from the next start of the program on; or do not."""
        if not is_at_the_machine(request):
            raise AdminNeeded("Which folders are used is decided on the machine itself, at http://127.0.0.1.")
        neighbours.answer(body.home, body.use)

    return routes
