"""The files of styles: `styles.csv` as A1111 writes it, and Fooocus's JSON lists. They belong to the person: what is not known
here is kept, the former state stays as `.bak`, and what other programs write is noticed."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from webui.core.params import has_half_character
from webui.core.request import GenerationRequest
from webui.core.styles import Style, apply_styles
from webui.errors import InvalidRequest, SaveFailed
from webui.storage.replacing import replacing

_COLUMNS = ("name", "prompt", "negative_prompt")
#: Older files have one text a style.
_OLD_TEXT = "text"
_WILD = frozenset("*?[")
#: In the data folder; the second comes with Forge.
_OWN_FILES = ("styles.csv", "styles_integrated.csv")


@dataclass(frozen=True)
class StyleFile:
    """A file as read. `rows` are those of its table, all columns kept; `problem` says in words why there are none."""

    path: Path
    rows: tuple[dict[str, Any], ...] = ()
    problem: str = ""
    columns: tuple[str, ...] = _COLUMNS

    @property
    def styles(self) -> list[Style]:
        """Names that start with # are set aside by their owner."""
        return [_style(row) for row in self.rows if row["name"] and not row["name"].startswith("#")]


def _style(row: dict[str, Any]) -> Style:
    texts = (row.get("prompt", row.get(_OLD_TEXT)), row.get("negative_prompt"))
    return Style(row["name"], *(text if isinstance(text, str) else "" for text in texts))


@dataclass
class Styles:
    """The styles of some files, looked at again whenever they are asked for. Thread-safe.

    Args:
        patterns: paths, which may hold wildcards, in the order in which they are listed.
        default: where new styles go that are told no file.
    """

    patterns: Sequence[str]
    default: Path
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _read: dict[Path, tuple[object, StyleFile]] = field(default_factory=dict)

    def files(self) -> list[StyleFile]:
        """Every file that there is; one that has not changed is not read again."""
        with self._lock:
            files = [self._file(path) for path in _expanded(self.patterns)]
            self._read = {file.path: self._read[file.path] for file in files}
            return files

    @property
    def problem(self) -> str:
        """Which files cannot be used, in words; empty if all can."""
        return " ".join(file.problem for file in self.files() if file.problem)

    def _file(self, path: Path) -> StyleFile:
        stamp = _stamp(path)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = stamp, read_styles(path)
        return known[1]

    def all(self) -> list[Style]:
        """By name, in the order of the files; a later file's style replaces an earlier one's of the same name."""
        return list({style.name: style for file in self.files() for style in file.styles}.values())

    def chosen(self, names: Iterable[str]) -> list[Style]:
        """The styles of these names, in their order; a name that is not known is passed over."""
        known = {style.name: style for style in self.all()}
        return [known[name] for name in names if name in known]

    def put_into(self, request: GenerationRequest, names: Iterable[str]) -> GenerationRequest:
        """The request with the texts of these styles in its prompts."""
        found = self.chosen(name.strip() for name in names)
        prompt, negative_prompt = apply_styles(found, request.prompt, request.negative_prompt)
        return replace(request, prompt=prompt, negative_prompt=negative_prompt)

    def save(self, style: Style) -> None:
        """Write a style where its name stands, or else at the end of the default file.

        Raises:
            InvalidRequest: a name that could not be read back.
            SaveFailed: the file could not be written, or holds what would be lost; it stays as it was.
        """
        _check_name(style.name)
        with self._lock:
            _write(_with(self._home(style.name) or self._default_file(), style))

    def delete(self, name: str) -> None:
        """Take a style out of every file that has it. Raise as `save` does; nothing happens where there is none."""
        with self._lock:
            for file in self.files():
                rows = tuple(row for row in file.rows if row["name"] != name)
                if len(rows) != len(file.rows):
                    _write(StyleFile(file.path, rows, columns=file.columns))

    def _home(self, name: str) -> StyleFile | None:
        return next((file for file in reversed(self.files()) if any(row["name"] == name for row in file.rows)), None)

    def _default_file(self) -> StyleFile:
        if (file := read_styles(self.default)).problem:
            raise SaveFailed(f"{file.problem} The style was not saved, so that nothing in it is lost.")
        return file


