"""Who may change which code runs here: whoever sits at the machine, and others who know the admin password."""

from __future__ import annotations

import hmac
import threading
import time
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from webui.api.security import is_same_origin
from webui.core.addresses import is_loopback
from webui.errors import WebUIError
from webui.settings import Settings

_WRONG_SECONDS = 0.5  # that a wrong password costs, one after another, so that guessing takes years
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_turn = threading.Lock()


class AdminNeeded(WebUIError):
    """The request comes from elsewhere, without the admin password."""

    status = 403


def is_at_the_machine(request: Request) -> bool:
    """Whether the page that asks is open on this machine: neither connection, address nor origin lead elsewhere."""
    if (origin := request.headers.get("origin")) is not None and not is_same_origin(origin, request.headers.get("host", "")):
        return False
    host = request.url.hostname or ""
    client = request.client.host if request.client else ""
    return is_loopback(client) and is_loopback(host) and not any(name in request.headers for name in _FORWARDED)


def check_admin(request: Request, settings: Settings, password: str | None) -> None:
    """Raise AdminNeeded."""
    if is_at_the_machine(request):
        return
    if not settings.admin_password:
        raise AdminNeeded(
            "Extensions are changed on the machine itself only, at http://127.0.0.1. To do it from elsewhere, start the program "
            "with --admin-password."
        )
    if not password:
        raise AdminNeeded("From another machine this needs the admin password, which was given at the start.")
    if not hmac.compare_digest(password.encode(), settings.admin_password.encode()):
        with _turn:
            time.sleep(_WRONG_SECONDS)
        raise AdminNeeded("This is not the admin password.")


def admin(settings: Settings) -> Any:
    """For the routes that change something: refuses all others."""

    def check(request: Request, x_admin_password: Annotated[str | None, Header(max_length=1_000)] = None) -> None:
        check_admin(request, settings, x_admin_password)

    return Depends(check)
