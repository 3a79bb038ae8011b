"""Where the program listens, and what the one who opens it to other machines is told: its address there, and that nobody is asked
for a password."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from webui.core.addresses import is_loopback
from webui.errors import WebUIError
from webui.settings import Settings

#: The default port may be taken; then the next ones are tried.
PORTS_TO_TRY = 10

_NO_PASSWORD = "Nobody is asked for a password: whoever can reach it can use it. --auth NAME:PASSWORD asks for one."


def listening_socket(settings: Settings) -> socket.socket:
    """Bind before anything slow starts. A port of 0 takes any free one; the default port gives way to the next that is free."""
    first = settings.port
    ports = range(first, first + PORTS_TO_TRY) if first == Settings.port else (first,)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    reason = ""
    for port in ports:
        try:
            return _listening(family, settings.host, port)
        except OSError as error:
            reason = error.strerror or str(error)
    raise WebUIError(f"Nothing can be served at {settings.host}, port {first}: {reason}. Choose another with --port.")


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # Named as TCP: asyncio sends at once, rather than wait 40 ms for more, on such sockets alone.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """The address to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{host}:{port}"


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
