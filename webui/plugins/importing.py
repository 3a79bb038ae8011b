"""Extensions' modules: imported under names of their own, and not for longer than a limit."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType

from webui.plugins.manifest import LoadProblem

#: Extensions are packages below this one, so that they neither meet each other nor anything installed.
PACKAGE = "periplus_extensions"

#: In an extension's folder: the packages that were installed for it alone.
PACKAGES = ".packages"


class _TimeIsUp(BaseException):
    """Raised inside an import that takes too long."""


def package_of(name: str) -> str:
    return f"{PACKAGE}.{name.replace('-', '_')}"


def import_part(name: str, folder: Path, part: str, seconds: float) -> ModuleType:
    """Import `part`.py of an extension.

    Raises:
        LoadProblem: it raised, or was not done in that time.
    """
    _make_package(PACKAGE, [])
    _make_package(package_of(name), [str(folder)])
    found: list[ModuleType | BaseException] = []

    def work() -> None:
        try:
            found.append(importlib.import_module(f"{package_of(name)}.{part}"))
        except BaseException as error:  # SystemExit too: no extension ends the program
            found.append(error)

    # A thread, because an endless loop cannot be left otherwise: a process to try it in would cost each start a second.
    thread = threading.Thread(target=work, daemon=True, name=f"import-{name}")
    thread.start()
    thread.join(seconds)
    if not found:
        _interrupt(thread)
        raise LoadProblem(f"{part}.py was not loaded within {seconds:g} seconds; it must only define things.")
    if isinstance(found[0], BaseException):
        raise LoadProblem(_told(found[0], folder / f"{part}.py")) from found[0]
    return found[0]


def open_packages(folder: Path) -> None:
    """Let what was installed for an extension be found, after all that was there before."""
    path = str(folder / PACKAGES)
    if path not in sys.path and (folder / PACKAGES).is_dir():
        sys.path.append(path)
        importlib.invalidate_caches()


def forget(name: str, folder: Path) -> None:
    """Let the next import read the files anew, and find its packages no more."""
    package, packages = package_of(name), str(folder / PACKAGES)
    if packages in sys.path:
        sys.path.remove(packages)
        _forget_below(packages)
    for module in [module for module in sys.modules if module == package or module.startswith(package + ".")]:
        del sys.modules[module]
    # A file that was changed within the second has the time that its compiled form names.
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    importlib.invalidate_caches()


def _forget_below(path: str) -> None:
    inside = path + os.sep
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(inside):
            del sys.modules[name]


def _make_package(name: str, path: list[str]) -> None:
    if name not in sys.modules:
        module = ModuleType(name)
        module.__path__ = path
        sys.modules[name] = module


def _interrupt(thread: threading.Thread) -> None:
    """Python code ends at its next instruction; a call into the system that never returns is left alone."""
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(_TimeIsUp))
    thread.join(1)


def _told(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError):
        where = Path(error.filename or file).name
        return f"{where}, line {error.lineno}: {error.msg}."
    if isinstance(error, ModuleNotFoundError):
        return f"{file.name} needs the module {error.name}, which is not installed. Name its package in extension.toml."
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    where = f"{file.name}, line {lines[-1]}" if lines else file.name
    return f"{where}: {type(error).__name__}: {error}."
