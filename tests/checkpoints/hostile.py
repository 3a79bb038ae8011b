"""Pickled files that are no good, each in its own way: name → (how to write it, what its problem must say).

Where one of them were unpickled, it would make the file `MARK` beside itself.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.tiny import write_tiny_checkpoint

MARK = "executed"


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self._call


def _shell(path: Path) -> Bomb:
    return Bomb(os.system, f"touch '{path.with_name(MARK)}'")


def _eval(path: Path) -> Bomb:
    return Bomb(eval, f"open({str(path.with_name(MARK))!r}, 'w')")


def _archive(path: Path, data: bytes, *, compress: bool = False, more: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in (more or {}).items():
            archive.writestr(f"archive/{name}", content)


def _behind_good_tensors(path: Path) -> None:
    tensors = torch.load(write_tiny_checkpoint(path.with_suffix(".tmp.ckpt")), weights_only=True)
    path.with_suffix(".tmp.ckpt").unlink()
    torch.save({**tensors, "callbacks": _shell(path)}, path)


def _without_member(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(4)}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            if "/data/" not in info.filename:
                target.writestr(info.filename, source.read(info))


def _larger_than_its_storage(path: Path) -> None:
    """The storage is cut, and the record in the archive says so."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(400)}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            target.writestr(info.filename, content[:8] if "/data/" in info.filename else content)


def _truncated(path: Path) -> None:
    write_tiny_checkpoint(path)
    os.truncate(path, path.stat().st_size - 1000)


def _embedding(path: Path) -> None:
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.zeros(2, 8)}, "name": "x"}, path)


def _recursive(path: Path) -> None:
    table: dict[str, Any] = {}
    table["state_dict"] = table
    _archive(path, pickle.dumps(table, 2))


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _pickled(value: Any, protocol: int = 2) -> Callable[[Path], object]:
    return lambda path: _archive(path, pickle.dumps(value, protocol))


_NO_FILE = "is no PyTorch file of a kind that is read"
_DAMAGED = "is damaged: its data.pkl cannot be followed"

HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "shell": (lambda path: _archive(path, pickle.dumps(_shell(path), 2)), "would run “posix.system” when unpickled"),
    "shell, protocol 4": (lambda path: _archive(path, pickle.dumps(_shell(path), 4)), "would run “posix.system”"),
    "eval": (lambda path: _archive(path, pickle.dumps(_eval(path), 2)), "eval” when unpickled"),
    "behind good tensors": (_behind_good_tensors, "would run “posix.system”"),
    "bare pickle": (lambda path: path.write_bytes(pickle.dumps(_shell(path))), _NO_FILE),
    "zip bomb": (lambda path: _archive(path, bytes(50_000_000), compress=True), "its data.pkl would be 50,000,000 bytes long"),
    "packed data": (lambda path: _archive(path, b"\x80\x02", compress=True), _DAMAGED),
    "no data.pkl": (lambda path: zipfile.ZipFile(path, "w").close(), "the archive has no data.pkl"),
    "endless": (_pickled([0] * 5_000), "far longer than that of any model"),
    "never stops": (lambda path: _archive(path, b"\x80\x02" + b"(" * 1000), _DAMAGED),
    "nonsense": (lambda path: _archive(path, b"\xff\xfe" * 100), _DAMAGED),
    "empties the stack": (lambda path: _archive(path, b"\x80\x02000."), _DAMAGED),
    "other order of bytes": (lambda path: _archive(path, b"N.", more={"byteorder": b"big"}), "another order of bytes"),
    "without numbers": (_without_member, "the numbers of “weight” are missing"),
    "too few numbers": (_larger_than_its_storage, "is cut short: “weight” needs more bytes"),
    "truncated pickled": (_truncated, _NO_FILE),
    "recursive": (_recursive, "no checkpoint of a known kind"),
    "not a table": (_pickled([1, 2, 3]), "it holds no tensors"),
    "embedding": (_embedding, "is an embedding, not a checkpoint"),
    "empty": (_bytes(b""), "is empty (0 bytes)"),
    "text": (_bytes(b"<!DOCTYPE html><html>"), _NO_FILE),
    "pipe pickled": (os.mkfifo, "is not a regular file"),
}
