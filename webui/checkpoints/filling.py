"""Read tensors of files into tensors in memory: in the order of the file, the cast in the copy, by several threads at once.

For the machine's own memory the file is mapped: the cast then reads the system's file cache itself. A mapped page that is gone
would end the process, so the file's size is looked at before each piece, and one that was cut short meanwhile gives an error.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from webui.checkpoints.eight_bits import put
from webui.errors import UnsupportedCheckpoint

#: Bytes of a file that are copied at a time: enough that Python between the pieces costs nothing, few enough to stop soon.
PIECE = 1 << 22

#: Elements that torch copies in the thread that asks for it; more are shared among its threads.
_ALONE = 1 << 15

#: More threads than this gain nothing: memory is the limit.
THREADS = 4


class Abandoned(Exception):
    """The work was called off; what was to be filled holds numbers of no meaning."""


@dataclass(frozen=True)
class Piece:
    """Part of a tensor of a file, or the whole of it, and where it goes.

    Args:
        offset, size: in the file, in bytes.
        dtype, shape: of what is found there.
        transposed: it goes in the other way round.
    """

    path: Path
    offset: int
    size: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    target: Tensor
    transposed: bool = False

    @property
    def order(self) -> tuple[str, int]:
        return str(self.path), self.offset

    def copy(self, reader: Reader, quietly: bool) -> None:
        """`quietly`: in this thread alone."""
        found = reader.read(self).view(self.dtype).view(self.shape)
        if self.transposed:
            found = found.T
        if not quietly or found.ndim != 1:
            put(self.target, found)
            return
        for part, place in zip(found.split(_ALONE), self.target.split(_ALONE), strict=True):
            put(place, part)

    def split(self) -> list[Piece]:
        """The same in small ones, where both sides lie in one row."""
        if self.transposed or not self.target.is_contiguous() or not self.size:
            return [self] if self.size else []
        flat, width = self.target.view(-1), self.dtype.itemsize
        starts = range(self.offset, self.offset + self.size, PIECE)
        return [
            Piece(self.path, start, part.numel() * width, self.dtype, (part.numel(),), part)
            for start, part in zip(starts, flat.split(PIECE // width), strict=True)
        ]


@dataclass(frozen=True)
class Ready:
    """A tensor that is in memory already, or mapped, and where it goes."""

    found: Tensor
    target: Tensor

    @property
    def order(self) -> tuple[str, int]:
        return "", self.found.data_ptr()

    def copy(self, reader: Reader, quietly: bool) -> None:
        put(self.target, self.found)


class Filling:
    """The work of copying pieces, which threads may share: one begins it, another may come to help.

    Once begun it must be brought to its end, or what is being filled is neither the old nor the new.
    """

    def __init__(self, pieces: Iterable[Piece | Ready]) -> None:
        self._pieces = sorted(pieces, key=lambda piece: piece.order)
        self._next = 0
        self._open = len(self._pieces)  # not yet in their places
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def run(self, *, quietly: bool = False) -> None:
        """Return when all is in its place, whoever put it there.

        Args:
            quietly: in this thread alone, beside other work.

        Raises:
            UnsupportedCheckpoint, OSError: a file could not be read to its end.
            Abandoned: by `abandon`.
        """
        others = [] if quietly else [threading.Thread(target=self._work, args=(False,)) for _ in range(threads() - 1)]
        for thread in others:
            thread.start()
        try:
            self._work(quietly)
        finally:
            for thread in others:
                thread.join()
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0 or self._error is not None)
            if self._error is not None:
                raise self._error

    def abandon(self) -> None:
        """Stop soon; `run` raises Abandoned, unless all is done already."""
        self._fail(Abandoned())

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._open:
                self._error = self._error or error
            self._changed.notify_all()

    def _work(self, quietly: bool) -> None:
        try:
            with Reader() as reader, torch.no_grad():
                while (piece := self._take()) is not None:
                    piece.copy(reader, quietly)
                    self._done()
        except BaseException as error:  # told by `run`, in the thread of whoever asked for it
            self._fail(error)

    def _take(self) -> Piece | Ready | None:
        with self._changed:
            if self._error is not None or self._next == len(self._pieces):
                return None
            self._next += 1
            return self._pieces[self._next - 1]

    def _done(self) -> None:
        with self._changed:
            self._open -= 1
            if not self._open:
                self._changed.notify_all()


class Reader:
    """Of one thread: its open files, mapped, and the place where it puts what goes to another device."""

    def __init__(self) -> None:
        self._pinned = torch.empty(0, dtype=torch.uint8)
        self._files: dict[Path, BinaryIO] = {}
        self._maps: dict[Path, mmap.mmap] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._maps.clear()  # not closed: views of them may be alive a moment longer
        for file in self._files.values():
            file.close()

    def read(self, piece: Piece) -> Tensor:
        """The bytes of a piece, until the next is read."""
        if piece.path not in self._files:
            self._files[piece.path] = open(piece.path, "rb", buffering=0)  # noqa: SIM115
        file = self._files[piece.path]
        return self._copied(file, piece) if piece.target.is_cuda else self._mapped(file, piece)

    def _mapped(self, file: BinaryIO, piece: Piece) -> Tensor:
        if os.fstat(file.fileno()).st_size < piece.offset + piece.size:
            raise _cut_short()
        if piece.path not in self._maps:
            # Not read-only, which torch does not know; nothing is written.
            self._maps[piece.path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        found = torch.frombuffer(self._maps[piece.path], dtype=torch.uint8, count=piece.size, offset=piece.offset)
        return found if piece.offset % piece.dtype.itemsize == 0 else found.clone()

    def _copied(self, file: BinaryIO, piece: Piece) -> Tensor:
        """Into pinned memory, made once, because fresh memory is slow."""
        if self._pinned.numel() < piece.size:
            self._pinned = torch.empty(max(piece.size, PIECE), dtype=torch.uint8, pin_memory=True)
        data = self._pinned[: piece.size]
        room = memoryview(data.numpy())  # pyright: ignore[reportArgumentType]
        file.seek(piece.offset)
        while room:
            count = file.readinto(room)  # pyright: ignore[reportAttributeAccessIssue]
            if not count:
                raise _cut_short()
            room = room[count:]
        return data


def _cut_short() -> UnsupportedCheckpoint:
    return UnsupportedCheckpoint("ended before its end: it was cut short while it was being read")


def threads() -> int:
    """How many read at once."""
    return max(1, min(THREADS, torch.get_num_threads()))


def warm(paths: Iterable[Path], go_on: Callable[[], bool]) -> None:
    """Read files for nothing but that the system has them in its memory; give up where that cannot be done."""
    room = memoryview(bytearray(PIECE))
    for path in paths:
        try:
            with open(path, "rb", buffering=0) as file:
                while go_on() and file.readinto(room):
                    pass
        except OSError:
            return


def give_way() -> None:
    """Let other threads go first, from here to the end of this one."""
    if sys.platform == "linux":  # elsewhere a priority belongs to the process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
