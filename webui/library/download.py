"""Fetching a model: streamed to disk, taken up again where it broke off, checked, and only then given its name."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from webui.checkpoints.header import read_header
from webui.checkpoints.scan import PICKLED
from webui.errors import Cancelled, InvalidRequest, TaskFailed, UnsupportedCheckpoint
from webui.library.answers import Asker, Broken, first_byte, identity_of, is_web_page
from webui.library.names import check_name
from webui.library.partial import Partial, promised_size
from webui.library.sources import check_sha256, hash_told, name_told, parse_source
from webui.library.tasks import Task, TaskBoard, TaskHandle

SAFE = ".safetensors"
RESERVE = 256_000_000  # bytes of the disk that a download leaves free
BLOCK = 1 << 20

#: Seconds to wait before a connection that broke is made again; after as many vain tries in a row the task fails.
RETRIES = (1.0, 4.0, 10.0)

Claim = Callable[[Path], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Wanted:
    """What to fetch, and into which folder; see `ModelLibrary.download`."""

    source: str
    folder: Path
    file_name: str | None = None
    sha256: str | None = None
    token: str | None = None
    allow_pickled: bool = False


class Downloader:
    """Starts downloads; `refresh` is called when one has arrived."""

    def __init__(self, tasks: TaskBoard, refresh: Callable[[], None], retries: tuple[float, ...] = RETRIES) -> None:
        self._tasks, self._refresh, self._retries = tasks, refresh, retries
        self._lock = threading.Lock()
        self._busy: set[Path] = set()

    def start(self, wanted: Wanted) -> Task:
        """Raise InvalidRequest for what can be told at once. Nothing is asked of any server before."""
        address = parse_source(wanted.source)
        name = _with_suffix(check_name("file_name", wanted.file_name)) if wanted.file_name else ""
        if wanted.token and not (wanted.token.isascii() and wanted.token.isprintable()):
            raise InvalidRequest("token", "The token holds characters that no token has.")
        asker = Asker(address, wanted.token or None)
        fetch = _Fetch(wanted, asker, name, check_sha256(wanted.sha256), self._claim, self._retries)

        def work(handle: TaskHandle) -> str:
            result = fetch.run(handle)
            self._refresh()
            return result

        return self._tasks.start("download", f"Download {name or address.name or address.shown}", work)

    @contextlib.contextmanager
    def _claim(self, path: Path) -> Iterator[None]:
        """No two downloads write one file."""
        with self._lock:
            if path in self._busy:
                raise TaskFailed(f"{path.name} is being downloaded already.")
            self._busy.add(path)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(path)


@dataclass
class _Fetch:
    """One download: asked for until it is whole, then checked. `name` is the person's, "" for the server's."""

    wanted: Wanted
    asker: Asker
    name: str
    sha256: str | None
    claim: Claim
    retries: tuple[float, ...]
    partial: Partial | None = None

    def run(self, handle: TaskHandle) -> str:
        """The file's name. Raise TaskFailed, Cancelled; what has come is kept where it may be gone on with."""
        try:
            return self._run(handle)
        except Cancelled:
            handle.kept = self.partial is not None and self.partial.can_go_on()
            raise

    def _run(self, handle: TaskHandle) -> str:
        handle.begin(f"Asking {self.asker.address.shown.partition('/')[0]}")
        with self.asker, contextlib.ExitStack() as claimed:
            tries, size = 0, 0
            while True:
                try:
                    with self.asker.ask(handle) as answer:
                        if self.partial is None:
                            target = self._target(answer)
                            claimed.enter_context(self.claim(target))
                            self.partial = Partial(target)
                        self._receive(answer, self.partial, handle)
                    return self._finish(self.partial, handle)
                except Broken as broken:
                    there = self.partial.size() if self.partial else 0
                    tries, size = (0 if there > size else tries), there
                    self._wait_or_give_up(broken, tries, handle)
                    tries += 1

    def _wait_or_give_up(self, broken: Broken, tries: int, handle: TaskHandle) -> None:
        if self.partial is None and (tries >= len(self.retries) or not broken.reached):
            raise TaskFailed(str(broken)) from broken
        if tries >= len(self.retries):
            kept = self.partial is not None and self.partial.can_go_on()
            more = " What has come is kept: start the download again to go on from there." if kept else ""
            raise TaskFailed(f"{broken}{more}") from broken
        handle.begin(f"{broken} Trying again.")
        end = time.monotonic() + self.retries[tries]
        while time.monotonic() < end:
            handle.check()
            time.sleep(0.05)

    def _target(self, answer: httpx.Response) -> Path:
        """Where the file goes. Raise TaskFailed for what is no model file by its name."""
        if is_web_page(answer):
            raise TaskFailed(f"{answer.url.host} answers with a web page, not a file. Copy the address of the download itself.")
        name = self.name or name_told(answer.headers) or self.asker.address.name
        allowed = (SAFE, *PICKLED) if self.wanted.allow_pickled else (SAFE,)
        if not name.lower().endswith(allowed):
            hint = "If it is one, give it a name."
            if name.lower().endswith(PICKLED):
                hint = "Pickled files can run code when they are read; allow them if you trust this one."
            raise TaskFailed(f"The address leads to “{name:.80}”; a {' or '.join(allowed)} file is expected. {hint}")
        target = self.wanted.folder / name
        if target.exists():
            raise TaskFailed(f"{name} is there already in {target.parent}; nothing is replaced. Give the new one another name.")
        return target

    # ---- the body

    def _receive(self, answer: httpx.Response, partial: Partial, handle: TaskHandle) -> None:
        """Have the whole file on disk; a part that is there is gone on with, by a second request. Raise Broken, TaskFailed."""
        now = identity_of(self.asker.address, answer)
        self.sha256 = self.sha256 or hash_told([step.headers for step in (*answer.history, answer)])
        there = partial.size()
        if not there or not now["mark"] or partial.identity() != now:
            self._begin(answer, partial, now, handle)
            return
        answer.close()
        with self.asker.ask(handle, {"Range": f"bytes={there}-", "If-Range": now["mark"]}) as rest:
            if rest.status_code == 206 and first_byte(rest) == there:
                self._store(rest, partial, now["size"], handle)
            elif rest.status_code == 200:
                self._begin(rest, partial, now, handle)
            elif rest.status_code != 416 or now["size"] not in (there, None):  # 416: there is no more
                partial.discard()
                raise Broken(f"{rest.url.host} does not go on where the download broke off.")

    def _begin(self, answer: httpx.Response, partial: Partial, identity: dict[str, Any], handle: TaskHandle) -> None:
        if answer.status_code != 200:
            raise TaskFailed(f"{answer.url.host} answered {answer.status_code} to a request for the whole file.")
        _check_room(partial.path.parent, (identity["size"] or 0) - partial.size())  # what is there goes first
        with _told_of_disk(partial.path):
            partial.begin(identity)
        self._store(answer, partial, identity["size"], handle)

    def _store(self, answer: httpx.Response, partial: Partial, size: int | None, handle: TaskHandle) -> None:
        """Add the body to the part. `size` is that of the whole file, None where the server does not tell it."""
        packed = answer.headers.get("content-encoding", "identity")
        if packed != "identity":
            raise TaskFailed(f"{answer.url.host} sends the file packed ({packed:.40}), which was not asked for.")
        pace, done = _Pace(partial.size()), partial.size()
        _check_room(partial.path.parent, (size or 0) - done)
        with _told_of_disk(partial.path), partial.open() as file:
            for block in answer.iter_raw(BLOCK):
                handle.check()
                file.write(block)
                done += len(block)
                handle.report(done / size if size else None, pace.words(done, size))
                if size is None:
                    size = promised_size(partial, done)
                    _check_room(partial.path.parent, (size or done) - done)
                if size is not None and done > size:
                    partial.discard()
                    raise TaskFailed(f"{answer.url.host} sends more than the {size:,} bytes that the file should have.")
        if size is not None and done < size:
            raise Broken(f"The connection to {answer.url.host} broke after {done:,} of {size:,} bytes.")

    # ---- the end

    def _finish(self, partial: Partial, handle: TaskHandle) -> str:
        """Check the file and give it its name."""
        target = partial.target
        if target.suffix.lower() == SAFE:
            try:
                read_header(partial.path)
            except UnsupportedCheckpoint as error:
                partial.discard()
                raise TaskFailed(f"What came is no usable file: it {error}. It was deleted.") from error
        with _told_of_disk(partial.path):
            digest = _digest(partial.path, handle)
        if self.sha256 and digest != self.sha256:
            partial.discard()
            fault = f"its SHA-256 is {digest}, {self.sha256} was expected"
            raise TaskFailed(f"{target.name} is damaged or another file: {fault}. It was deleted.")
        if target.exists():
            raise TaskFailed(f"{target.name} has come into being meanwhile in {target.parent}; nothing is replaced.")
        with _told_of_disk(partial.path):
            partial.finish()
        handle.conclusion = f"SHA-256 {'checked' if self.sha256 else 'is'}: {digest[:10]}…"
        return target.name