def style_files(arguments: Sequence[str], data_dir: Path) -> Styles:
    """What `--styles-file` names; without it `styles.csv` in the data folder. New styles go into the first that is one file."""
    arguments = [os.path.expanduser(text) for text in arguments]  # the shell leaves ~ alone in a quoted wildcard
    own = [data_dir / name for name in _OWN_FILES]
    default = next((Path(text).absolute() for text in arguments if not _WILD & set(text)), own[0])
    return Styles(tuple(arguments) or tuple(glob.escape(str(path)) for path in own), default)


def _check_name(name: str) -> None:
    if not name.strip() or name != name.strip():
        raise InvalidRequest("name", "A style needs a name, without spaces before and after it.")
    if name.startswith("#"):
        raise InvalidRequest("name", f"The name “{name:.80}” starts with #: such rows are left out. Choose another.")
    if has_half_character(name) or any(ord(character) < 32 for character in name):
        raise InvalidRequest("name", "The name holds a line break or another character that no name can have.")


# ---- reading


def _expanded(patterns: Iterable[str]) -> list[Path]:
    """The files that there are, those of a wildcard by name."""
    found = [Path(path).absolute() for pattern in patterns for path in sorted(_matches(pattern))]
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _matches(pattern: str) -> list[str]:
    """A name that has brackets in it and is there is meant as it stands."""
    return [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)


def read_styles(path: Path) -> StyleFile:
    """Nothing raises: a file that cannot be read has a `problem`. One that is not there is empty."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return _FORMATS.get(path.suffix.lower(), _CSV).read(path, text)
    except FileNotFoundError:
        return StyleFile(path)
    except OSError as error:
        return StyleFile(path, problem=f"{path} cannot be read: {error.strerror or error}.")
    except UnicodeDecodeError:
        return StyleFile(path, problem=f"{path} is not in UTF-8; save it so in the program that wrote it.")
    except (ValueError, csv.Error, RecursionError) as error:
        return StyleFile(path, problem=f"{path} cannot be used: {error}.")


def _read_csv(path: Path, text: str) -> StyleFile:
    if not text.strip():
        return StyleFile(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    columns = tuple(name.strip() for name in reader.fieldnames or ())
    if "name" not in columns:
        raise ValueError(f"its first line has no column “name” but {', '.join(columns)[:80]}")
    reader.fieldnames = list(columns)
    rows = [{key: value for key, value in row.items() if isinstance(key, str)} for row in reader]
    return StyleFile(path, tuple(rows), columns=columns)


def _read_json(path: Path, text: str) -> StyleFile:
    """Fooocus's form: a list of tables with name, prompt and negative_prompt."""
    entries = json.loads(text or "[]")
    named = isinstance(entries, list) and all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries)
    if not named:
        raise ValueError("a list of styles with names was expected")
    return StyleFile(path, tuple(entries))


# ---- writing


def _with(file: StyleFile, style: Style) -> StyleFile:
    """The file with the style in its row, or in one more. A table of the old form gets the columns of today."""
    new = {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
    rows = [_modern(row) | (new if row["name"] == style.name else {}) for row in file.rows]
    if not any(row["name"] == style.name for row in file.rows):
        rows.append(new)
    further = tuple(name for name in file.columns if name not in (*_COLUMNS, _OLD_TEXT))
    return StyleFile(file.path, tuple(rows), columns=(*_COLUMNS, *further))


def _modern(row: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in row.items() if key not in (*_COLUMNS, _OLD_TEXT)}
    style = _style(row)
    return {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt, **rest}


def _write_csv(file: StyleFile) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, file.columns, restval="")
    writer.writeheader()
    writer.writerows(file.rows)
    return "\ufeff" + text.getvalue()  # spreadsheets take a file without the mark for another encoding


def _write_json(file: StyleFile) -> str:
    return json.dumps(file.rows, indent=4, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Format:
    read: Callable[[Path, str], StyleFile]
    write: Callable[[StyleFile], str]


_CSV = _Format(_read_csv, _write_csv)
_FORMATS = {".json": _Format(_read_json, _write_json)}


def _write(file: StyleFile) -> None:
    """What was there stays as `.bak`. A link's target is written, not the link."""
    path = file.path.resolve()
    try:
        data = _FORMATS.get(path.suffix.lower(), _CSV).write(file).encode("utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, data) as written:
            if path.exists():
                shutil.copymode(path, written)
                shutil.copy2(path, path.with_name(path.name + ".bak"))
            else:
                written.chmod(0o644)
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SaveFailed(f"The styles could not be saved in {file.path}: {reason}.") from error


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
