"""Asking a server for a file, and what can go wrong with that, in words."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from webui import __version__
from webui.errors import TaskFailed
from webui.library.sources import Address
from webui.library.tasks import TaskHandle

MAX_REDIRECTS = 10
TIMEOUT = httpx.Timeout(30.0, connect=15.0)


class Broken(Exception):
    """It may go better the next time. `reached` is False where there was nobody to ask at all."""

    def __init__(self, words: str, *, reached: bool = True) -> None:
        super().__init__(words)
        self.reached = reached


class Asker:
    """Asks for one address, by one client. The token goes to its host alone, not to where that sends us."""

    def __init__(self, address: Address, token: str | None) -> None:
        self.address, self._token = address, token

    def __enter__(self) -> Self:
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=True, max_redirects=MAX_REDIRECTS)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @contextlib.contextmanager
    def ask(self, handle: TaskHandle, part: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """The answer, its body not yet read; a cancel of the task hangs up.

        Args:
            part: headers that ask for the rest of a file.

        Raises:
            TaskFailed, Broken: while asking or while the body is read.
        """
        host = self.address.shown.partition("/")[0]
        headers = {"Accept-Encoding": "identity", "User-Agent": f"periplus-webui/{__version__}", **(part or {})}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        with (
            _in_words(host, handle),
            self._client.stream("GET", self.address.url, headers=headers) as answer,
            handle.stopped_by(lambda: _hang_up(answer)),
        ):
            self._check_status(answer)
            yield answer

    def _check_status(self, answer: httpx.Response) -> None:
        code, host = answer.status_code, answer.url.host
        if code in (200, 206, 416):
            return
        if code in (401, 403):
            hint = "The token was not accepted" if self._token else "The model may ask for an account: give an access token"
            raise TaskFailed(f"{host} refuses the file ({code}). {hint}.")
        if code == 404:
            raise TaskFailed(f"{host} has no file at this address (404). Check it for misspellings.")
        if code == 429 or code >= 500:
            raise Broken(f"{host} cannot serve the file now ({code}).")
        raise TaskFailed(f"{host} answered {code} {answer.reason_phrase[:100]}.")


@contextlib.contextmanager
def _in_words(host: str, handle: TaskHandle) -> Iterator[None]:
    try:
        yield
    except httpx.TooManyRedirects:
        raise TaskFailed(f"{host} sends from one address to the next without end; there is no file here.") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.DecodingError) as error:
        raise TaskFailed(f"{host} answered with what cannot be followed: {error}.") from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        handle.check()
        raise Broken(f"{host} cannot be reached. Is this computer online? ({error})", reached=False) from error
    except httpx.TimeoutException as error:
        raise Broken(f"{host} did not answer in time.") from error
    except httpx.HTTPError as error:
        handle.check()  # hanging up looks the same
        raise Broken(f"The connection to {host} broke: {error or type(error).__name__}.") from error


def _hang_up(answer: httpx.Response) -> None:
    """End a read that waits for the server, from another thread."""
    stream = answer.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream else None
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def is_web_page(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml")


def identity_of(address: Address, answer: httpx.Response) -> dict[str, Any]:
    """What tells whether a part belongs to the file that the server has now; `size` in bytes, None where it is not told."""
    mark = answer.headers.get("etag", "")
    if not mark or mark.startswith("W/"):  # a weak one does not promise the same bytes
        mark = answer.headers.get("last-modified", "")
    length = answer.headers.get("content-length", "")
    size = int(length) if length.isdecimal() and len(length) < 16 else None
    return {"url": address.url.partition("?")[0], "mark": mark, "size": size}


def first_byte(answer: httpx.Response) -> int | None:
    """Where in the file a partial answer begins."""
    unit, _, rest = answer.headers.get("content-range", "").partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() and len(first) < 16 else None
