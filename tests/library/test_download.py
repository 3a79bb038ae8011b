from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.library.conftest import Finish, wait_until
from tests.library.standin import StandIn, redirect, serving, status
from tests.library.weights import save, weights
from webui.errors import InvalidRequest
from webui.library import download
from webui.library.download import Downloader, Wanted
from webui.library.tasks import Task, TaskBoard, TaskState


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of a few megabytes, so that it comes in several blocks."""
    import torch

    folder = tmp_path_factory.mktemp("content")
    return save(folder / "a.safetensors", weights(1) | {"model.large": torch.zeros(1_000_000)}).read_bytes()


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as standin:
        monkeypatch.setenv("HF_ENDPOINT", standin.address)
        yield standin


#: The first answer breaks off after a while, those that follow at once.
BREAKS: list[int | None] = [1_200_000, *[0] * 9]


class Fetcher:
    """Downloads into a folder and waits for the end."""

    def __init__(self, board: TaskBoard, folder: Path, finish: Finish) -> None:
        self.folder, self._finish = folder, finish
        self.refreshed = 0
        self.downloader = Downloader(board, self._refresh, retries=(0.01, 0.01))

    def _refresh(self) -> None:
        self.refreshed += 1

    def start(self, source: str, **options: Any) -> Task:
        return self.downloader.start(Wanted(source, self.folder, **options))

    def fetch(self, source: str, **options: Any) -> Task:
        return self._finish(self.start(source, **options))

    def fails(self, source: str, **options: Any) -> str:
        """The error's words."""
        task = self.fetch(source, **options)
        assert task.state is TaskState.FAILED, task
        return task.error

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def fetcher(board: TaskBoard, tmp_path: Path, finish: Finish) -> Fetcher:
    folder = tmp_path / "models"
    folder.mkdir()
    return Fetcher(board, folder, finish)


# ---- where from, and what it is called


@pytest.mark.parametrize(
    "form",
    ["org/repo/sub/a.safetensors", "{}/org/repo/resolve/main/sub/a.safetensors", "{}/org/repo/blob/main/sub/a.safetensors"],
)
def test_a_file_of_the_hub_is_fetched_and_its_hash_checked(fetcher: Fetcher, standin: StandIn, content: bytes, form: str):
    standin.add_to_hub("/org/repo/resolve/main/sub/a.safetensors", content)
    task = fetcher.fetch(form.format(standin.address))
    assert (task.state, task.result, task.error) == (TaskState.DONE, "a.safetensors", "")
    assert "checked" in task.text
    assert (fetcher.folder / "a.safetensors").read_bytes() == content
    assert fetcher.names() == ["a.safetensors"]
    assert fetcher.refreshed == 1


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="model one.safetensors"', "model one.safetensors"),
        ("attachment; filename*=UTF-8''%C3%A9t%C3%A9.safetensors", "été.safetensors"),
        ('attachment; filename="../../etc/passwd.safetensors"', "passwd.safetensors"),
        ('attachment; filename="C:\\\\windows\\\\a.safetensors"', "a.safetensors"),
        ('attachment; filename="a<b>|c?.safetensors"', "a_b__c_.safetensors"),
        ('attachment; filename=".safetensors"', "safetensors"),
        ('attachment; filename="";', "from-url.safetensors"),
        (f'attachment; filename="{"x" * 400}.safetensors"', "x" * 188 + ".safetensors"),
        ("attachment; filename*=no-such-code''a.safetensors", "a.safetensors"),
        ("inline", "from-url.safetensors"),
    ],
)
def test_the_servers_name_for_a_file_is_made_safe(
    fetcher: Fetcher, standin: StandIn, content: bytes, disposition: str, name: str
):
    standin.add("/files/from-url.safetensors", content, headers={"Content-Disposition": disposition})
    task = fetcher.fetch(standin.url("/files/from-url.safetensors"))
    if name == "safetensors":
        assert "leads to" in task.error
    else:
        assert (task.result, fetcher.names()) == (name, [name])


