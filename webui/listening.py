"""What the one who opens the program to other machines is told: its address there, and that nobody is asked for a password."""

from __future__ import annotations

import socket
from collections.abc import Callable

from webui.core.addresses import is_loopback
from webui.settings import Settings

_NO_PASSWORD = "Nobody is asked for a password: whoever can reach it can use it. --auth NAME:PASSWORD asks for one."


def _own_address() -> str | None:
    """By which the network knows this machine; None where there is none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address for documents (RFC 5737): the way is looked up, nothing is sent
            return probe.getsockname()[0]
    except OSError:
        return None


def told_of_others(
    settings: Settings, listener: socket.socket, own_address: Callable[[], str | None] = _own_address
) -> list[str]:
    """Lines to print below the address; none where only this machine is listened to."""
    host, port = listener.getsockname()[:2]
    if is_loopback(host):
        return []
    address = own_address() if host in ("0.0.0.0", "::") else None  # another one stands above already
    told = [f"Other machines reach it at http://{address}:{port}"] if address else []
    return told if settings.auth or settings.api_auth else [*told, _NO_PASSWORD]