class _Pace:
    """Bytes a second over the last few seconds."""

    def __init__(self, done: int) -> None:
        self._marks = [(time.monotonic(), done)]

    def words(self, done: int, size: int | None) -> str:
        """As in "12 of 34 MB, 5.6 MB/s"."""
        now = time.monotonic()
        if now - self._marks[-1][0] >= 0.5:
            self._marks = [*self._marks[-9:], (now, done)]
        begin, before = self._marks[0]
        pace = f", {(done - before) / (now - begin) / 1e6:.1f} MB/s" if now - begin > 0.2 else ""
        return f"{done / 1e6:,.0f}" + (f" of {size / 1e6:,.0f}" if size else "") + f" MB{pace}"


@contextlib.contextmanager
def _told_of_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TaskFailed(f"{path} could not be written: {error.strerror or error}. What has come is kept.") from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + RESERVE > free:
        figures = f"{(needed + RESERVE) / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise TaskFailed(f"There is not enough room in {folder}: {figures}.")


def _digest(path: Path, handle: TaskHandle) -> str:
    hasher, size, done = hashlib.sha256(), max(path.stat().st_size, 1), 0
    handle.begin("Checking")
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            handle.check()
            hasher.update(block)
            done += len(block)
            handle.report(done / size, "Checking")
    return hasher.hexdigest()


def _with_suffix(name: str) -> str:
    return name if name.lower().endswith((SAFE, *PICKLED)) else name + SAFE
