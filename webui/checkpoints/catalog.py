"""Which checkpoints and VAEs there are, and which one a name means. Standard library only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from webui.checkpoints.hashes import HashCache
from webui.checkpoints.scan import (
    SUFFIXES,
    CheckpointInfo,
    VaeInfo,
    inspect_checkpoint,
    inspect_vae,
    is_vae_name,
    model_files,
    natural_key,
)
from webui.core.params import suggest
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.errors import CheckpointNotFound, UnsupportedCheckpoint
from webui.settings import BUNDLED_MODELS

__all__ = ["Catalog", "CheckpointInfo", "VaeInfo", "suited_values"]

#: The checkpoint that comes with the program: the default only where there is no other.
BUNDLED_CHECKPOINT = BUNDLED_MODELS / "Stable-diffusion" / "starter.safetensors"

Info = TypeVar("Info", CheckpointInfo, VaeInfo)


def suited_values(info: CheckpointInfo) -> dict[str, Any]:
    """What a form starts with under this checkpoint: the file's own defaults, else its family's size."""
    size = {"width": info.width, "height": info.height} if info.width and info.height else {}
    return {**size, **info.defaults}


class Catalog:
    """The files of some folders, as of the last `refresh`; the first look refreshes by itself.

    Thread-safe. Front and engine each have their own.
    """

    def __init__(
        self,
        checkpoint_dirs: Iterable[Path],
        vae_dirs: Iterable[Path],
        cache_file: Path | None = None,
        bundled: Path = BUNDLED_CHECKPOINT,
        preferred_vae: Callable[[Path], str] = lambda checkpoint: "",
    ) -> None:
        """`preferred_vae` tells which VAE a person noted for a checkpoint's file; "" for none."""
        self._checkpoint_dirs = tuple(checkpoint_dirs)
        self._vae_dirs = tuple(vae_dirs)
        self._bundled, self._preferred_vae = bundled, preferred_vae
        self._hashes = HashCache(cache_file)
        self._lock = threading.RLock()
        self._checkpoints: list[CheckpointInfo] | None = None
        self._vaes: list[VaeInfo] = []
        self._inspected: dict[object, CheckpointInfo | VaeInfo] = {}
        self._stamps: dict[Path, object] = {}

    def refresh(self) -> None:
        """Look at the folders again; a file that has not changed is not opened."""
        with self._lock:
            before, self._inspected, self._stamps = self._inspected, {}, {}
            checkpoints: dict[str, CheckpointInfo] = {}
            vaes: dict[str, VaeInfo] = {}
            for folder, path in self._walk(self._checkpoint_dirs):
                if is_vae_name(path):
                    self._add(vaes, folder, path, before, inspect_vae)
                else:
                    self._add(checkpoints, folder, path, before, inspect_checkpoint)
            for folder, path in self._walk(self._vae_dirs):
                if not path.is_dir():
                    self._add(vaes, folder, path, before, inspect_vae)
            self._checkpoints = sorted(map(self._marked, checkpoints.values()), key=lambda info: natural_key(info.name))
            self._vaes = sorted(vaes.values(), key=lambda info: natural_key(info.name))

    def checkpoints(self) -> list[CheckpointInfo]:
        """All of them in natural order; those with a `problem` cannot be used."""
        with self._lock:
            if self._checkpoints is None:
                self.refresh()
            return list(self._checkpoints or ())

    def vaes(self) -> list[VaeInfo]:
        with self._lock:
            self.checkpoints()
            return list(self._vaes)

    def default_checkpoint(self) -> CheckpointInfo | None:
        """The first that can be used and is not the bundled one; else the bundled one; None where there is none."""
        usable = [info for info in self.checkpoints() if info.problem is None]
        return min(usable, key=lambda info: info.bundled, default=None)

    def find_checkpoint(self, text: str) -> CheckpointInfo:
        """The checkpoint that a name, file name, title or hash means, in any case; else the shortest title that holds the text.

        Raises:
            CheckpointNotFound: none, even after another look at the folders; names the nearest.
            UnsupportedCheckpoint: it is there, but cannot be used.
        """
        found = self._look_up(text, self.checkpoints)
        if found is None:
            names = tuple(info.name for info in self.checkpoints())
            raise CheckpointNotFound("checkpoint", f"There is no checkpoint “{text:.200}”. {suggest(text, names)}")
        return _usable(found)

    def find_vae(self, text: str) -> VaeInfo:
        """As `find_checkpoint`, for a VAE file; not for "Automatic" and "None", which name no file."""
        found = self._look_up(text, self.vaes)
        if found is None:
            names = tuple(info.name for info in self.vaes())
            raise CheckpointNotFound("vae", f"There is no VAE “{text:.200}”. {suggest(text, names)}")
        return _usable(found)

    def resolve_vae(self, checkpoint: CheckpointInfo, requested: str) -> str:
        """The VAE that a request means: a file's name, or "None" for the one in the checkpoint.

        "Automatic" is the one noted for the checkpoint, if it is there; else the first VAE file whose name starts with the
        checkpoint's; else the one in the checkpoint.
        """
        if requested.lower() in (VAE_BUILT_IN.lower(), ""):
            return VAE_BUILT_IN
        if requested.lower() != VAE_AUTOMATIC.lower():
            return self.find_vae(requested).name
        if noted := self._noted_vae(checkpoint):
            return noted
        stem = Path(checkpoint.name).name.casefold()
        for info in self.vaes():
            if info.problem is None and Path(info.name).name.casefold().startswith(stem):
                return info.name
        return VAE_BUILT_IN

    def _noted_vae(self, checkpoint: CheckpointInfo) -> str | None:
        """None where none is noted, or no usable file is called exactly so."""
        noted = self._preferred_vae(checkpoint.path).strip()
        if noted == VAE_BUILT_IN:
            return VAE_BUILT_IN
        found = None if noted == VAE_AUTOMATIC else self._called(noted, self.vaes())
        return found.name if found and found.problem is None else None

    @property
    def hashes(self) -> HashCache:
        """The hashes of model files of any kind."""
        return self._hashes

    def sha256(self, info: CheckpointInfo | VaeInfo) -> str | None:
        """None while it is not known; `hash_later` has it worked out."""
        return self._hashes.get(info.path)

    def hash_later(self, info: CheckpointInfo | VaeInfo) -> None:
        self._hashes.later(info.path)

    def title(self, info: CheckpointInfo | VaeInfo) -> str:
        """As A1111 shows it: the file's name and, once known, the first ten digits of its hash in brackets."""
        digest = self.sha256(info)
        suffix = "" if info.path.is_dir() or info.name.endswith(info.path.suffix) else info.path.suffix
        return info.name + suffix + (f" [{digest[:10]}]" if digest else "")

    def _walk(self, folders: Sequence[Path]) -> Iterable[tuple[Path, Path]]:
        seen: set[Path] = set()
        for folder in folders:
            for path in model_files(folder):
                if path not in seen:  # one folder may lie in another
                    seen.add(path)
                    yield folder, path

    def _add(
        self,
        into: dict[str, Info],
        folder: Path,
        path: Path,
        before: dict[object, CheckpointInfo | VaeInfo],
        inspect: Callable[[Path, str], Info],
    ) -> None:
        name = free_name(folder, path, into)
        stamp = self._stamps[path] = _changed(path)
        # A folder's files may change without the folder: it is looked at each time.
        key = (inspect, path, name, stamp)
        info = (None if path.is_dir() else before.get(key)) or inspect(path, name)
        self._inspected[key] = info
        into[name.casefold()] = info  # pyright: ignore[reportArgumentType]

    def _marked(self, info: CheckpointInfo) -> CheckpointInfo:
        try:
            return replace(info, bundled=info.path.samefile(self._bundled))
        except OSError:
            return info

    def _look_up(self, text: str, entries: Callable[[], list[Info]]) -> Info | None:
        found = self._match(text, entries())
        if found is None or _changed(found.path) != self._stamps.get(found.path):  # it came or was replaced since the last look
            self.refresh()
            found = self._match(text, entries())
        return found

    def _match(self, text: str, entries: Sequence[Info]) -> Info | None:
        wanted = text.strip().casefold()
        if not wanted:
            return None
        if found := self._called(wanted, entries):
            return found
        for part in (wanted, wanted.partition(" [")[0]):
            holding = [info for info in entries if part in self.title(info).casefold()]
            if holding:
                return min(holding, key=lambda info: len(self.title(info)))
        return None

    def _called(self, text: str, entries: Sequence[Info]) -> Info | None:
        """The one that has the whole text for a name."""
        wanted = text.casefold()
        aliases = [(info, self._aliases(info)) for info in entries]
        # A full name goes before another's stem, so "sub/a" never means "a".
        for rank in range(max((len(names) for _, names in aliases), default=0)):
            for info, names in aliases:
                if rank < len(names) and names[rank] == wanted:
                    return info
        return None

    def _aliases(self, info: Info) -> list[str]:
        path, digest = Path(info.name), self.sha256(info)
        names = [
            info.name,
            self.title(info),
            info.name + info.path.suffix,
            info.path.name,
            path.name,
            info.name.replace("/", "_"),
        ]
        if digest:
            names += [digest, digest[:10], f"{path.name} [{digest[:10]}]", f"{info.path.name} [{digest[:10]}]"]
        return [name.casefold() for name in names]


def _usable(info: Info) -> Info:
    if info.problem is not None:
        raise UnsupportedCheckpoint(f"{info.path.name} {info.problem}.")
    return info


def free_name(folder: Path, path: Path, taken: Collection[str]) -> str:
    """Path below the folder without suffix; with it, or with the folder's name too, where another file has that name."""
    relative = path.relative_to(folder)
    plain = relative.with_suffix("") if relative.suffix.lower() in SUFFIXES else relative
    for candidate in (plain.as_posix(), relative.as_posix(), f"{folder.name}/{relative.as_posix()}"):
        if candidate.casefold() not in taken:
            return candidate
    return path.as_posix()


def _changed(path: Path) -> object:
    """Another for a file that was replaced, or whose `.yaml` was."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, _written(path.with_suffix(".yaml"))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
