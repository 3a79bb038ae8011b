"""Fetching a picture from an address that somebody handed in, without letting it reach what only this machine can reach.

An address is resolved once, every answer is looked at, and the connection goes to that very answer: a name that changes its mind
between the look and the connection (DNS rebinding) gains nothing. Each redirect is looked at like the first address.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from webui import __version__
from webui.errors import InvalidRequest

SIZE_LIMIT = 64 * 2**20
REDIRECTS_MOST = 5
SECONDS = 20.0

_BLOCK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}

#: IPv6 networks that carry an IPv4 address inside: where it begins, in bytes.
_CARRIERS = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 12),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 2),  # 6to4
    (ipaddress.IPv6Network("::/96"), 12),  # IPv4-compatible
)

#: A name and a port → the addresses it stands for, as text. Raises OSError.
Resolve = Callable[[str, int], list[str]]


def is_public(address: str) -> bool:
    """Whether an IP address is one that everybody reaches, so no loopback, private, link-local or reserved one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(found) if isinstance(found, ipaddress.IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    if isinstance(found, ipaddress.IPv6Address) and found.is_site_local:
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, start in _CARRIERS:
        if address in network and address not in (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1")):
            return ipaddress.IPv4Address(address.packed[start : start + 4])
    return address.teredo[1] if address.teredo else None


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch_picture(
    address: str,
    *,
    allowed: bool,
    field: str = "url",
    resolve: Resolve = _resolve,
    reachable: Callable[[str], bool] = is_public,
    limit: int = SIZE_LIMIT,
    seconds: float = SECONDS,
) -> bytes:
    """What lies at an http or https address.

    Args:
        allowed: whether the person has switched such addresses on (the preference `api_enable_requests`).
        field: what errors are told of.
        reachable: which IP addresses may be connected to.
        limit: in bytes.
        seconds: for everything, redirects included.

    Raises:
        InvalidRequest: it is not allowed, no such address, leads to a private one, is too large, or does not answer.
    """
    if not allowed:
        raise InvalidRequest(
            field,
            "Pictures are not fetched from addresses. Switch on “Allow http:// and https:// URLs for input images” in the tab "
            "Settings, or save the picture and choose the file.",
        )
    end = time.monotonic() + seconds
    for _ in range(REDIRECTS_MOST + 1):
        parts = _parts(address, field)
        connection = _connected(parts, field, resolve, reachable, end)
        watch = threading.Timer(_left(end), _hang_up, [connection])  # a server that drips its headers resets every timeout
        watch.daemon = True
        watch.start()
        try:
            found = _asked(connection, parts, limit, end)
        except (OSError, http.client.HTTPException, _TooSlow) as error:
            raise InvalidRequest(field, f"{parts.hostname} did not send the picture: {_words(error)}.") from error
        except _Refused as error:
            raise InvalidRequest(field, f"{parts.hostname} {error}.") from error
        finally:
            watch.cancel()
            connection.close()
        if isinstance(found, bytes):
            return found
        address = urljoin(address, found)
    raise InvalidRequest(field, f"The address leads on to others more than {REDIRECTS_MOST} times.")


class _Refused(Exception):
    """What is wrong with an answer, to go after the host's name."""


class _TooSlow(Exception):
    """The time is over."""


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError | _TooSlow):
        return "it took too long"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]


def _parts(address: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest(field, f"“{address:.200}” is no address of the web: {error}.") from error
    if parts.scheme not in _PORTS or not host:
        raise InvalidRequest(field, f"“{address:.200}” is no address that begins with http:// or https://.")
    if parts.username is not None or port == 0:
        raise InvalidRequest(field, "The address holds a name, a password or a port that cannot be used.")
    if any(mark <= " " or mark == "\x7f" for mark in address.strip()):
        raise InvalidRequest(field, "The address holds spaces or line breaks; copy it once more.")
    return parts


def _connected(
    parts: SplitResult, field: str, resolve: Resolve, reachable: Callable[[str], bool], end: float
) -> http.client.HTTPConnection:
    """To an address that has been looked at; raise InvalidRequest."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        answers = list(dict.fromkeys(resolve(host, port)))
    except (OSError, UnicodeError) as error:
        raise InvalidRequest(field, f"There is no “{host:.200}” in the network, or there is no network.") from error
    if not answers or not all(reachable(answer) for answer in answers):
        raise InvalidRequest(
            field, f"“{host:.200}” is this machine or one of its private network; pictures are not fetched from there."
        )
    problem: Exception | None = None
    for answer in answers:
        connection = _Pinned(host, port, answer, _left(end), secure=parts.scheme == "https")
        try:
            connection.connect()
            return connection
        except OSError as error:
            problem = error
            connection.close()
    raise InvalidRequest(field, f"{host} cannot be reached: {_words(problem or OSError())}.") from problem


class _Pinned(http.client.HTTPConnection):
    """Speaks to `answer`, whatever the name may stand for now."""

    def __init__(self, host: str, port: int, answer: str, timeout: float, *, secure: bool) -> None:
        super().__init__(host, port, timeout=timeout)
        self._answer, self._secure = answer, secure
        self.default_port = _PORTS["https" if secure else "http"]  # decides whether the Host header names the port

    def connect(self) -> None:
        self.sock = socket.create_connection((self._answer, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if (sock := connection.sock) is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.001)


def _asked(connection: http.client.HTTPConnection, parts: SplitResult, limit: int, end: float) -> bytes | str:
    """The body, or where the answer leads on to."""
    place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": f"Periplus/{__version__}", "Accept": "image/*", "Accept-Encoding": "identity"}
    connection.request("GET", _ascii(place), headers=headers)
    answer = connection.getresponse()
    if answer.status in _REDIRECTS and (onwards := answer.headers.get("Location")):
        return onwards
    if answer.status != 200:
        raise _Refused(f"answered {answer.status} {answer.reason}"[:200].rstrip())
    if (promised := answer.headers.get("Content-Length", "")).isdigit() and int(promised) > limit:
        raise _Refused(f"sends {int(promised):,} bytes; at most {limit:,} are taken")
    data = bytearray()
    while block := answer.read1(_BLOCK):
        data += block
        if len(data) > limit:
            raise _Refused(f"sends more than {limit:,} bytes, which is the most that is taken")
        if time.monotonic() > end:
            raise _TooSlow
    return bytes(data)


def _ascii(place: str) -> str:
    """Letters of other scripts as browsers send them."""
    return "".join(letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in place)
