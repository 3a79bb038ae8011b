"""What an extension's files say of it: read as text and by their syntax, nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from webui.core.params import suggest
from webui.plugins.hooks import HOOKS
from webui.plugins.installing.unpacking import OWN, walk
from webui.plugins.manifest import LoadProblem, Manifest, read_manifest

_PARTS = ("plugin.py", "engine.py")
_LONGEST = 2 * 2**20  # bytes of a module that is read
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))}
_NAME_LONGEST = 64


@dataclass(frozen=True)
class Contents:
    """Args:
    files: path below the folder and size in bytes, in order.
    hooks: those that it implements, sorted.
    problems: why it could not be loaded, in sentences; with one it is not installed.
    """

    manifest: Manifest | None
    files: tuple[tuple[str, int], ...]
    hooks: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.files)


def read_contents(tree: Path) -> Contents:
    """Look at an extension's folder."""
    files = tuple(
        (place.as_posix(), path.lstat().st_size) for path in walk(tree) if (place := path.relative_to(tree)).parts[0] not in OWN
    )
    manifest, problems = _manifest(tree)
    hooks: set[str] = set()
    for part in _PARTS:
        if (tree / part).is_file():
            found, wrong = _hooks(tree / part)
            hooks |= found
            problems += wrong
    if manifest and not (tree / "plugin.py").is_file():
        problems.append("It has no plugin.py.")
    return Contents(manifest, files, tuple(sorted(hooks)), tuple(problems))


def _manifest(tree: Path) -> tuple[Manifest | None, list[str]]:
    try:
        manifest = read_manifest(tree)
    except LoadProblem as error:
        a1111 = not (tree / "extension.toml").exists() and any(
            (tree / name).exists() for name in ("scripts", "install.py", "javascript")
        )
        told = "It seems to be an extension for A1111's web UI, and those do not run here." if a1111 else ""
        return None, [f"{error} {told}".strip()]
    if manifest.name in _RESERVED or len(manifest.name) > _NAME_LONGEST:
        return None, [f"Its name, “{manifest.name:.80}”, cannot be a folder's everywhere; it needs another."]
    return manifest, []


def _hooks(file: Path) -> tuple[set[str], list[str]]:
    """The functions that are marked as hooks, and what is wrong with them or the file."""
    if file.stat().st_size > _LONGEST:
        return set(), [f"{file.name} is larger than {_LONGEST >> 20} MB."]
    try:
        module = ast.parse(file.read_bytes(), file.name)
    except SyntaxError as error:
        return set(), [f"{file.name}, line {error.lineno}: {error.msg}."]
    except (ValueError, RecursionError, MemoryError) as error:
        return set(), [f"{file.name} is no Python that can be read: {error or type(error).__name__}."]
    marked = {node.name for node in module.body if isinstance(node, ast.FunctionDef) and any(map(_is_mark, node.decorator_list))}
    unknown = sorted(marked - HOOKS.keys())
    told = [f"{file.name}: there is no hook “{name:.80}”. {suggest(name, tuple(HOOKS))}".strip() for name in unknown]
    return marked & HOOKS.keys(), told


def _is_mark(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")) == "hookimpl"


def engine_part(tree: Path) -> tuple[set[str], str]:
    """Of the part that another process loads, as far as its syntax tells: its hooks, and what is wrong with it."""
    hooks, problems = _hooks(tree / "engine.py") if (tree / "engine.py").is_file() else (set(), [])
    return hooks, " ".join(problems)
