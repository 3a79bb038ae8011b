"""Pictures by address: only where it is allowed, and never from what only this machine reaches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from webui.errors import InvalidRequest
from webui.storage import fetching
from webui.storage.fetching import fetch_picture, is_public

LOCAL = "127.0.0.1"


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answers = {"/picture": self._picture, "/long": self._long, "/endless": self._endless}
        if self.path.startswith("/to="):
            self._head(302, {"Location": self.path.removeprefix("/to=")})
        elif answer := answers.get(self.path):
            answer()
        else:
            self._head(404, {"Content-Length": "0"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _picture(self) -> None:
        self._head(200, {"Content-Length": "7"})
        self.wfile.write(b"picture")

    def _long(self) -> None:
        self._head(200, {"Content-Length": "1000000"})

    def _endless(self) -> None:
        self._head(200, {})
        for _ in range(64):
            self.wfile.write(bytes(1024))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer((LOCAL, 0), Pages)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://site.example:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def answers(**names: str):
    """A resolver that knows only these names; `site` is the server of the tests."""
    known = {"site.example": LOCAL, **{name.replace("_", "."): address for name, address in names.items()}}

    def resolve(host: str, port: int) -> list[str]:
        if host not in known:
            raise OSError("unknown")
        return known[host].split()

    return resolve


def fetch(address: str, **ways) -> bytes:
    ways = {"resolve": answers(), "reachable": lambda found: found == LOCAL, "limit": 10_000, "seconds": 5.0, **ways}
    return fetch_picture(address, allowed=True, **ways)


def test_a_picture_comes_as_it_is(site):
    assert fetch(f"{site}/picture") == b"picture"


def test_a_redirect_is_followed(site):
    assert fetch(f"{site}/to=/picture") == b"picture"
    assert fetch(f"{site}/to={site}/picture") == b"picture"


def test_without_permission_the_message_says_what_to_switch():
    with pytest.raises(InvalidRequest, match="Allow http:// and https:// URLs for input images"):
        fetch_picture("http://site.example/", allowed=False)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("2002:a00:1::", "localhost", ""),
    ],
)
def test_addresses_of_this_machine_and_its_network_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_of_everybody_are(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_the_machine_itself_is_refused_however_it_is_written(host):
    with pytest.raises(InvalidRequest, match=r"this machine or one of its private network|There is no"):
        fetch_picture(f"http://{host}:1/x", allowed=True)


def test_a_name_one_of_whose_answers_is_private_is_refused():
    mixed = answers(mixed_example="1.1.1.1 192.168.0.1")
    with pytest.raises(InvalidRequest, match="private network"):
        fetch_picture("http://mixed.example/x", allowed=True, resolve=mixed)


def test_a_redirect_to_a_private_address_is_refused(site):
    inner = answers(inner_example="127.0.0.2")
    with pytest.raises(InvalidRequest, match=r"inner\.example.* private network"):
        fetch(f"{site}/to=http://inner.example/secret", resolve=inner)


def test_a_name_is_asked_for_once_and_the_connection_goes_to_that_answer(site):
    asked = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return [LOCAL] if len(asked) == 1 else ["127.0.0.2"]

    assert fetch(f"{site}/picture", resolve=changing) == b"picture"
    assert asked == ["site.example"]


@pytest.mark.parametrize("path", ["/long", "/endless"])
def test_what_is_too_large_is_refused_whether_or_not_it_tells_its_size(site, path):
    with pytest.raises(InvalidRequest, match="10,000"):
        fetch(site + path)


def test_redirects_without_end_are_refused(site, monkeypatch):
    monkeypatch.setattr(fetching, "REDIRECTS_MOST", 0)
    with pytest.raises(InvalidRequest, match="leads on"):
        fetch(f"{site}/to=/picture")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://site.example/x", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("picture.png", "begins with http"),
        ("http://user:word@site.example/", "a name, a password"),
        ("http://site.example:0/", "a port"),
        ("http://site.example:99999/", "no address of the web"),
        ("http://site.example/a b", "spaces"),
        ("http://site.example/a\r\nX: y", "begins with http|spaces|no address"),
        ("http://nowhere.example/", "There is no “nowhere.example”"),
    ],
)
def test_what_is_no_address_of_a_picture_is_told(address, words):
    with pytest.raises(InvalidRequest, match=words):
        fetch(address)


def test_an_answer_other_than_a_picture_is_told(site):
    with pytest.raises(InvalidRequest, match=r"site\.example answered 404"):
        fetch(f"{site}/none")
