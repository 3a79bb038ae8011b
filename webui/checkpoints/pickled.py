"""Which tensors a pickled file (`.ckpt`, `.pt`, `.bin`) holds and where they lie, without unpickling it. Standard library only.

PyTorch keeps a zip archive: one pickle with the structure, and a member with the numbers of each storage. The pickle is read
here as a list of instructions of which only those are followed that build dicts, lists and tensors' descriptions; what it
would import or call is noted by name and never imported or called.
"""

from __future__ import annotations

import os
import pickletools
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from webui.checkpoints.header import Header, TensorEntry, read_header
from webui.errors import UnsupportedCheckpoint

PICKLED = (".ckpt", ".pt", ".pth", ".bin")

_PICKLE_LIMIT = 32_000_000  # bytes; that of an SDXL file with its optimizer has a tenth
_STEPS_LIMIT = 1_000_000
_TENSORS_LIMIT = 100_000

_TYPES = {
    "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64", "LongStorage": "I64",
    "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
    "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64", "uint8": "U8",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "UntypedStorage": "U8",
}  # fmt: skip
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}

#: What files in circulation name besides tensors. It is not loaded either; but what names anything else is refused.
_KNOWN_MODULES = (
    "torch",
    "collections",
    "numpy",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "omegaconf",
    "typing",
    "_codecs",
)
_KNOWN_BUILTINS = {
    "set",
    "dict",
    "list",
    "tuple",
    "int",
    "float",
    "bool",
    "str",
    "bytes",
    "bytearray",
    "frozenset",
    "slice",
    "object",
}


def read_any_header(path: Path) -> Header:
    """Of a safetensors or a pickled file, by its suffix. Raise UnsupportedCheckpoint with a sentence for after the name."""
    if path.suffix.lower() not in PICKLED:
        return read_header(path)
    return Header(_read_tensors(path), {})


def _read_tensors(path: Path) -> dict[str, TensorEntry]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnsupportedCheckpoint("is not a regular file")
        if os.stat(path).st_size == 0:
            raise UnsupportedCheckpoint("is empty (0 bytes)")
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return _tensors(file, archive)
    except FileNotFoundError:
        raise UnsupportedCheckpoint("does not exist or is a link to a file that does not exist") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        said = "is no PyTorch file of a kind that is read (damaged, or written before PyTorch 1.6); convert it to .safetensors"
        raise UnsupportedCheckpoint(said) from None
    except OSError as error:
        raise UnsupportedCheckpoint(f"cannot be read: {error.strerror or error}") from None


def _tensors(file: Any, archive: zipfile.ZipFile) -> dict[str, TensorEntry]:
    members = {info.filename: info for info in archive.infolist()}
    pickle = next((name for name in members if name.endswith("/data.pkl") and name.count("/") == 1), None)
    if pickle is None:
        raise UnsupportedCheckpoint("is no PyTorch file: the archive has no data.pkl")
    if members[pickle].file_size > _PICKLE_LIMIT:
        raise UnsupportedCheckpoint(f"is not read: its data.pkl would be {members[pickle].file_size:,} bytes long")
    root = pickle.removesuffix("data.pkl")
    if root + "byteorder" in members and _start(archive, root + "byteorder", 8) != b"little":
        raise UnsupportedCheckpoint("was written on a machine with another order of bytes; convert it to .safetensors")
    tensors = dict(_named(_Machine().run(_start(archive, pickle, _PICKLE_LIMIT))))
    return {name: _place(file, members.get(f"{root}data/{tensor.storage.key}"), tensor, name) for name, tensor in tensors.items()}


def _start(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as stream:
        return stream.read(limit)


def _place(file: Any, member: zipfile.ZipInfo | None, tensor: _Tensor, name: str) -> TensorEntry:
    if member is None or member.compress_type != zipfile.ZIP_STORED:
        raise UnsupportedCheckpoint(f"is damaged: the numbers of “{name:.80}” are missing")
    # The archive's own index tells where the member's record begins; the numbers follow its name and padding.
    file.seek(member.header_offset + 26)
    lengths = file.read(4)
    begin = member.header_offset + 30 + sum(struct.unpack("<HH", lengths.ljust(4, b"\0")))
    if (tensor.last + 1) * tensor.width > member.file_size or begin + member.file_size > os.fstat(file.fileno()).st_size:
        raise UnsupportedCheckpoint(f"is cut short: “{name:.80}” needs more bytes than there are")
    steps = zip(tensor.shape, tensor.stride, tensor.rows, strict=True)
    stride = None if all(count == 1 or step == row for count, step, row in steps) else tensor.stride
    size = prod(tensor.shape) * tensor.width
    return TensorEntry(tensor.dtype, tensor.shape, size, begin + tensor.offset * tensor.width, stride)


# ---- the pickle


@dataclass(frozen=True)
class _Global:
    """The name of what would be imported."""

    module: str
    name: str


@dataclass(frozen=True)
class _Opaque:
    """Something that would have been made."""


@dataclass(frozen=True)
class _Storage:
    dtype: str
    key: str


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def width(self) -> int:
        return BYTES.get(self.dtype, 1)

    @property
    def rows(self) -> tuple[int, ...]:
        """The stride of numbers that lie row by row."""
        return tuple(prod(self.shape[place + 1 :]) for place in range(len(self.shape)))

    @property
    def last(self) -> int:
        """The place of its last number in the storage."""
        steps = sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        return self.offset + steps if prod(self.shape) else self.offset - 1


def _named(value: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, _Tensor]]:
    """The tensors in a table, or in the "state_dict" of one, and one level deeper."""
    if not isinstance(value, dict):
        return
    inner = value.get("state_dict", value.get("params_ema")) if depth == 0 else None
    for key, item in (inner if isinstance(inner, dict) else value).items():
        if isinstance(item, _Tensor):
            yield f"{prefix}{key}", item
        elif depth == 0:
            yield from _named(item, f"{prefix}{key}.", 1)