def test_a_download_link_without_a_name_takes_the_one_that_is_given(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/api/download/models/123", content)
    assert "leads to “123”" in fetcher.fails(standin.url("/api/download/models/123?type=Model"))
    task = fetcher.fetch(standin.url("/api/download/models/123?type=Model"), file_name="mine")
    assert (task.result, task.title) == ("mine.safetensors", "Download mine.safetensors")


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", ".", "..", "con", "a:b", "a\x00b", "/etc/passwd", "x" * 300])
def test_a_given_name_that_is_a_path_is_refused_at_once(fetcher: Fetcher, standin: StandIn, name: str):
    with pytest.raises(InvalidRequest, match="cannot be a file's name") as error:
        fetcher.start(standin.url("/a.safetensors"), file_name=name)
    assert error.value.field == "file_name"
    assert standin.requests == []


@pytest.mark.parametrize(
    "source",
    ["", "hello", "org/repo", "ftp://host/a.safetensors", "file:///etc/passwd", "http://", "https://[bad", "org/repo/../../x", "http://host:99999/a"],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_once(fetcher: Fetcher, source: str):
    with pytest.raises(InvalidRequest, match="address") as error:
        fetcher.start(source)
    assert error.value.field == "source"


def test_what_is_no_hash_is_refused_at_once(fetcher: Fetcher):
    with pytest.raises(InvalidRequest, match="64 digits"):
        fetcher.start("org/repo/a.safetensors", sha256="abc")


# ---- going on where it broke off


def test_a_connection_that_breaks_is_made_again_and_goes_on(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, break_after=[1_500_000])
    task = fetcher.fetch(standin.url("/a.safetensors"))
    assert task.state is TaskState.DONE, task.error
    assert (fetcher.folder / "a.safetensors").read_bytes() == content
    ranges = [headers.get("Range") for _, headers in standin.requests]
    assert ranges[:2] == [None, None]
    assert ranges[-1] is not None
    assert int(ranges[-1].removeprefix("bytes=").rstrip("-")) > 1_000_000


def test_a_download_that_was_given_up_is_gone_on_with_later(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, break_after=BREAKS)
    error = fetcher.fails(standin.url("/a.safetensors"))
    assert "What has come is kept" in error
    assert fetcher.names() == ["a.safetensors.part", "a.safetensors.part.json"]
    kept = (fetcher.folder / "a.safetensors.part").stat().st_size
    assert kept > 1_000_000
    standin.files["/a.safetensors"].break_after = []
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert standin.requests[-1][1]["Range"] == f"bytes={kept}-"
    assert standin.requests[-1][1]["If-Range"] == '"one"'
    assert (fetcher.folder / "a.safetensors").read_bytes() == content
    assert fetcher.names() == ["a.safetensors"]


def test_a_download_that_was_given_up_promises_only_what_holds(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, etag=None, break_after=[1_200_000] * 10)
    error = fetcher.fails(standin.url("/a.safetensors"))
    assert "broke" in error and "kept" not in error


def test_a_file_that_changed_meanwhile_is_begun_anew(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", bytes(len(content)), break_after=BREAKS)
    fetcher.fails(standin.url("/a.safetensors"))
    standin.add("/a.safetensors", content, etag='"two"')
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert (fetcher.folder / "a.safetensors").read_bytes() == content


@pytest.mark.parametrize("options", [{"ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}])
def test_a_server_that_cannot_go_on_serves_the_whole_again(fetcher: Fetcher, standin: StandIn, content: bytes, options: Any):
    standin.add("/a.safetensors", content, break_after=[1_200_000], **options)
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert (fetcher.folder / "a.safetensors").read_bytes() == content


def test_a_part_that_is_whole_already_is_only_checked(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, break_after=BREAKS)
    fetcher.fails(standin.url("/a.safetensors"))
    (fetcher.folder / "a.safetensors.part").write_bytes(content)
    standin.files["/a.safetensors"].break_after = []
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert (fetcher.folder / "a.safetensors").read_bytes() == content


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"url": 3}'])
def test_a_part_of_which_nothing_is_known_is_not_trusted(fetcher: Fetcher, standin: StandIn, content: bytes, note: bytes):
    standin.add("/a.safetensors", content)
    (fetcher.folder / "a.safetensors.part").write_bytes(b"rubbish")
    (fetcher.folder / "a.safetensors.part.json").write_bytes(note)
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert (fetcher.folder / "a.safetensors").read_bytes() == content


def test_cancelling_hangs_up_at_once_and_keeps_what_came(
    fetcher: Fetcher, standin: StandIn, content: bytes, board: TaskBoard, finish: Finish
):
    pause = threading.Event()
    standin.add("/a.safetensors", content, pause=pause)
    task = fetcher.start(standin.url("/a.safetensors"))
    wait_until(lambda: (board.get(task.id).fraction or 0) > 0.2)
    board.cancel(task.id)
    assert finish(task).state is TaskState.CANCELLED
    pause.set()
    assert fetcher.names() == ["a.safetensors.part", "a.safetensors.part.json"]
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True),
        ({"etag": None}, False),
        ({"etag": 'W/"weak"'}, False),
        ({"etag": None, "headers": {"Last-Modified": "x"}}, True),
    ],
)
def test_a_cancelled_download_says_whether_it_is_gone_on_with(
    fetcher: Fetcher, standin: StandIn, content: bytes, board: TaskBoard, finish: Finish, options: Any, kept: bool
):
    standin.add("/a.safetensors", content, pause=(pause := threading.Event()), **options)
    task = fetcher.start(standin.url("/a.safetensors"))
    wait_until(lambda: (board.get(task.id).fraction or 0) > 0.2)
    board.cancel(task.id)
    assert finish(task).kept is kept
    pause.set()
    fetcher.fetch(standin.url("/a.safetensors"))
    assert ("Range" in standin.requests[-1][1]) is kept


def test_a_download_that_is_cancelled_between_two_tries_says_that_it_is_kept(
    fetcher: Fetcher, standin: StandIn, content: bytes, board: TaskBoard, finish: Finish
):
    fetcher.downloader = Downloader(board, lambda: None, retries=(60.0,))
    standin.add("/a.safetensors", content, break_after=BREAKS)
    task = fetcher.start(standin.url("/a.safetensors"))
    wait_until(lambda: "Trying again" in board.get(task.id).text)
    board.cancel(task.id)
    assert finish(task).kept


def test_progress_tells_bytes_and_size(fetcher: Fetcher, standin: StandIn, content: bytes, board: TaskBoard):
    pause = threading.Event()
    standin.add("/a.safetensors", content, pause=pause)
    task = fetcher.start(standin.url("/a.safetensors"))
    wait_until(lambda: (board.get(task.id).fraction or 0) > 0.2)
    assert "of 4 MB" in board.get(task.id).text
    assert 0.2 < (board.get(task.id).fraction or 0) <= 0.6
    pause.set()


# ---- checks


def test_a_file_with_another_hash_is_deleted(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content)
    error = fetcher.fails(standin.url("/a.safetensors"), sha256="0" * 64)
    assert hashlib.sha256(content).hexdigest() in error
    assert "0" * 64 in error
    assert fetcher.names() == []
    assert fetcher.refreshed == 0


def test_the_hash_that_a_person_gave_is_checked_in_any_case(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content)
    task = fetcher.fetch(standin.url("/a.safetensors"), sha256=hashlib.sha256(content).hexdigest().upper())
    assert task.state is TaskState.DONE


def test_nothing_is_replaced(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content)
    (fetcher.folder / "a.safetensors").write_text("mine")
    assert "is there already" in fetcher.fails(standin.url("/a.safetensors"))
    assert (fetcher.folder / "a.safetensors").read_text() == "mine"


def test_two_downloads_never_write_one_file(fetcher: Fetcher, standin: StandIn, content: bytes, board: TaskBoard, finish: Finish):
    pause = threading.Event()
    standin.add("/a.safetensors", content, pause=pause)
    first = fetcher.start(standin.url("/a.safetensors"))
    wait_until(lambda: (board.get(first.id).fraction or 0) > 0.2)
    assert "is being downloaded already" in fetcher.fails(standin.url("/a.safetensors"))
    pause.set()
    assert finish(first).state is TaskState.DONE


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.pth"])
def test_pickled_files_come_only_when_asked_for(fetcher: Fetcher, standin: StandIn, name: str):
    standin.add(f"/{name}", b"PK\x03\x04" + bytes(100))
    assert "can run code" in fetcher.fails(standin.url(f"/{name}"))
    assert len(standin.requests) == 1
    assert fetcher.fetch(standin.url(f"/{name}"), allow_pickled=True).result == name


@pytest.mark.parametrize("name", ["model.zip", "model.exe", "model", "model.safetensors.exe"])
def test_other_files_are_never_taken(fetcher: Fetcher, standin: StandIn, name: str):
    standin.add(f"/{name}", b"MZ" + bytes(100))
    assert "is expected" in fetcher.fails(standin.url(f"/{name}"), allow_pickled=True)
    assert fetcher.names() == []


def test_a_full_disk_is_told_before_anything_is_written(
    fetcher: Fetcher, standin: StandIn, content: bytes, monkeypatch: pytest.MonkeyPatch
):
    standin.add("/a.safetensors", content)
    monkeypatch.setattr(download, "RESERVE", 10**18)
    assert "not enough room" in fetcher.fails(standin.url("/a.safetensors"))
    assert fetcher.names() == []


def test_what_a_download_that_begins_anew_deletes_is_room_for_it(
    fetcher: Fetcher, standin: StandIn, content: bytes, monkeypatch: pytest.MonkeyPatch
):
    standin.add("/a.safetensors", content)
    part = fetcher.folder / "a.safetensors.part"
    part.write_bytes(bytes(len(content) // 2))

    def usage(folder: Path) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in folder.glob("*.part"))
        return SimpleNamespace(free=download.RESERVE + len(content) - used)

    monkeypatch.setattr(download.shutil, "disk_usage", usage)
    task = fetcher.fetch(standin.url("/a.safetensors"))
    assert task.state is TaskState.DONE, task.error


# ---- the token


def test_the_token_goes_to_the_first_host_only_and_is_told_to_nobody(fetcher: Fetcher, standin: StandIn, content: bytes):
    with serving() as other:
        other.add("/cdn/a.safetensors", content)
        standin.answers["/a.safetensors"] = redirect(
            {"Location": other.url("/cdn/a.safetensors").replace("127.0.0.1", "localhost")}
        )
        task = fetcher.fetch(standin.url("/a.safetensors?token=alsosecret"), token="secret")
        assert task.state is TaskState.DONE, task.error
        assert standin.requests[0][1]["Authorization"] == "Bearer secret"
        assert "Authorization" not in other.requests[0][1]
    assert "secret" not in str(task)


@pytest.mark.parametrize(("token", "hint"), [(None, "give an access token"), ("x", "was not accepted")])
@pytest.mark.parametrize("code", [401, 403])
def test_a_file_behind_an_account_says_so(fetcher: Fetcher, standin: StandIn, token: str | None, hint: str, code: int):
    standin.answers["/a.safetensors"] = status(code)
    error = fetcher.fails(standin.url("/a.safetensors"), token=token)
    assert str(code) in error
    assert hint in error


def test_a_token_that_would_break_the_request_is_refused(fetcher: Fetcher):
    with pytest.raises(InvalidRequest, match="token"):
        fetcher.start("org/repo/a.safetensors", token="a\r\nX-Evil: 1")


# ---- servers that misbehave


def raw(answer: bytes):
    def write(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    return write


def endless(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
    """A header that promises a little, and a body without length that never ends."""
    text = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(struct.pack("<Q", len(text)) + text)
    while True:
        handler.wfile.write(bytes(1 << 16))


def test_a_body_without_end_is_cut_off(fetcher: Fetcher, standin: StandIn):
    standin.answers["/a.safetensors"] = endless
    assert "more than the 66 bytes" in fetcher.fails(standin.url("/a.safetensors"))
    assert fetcher.names() == []


def test_a_body_of_unknown_length_is_taken_by_its_own_header(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, length=-1)
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    standin.add("/b.safetensors", content[:-5], length=-1)
    assert "is cut short" in fetcher.fails(standin.url("/b.safetensors"))
    assert fetcher.names() == ["a.safetensors"]


def test_a_length_that_promises_more_than_comes_is_a_broken_connection(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, length=len(content) + 10, break_after=[10**9] * 9)
    assert "broke" in fetcher.fails(standin.url("/a.safetensors"))
    assert "a.safetensors" not in fetcher.names()


def test_a_length_shorter_than_the_file_gives_a_damaged_file(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content[:-10])
    error = fetcher.fails(standin.url("/a.safetensors"))
    assert "is cut short" in error
    assert fetcher.names() == []


def test_a_web_page_is_not_taken_for_a_file(fetcher: Fetcher, standin: StandIn):
    standin.add("/a.safetensors", b"<!DOCTYPE html><html>Log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    assert "answers with a web page" in fetcher.fails(standin.url("/a.safetensors"))
    standin.add("/b.safetensors", b"<!DOCTYPE html><html>Log in</html>")
    assert "is a web page" in fetcher.fails(standin.url("/b.safetensors"))
    assert fetcher.names() == []


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"version https://git-lfs.github.com/spec/v1\n", struct.pack("<Q", 2**60) + bytes(99)]
)
@pytest.mark.parametrize("length", [None, -1])
def test_what_is_no_safetensors_file_is_deleted_and_named(fetcher: Fetcher, standin: StandIn, body: bytes, length: int | None):
    standin.add("/a.safetensors", body, length=length)
    assert fetcher.fails(standin.url("/a.safetensors"))
    assert fetcher.names() == []


def test_addresses_that_lead_in_a_circle_are_given_up(fetcher: Fetcher, standin: StandIn):
    standin.answers["/a.safetensors"] = redirect({"Location": "/b"})
    standin.answers["/b"] = redirect({"Location": "/a.safetensors"})
    assert "without end" in fetcher.fails(standin.url("/a.safetensors"))
    assert len(standin.requests) < 30


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[bad", "javascript:alert(1)", "http:///x"]
)
def test_addresses_that_lead_out_of_the_web_are_not_followed(fetcher: Fetcher, standin: StandIn, location: str):
    standin.answers["/a.safetensors"] = redirect({"Location": location})
    assert fetcher.fails(standin.url("/a.safetensors"))
    assert fetcher.names() == []


def test_packed_bodies_are_refused(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", gzip.compress(content), headers={"Content-Encoding": "gzip"})
    assert "packed (gzip)" in fetcher.fails(standin.url("/a.safetensors"))
    assert standin.requests[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"]
)
def test_nonsense_instead_of_http_is_told(fetcher: Fetcher, standin: StandIn, answer: bytes):
    standin.answers["/a.safetensors"] = raw(answer)
    assert "127.0.0.1" in fetcher.fails(standin.url("/a.safetensors"))
    assert "a.safetensors" not in fetcher.names()


@pytest.mark.parametrize(("code", "words"), [(404, "no file at this address"), (410, "answered 410"), (418, "answered 418")])
def test_a_refusal_is_told_at_once(fetcher: Fetcher, standin: StandIn, code: int, words: str):
    standin.answers["/a.safetensors"] = status(code) if code != 418 else raw(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n")
    assert words in fetcher.fails(standin.url("/a.safetensors"))
    assert len(standin.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(fetcher: Fetcher, standin: StandIn, content: bytes, code: int):
    standin.add("/real.safetensors", content)
    standin.answers["/a.safetensors"] = lambda handler, number: (
        status(code)(handler, number) if number < 2 else redirect({"Location": "/real.safetensors"})(handler, number)
    )
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE


def test_a_range_that_does_not_begin_where_it_should_is_not_appended(fetcher: Fetcher, standin: StandIn, content: bytes):
    standin.add("/a.safetensors", content, break_after=BREAKS)
    fetcher.fails(standin.url("/a.safetensors"))
    served = standin.files.pop("/a.safetensors")

    def wrong(handler: http.server.BaseHTTPRequestHandler, number: int) -> None:
        asked = handler.headers.get("Range")
        handler.send_response(206 if asked else 200)
        handler.send_header("ETag", '"one"')
        if asked:
            handler.send_header("Content-Range", f"bytes 7-{len(served.content) - 1}/{len(served.content)}")
        handler.send_header("Content-Length", str(len(served.content)))
        handler.end_headers()
        handler.wfile.write(served.content)

    standin.answers["/a.safetensors"] = wrong
    assert fetcher.fetch(standin.url("/a.safetensors")).state is TaskState.DONE
    assert (fetcher.folder / "a.safetensors").read_bytes() == content


def test_without_a_network_the_message_says_so_at_once(fetcher: Fetcher):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/a.safetensors"
    assert "cannot be reached. Is this computer online?" in fetcher.fails(address)
    assert fetcher.names() == []
