"""`/sdapi/v1`: stopping and restarting the program, where `--api-server-stop` allows it."""

from __future__ import annotations

from fastapi import APIRouter

from webui.api.services import Services
from webui.errors import WebUIError


class CannotRestart(WebUIError):
    """The program does not serve by itself, so that nobody would start it again."""

    status = 501


def add_routes(routes: APIRouter, services: Services) -> None:
    if not services.settings.api_server_stop:
        return

    @routes.post("/server-kill")
    def kill() -> None:
        """Stop the program, in order: nothing is lost by it here, the running job goes on at the next start."""
        _stop(services)

    @routes.post("/server-stop")
    def stop() -> None:
        """The same."""
        _stop(services)

    @routes.post("/server-restart")
    def restart() -> None:
        """Start the program anew, at the same address and with the same flags."""
        if not services.restart.ask():
            raise CannotRestart("The program does not serve by itself here and cannot start itself anew.")


def _stop(services: Services) -> None:
    if services.restart.stop is not None:
        services.restart.stop()