@dataclass
class _Machine:
    """Follows a pickle's instructions as far as they build data."""

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    tensors: int = 0

    def run(self, pickle: bytes) -> object:
        """What the pickle describes."""
        try:
            for step, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
                if step > _STEPS_LIMIT:
                    raise UnsupportedCheckpoint("is not read: its data.pkl is far longer than that of any model")
                if opcode.name == "STOP":
                    return self.stack.pop()
                self._step(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            pass
        raise UnsupportedCheckpoint("is damaged: its data.pkl cannot be followed")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name == "GLOBAL":
            stack.append(_global(*argument.split(" ", 1)))
        elif name in _HANDLERS:
            _HANDLERS[name](self)
        elif name not in ("PROTO", "FRAME"):
            if argument is None:
                raise ValueError(name)
            stack.append(argument)  # a number or a text

    def marked(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError
        del self.stack[-count:]
        return items

    def call(self) -> None:
        function, arguments = self.pop(2)
        made = _made(function, arguments)
        self.tensors += isinstance(made, _Tensor)
        if self.tensors > _TENSORS_LIMIT:
            raise UnsupportedCheckpoint("is not read: it holds far more tensors than any model")
        self.stack.append(made)

    def stack_global(self) -> None:
        self.stack.append(_global(*self.pop(2)))

    def persistent(self) -> None:
        """A storage: its kind, name, device and length."""
        (told,) = self.pop(1)
        if told[0] != "storage" or not isinstance(told[2], str) or "/" in told[2]:
            raise ValueError
        self.stack.append(_Storage(_TYPES.get(told[1].name, ""), told[2]))

    def set_items(self, pairs: list[Any]) -> None:
        table = self.stack[-1]
        if isinstance(table, dict):
            table.update((key, value) for key, value in zip(pairs[::2], pairs[1::2], strict=True) if isinstance(key, str | int))

    def append(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": _Opaque,
}  # fmt: skip

_HANDLERS: dict[str, Callable[[_Machine], object]] = {
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.pop(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.pop(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.pop(3))),
    "LIST": lambda machine: machine.stack.append(machine.marked()),
    "DICT": lambda machine: (machine.stack.append({}), machine.marked()),
    "SETITEM": lambda machine: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.marked()),
    "APPEND": lambda machine: machine.append(machine.pop(1)),
    "APPENDS": lambda machine: machine.append(machine.marked()),
    "ADDITEMS": lambda machine: machine.marked(),
    "POP": lambda machine: machine.pop(1),
    "POP_MARK": lambda machine: machine.marked(),
    "DUP": lambda machine: machine.stack.append(machine.stack[-1]),
    "BUILD": lambda machine: machine.pop(1),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "STACK_GLOBAL": _Machine.stack_global,
    "BINPERSID": _Machine.persistent,
}  # fmt: skip


def _global(module: str, name: str) -> _Global:
    builtin = module in ("builtins", "__builtin__")
    if not (name in _KNOWN_BUILTINS if builtin else module.partition(".")[0] in _KNOWN_MODULES):
        raise UnsupportedCheckpoint(f"would run “{module:.60}.{name:.60}” when unpickled, which no model needs; it is not read")
    return _Global(module, name)


def _made(function: object, arguments: Any) -> object:
    """What a call would give, for the few that describe tensors."""
    if not isinstance(function, _Global):
        return _Opaque()
    if (function.module, function.name) == ("collections", "OrderedDict"):
        return {}
    if function.name == "_rebuild_parameter":
        return arguments[0]
    if function.name not in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
        return _Opaque()
    storage, offset, shape, stride = arguments[:4]
    dtype = _TYPES.get(arguments[6].name, "") if function.name.endswith("v3") else storage.dtype
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or any(type(number) is not int or not 0 <= number < 2**48 for number in numbers):
        raise ValueError
    if not dtype:
        return _Opaque()
    return _Tensor(storage, dtype, offset, tuple(shape), tuple(stride))
