"""The Checkpoint Merger: what is asked for, the new file's name and metadata, and the task that makes it."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from webui.checkpoints.header import Header
from webui.checkpoints.pickled import PICKLED, read_any_header
from webui.errors import InvalidRequest, TaskFailed, UnsupportedCheckpoint
from webui.library import child
from webui.library.folders import Kind, folders_of
from webui.library.mix_plan import ADD_DIFFERENCE, METHODS, NO_INTERPOLATION, WEIGHTED_SUM, Recipe, plan, variant
from webui.library.names import check_name, safe_name
from webui.library.shelves import Listed, Shelves
from webui.library.tasks import Task, TaskBoard, TaskHandle
from webui.library.tensor_files import part_of
from webui.settings import Settings

CONFIG_SOURCES = ("A, B or C", "B", "C", "Don't")
SUFFIX = ".safetensors"
_CONFIG_LIMIT = 1_000_000  # bytes

#: They tell the hash of the old weights, which the merged model does not have.
_STALE = {"modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash"}


@dataclass(frozen=True)
class MergeRequest:
    """What A1111's Checkpoint Merger asks for.

    Args:
        primary, secondary, tertiary: names of checkpoints A, B and C.
        name: of the result, without suffix; "" for one that tells how it was made.
        multiplier: M, 0 to 1.
        method: one of METHODS.
        half: save float32 weights as float16.
        vae: the name of a VAE that replaces the built-in one.
        discard: a regular expression; weights whose names match it are left out.
        config_source: of which model the `<stem>.yaml` is copied, one of CONFIG_SOURCES.
        save_metadata, add_recipe, copy_metadata: what the file's header tells.
        metadata: added to it.
    """

    primary: str
    secondary: str | None = None
    tertiary: str | None = None
    name: str = ""
    multiplier: float = 0.3
    method: str = WEIGHTED_SUM
    half: bool = False
    vae: str | None = None
    discard: str = ""
    config_source: str = CONFIG_SOURCES[0]
    save_metadata: bool = True
    add_recipe: bool = True
    copy_metadata: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise InvalidRequest naming the field."""
        if self.method not in METHODS:
            raise InvalidRequest("method", f"“{self.method:.40}” is no method; {', '.join(METHODS)} are.")
        if self.config_source not in CONFIG_SOURCES:
            raise InvalidRequest("config_source", f"“{self.config_source:.40}” is none of {', '.join(CONFIG_SOURCES)}.")
        if not math.isfinite(self.multiplier) or not 0 <= self.multiplier <= 1:
            raise InvalidRequest("multiplier", f"The multiplier is {self.multiplier}; 0 to 1 is expected.")
        for needed, chosen, letter in ((1, self.secondary, "secondary"), (2, self.tertiary, "tertiary")):
            if _others_needed(self.method) >= needed and not chosen:
                raise InvalidRequest(letter, f"{self.method} needs a {letter} model.")
        try:
            re.compile(self.discard)
        except re.error as error:
            raise InvalidRequest("discard", f"“{self.discard:.80}” is no regular expression: {error}.") from error
        if self.name:
            check_name("name", self.name)


def _others_needed(method: str) -> int:
    return {NO_INTERPOLATION: 0, WEIGHTED_SUM: 1, ADD_DIFFERENCE: 2}[method]


@dataclass(frozen=True)
class _Models:
    """The files that take part, by "A", "B", "C" and "VAE", and their headers."""

    listed: dict[str, Listed]
    headers: dict[str, Header]


class Merger:
    """Starts merges; `hash_now` gives the hashes of models, worked out where need be."""

    def __init__(
        self, settings: Settings, shelves: Shelves, tasks: TaskBoard, hash_now: Callable[[list[Listed], TaskHandle], list[str]]
    ) -> None:
        self._folder = folders_of(settings, "checkpoint")[0]
        self._shelves, self._tasks, self._hash_now = shelves, tasks, hash_now

    def start(self, request: MergeRequest) -> Task:
        """Raise InvalidRequest, ModelNotFound, UnsupportedCheckpoint for what can be told at once."""
        models = self._models(request)
        target = self._target(request, models)
        return self._tasks.start("merge", f"Merge {target.stem}", lambda handle: self._work(request, models, target, handle))

    def foresee(self, request: MergeRequest) -> tuple[Path, int]:
        """The file that a merge would make and its weights' size in bytes. Raise as `start`, TaskFailed for what does not fit."""
        models = self._models(request)
        steps = plan(models.headers, _recipe_of(request))
        return self._target(request, models), sum(step.made.size for step in steps.values())

    def _models(self, request: MergeRequest) -> _Models:
        """Those that the method uses; others are chosen in vain and passed over, as in A1111."""
        names = [request.primary, request.secondary, request.tertiary][: 1 + _others_needed(request.method)]
        listed = {letter: self._find("checkpoint", name or "") for letter, name in zip("ABC", names, strict=False)}
        if request.vae and request.vae != "None":
            listed["VAE"] = self._find("vae", request.vae)
        return _Models(listed, {letter: _header(model.path) for letter, model in listed.items()})

    def _find(self, kind: Kind, name: str) -> Listed:
        model = self._shelves.find(kind, name)
        if model.path.is_dir() or model.path.suffix.lower() not in (SUFFIX, *PICKLED):
            raise UnsupportedCheckpoint(
                f"{model.path.name} is a diffusers folder. Only single files ({SUFFIX}, .ckpt, .pt) can be merged."
            )
        return model

    def _target(self, request: MergeRequest, models: _Models) -> Path:
        ending = variant(models.headers["A"], models.headers.get("B"))
        if request.name:
            path = self._folder / f"{request.name.strip()}{ending}{SUFFIX}"
            if path.exists():
                raise InvalidRequest("name", f"{path.name} is there already; nothing is replaced. Choose another name.")
            return path
        stem = safe_name(automatic_name(request).replace("/", "_"))
        return _free(self._folder, stem + ending)

    def _work(self, request: MergeRequest, models: _Models, target: Path, handle: TaskHandle) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _check_room(self._folder, models.listed["A"].size)
        except OSError as error:
            raise TaskFailed(f"{self._folder}: {error.strerror or error}.") from error
        job = {
            "files": {letter: str(model.path) for letter, model in models.listed.items()},
            "target": str(target),
            "rubbish": str(part_of(target)),
            "recipe": asdict(_recipe_of(request)),
            "metadata": self._metadata(request, models, handle),
        }
        handle.begin("Starting")
        child.run("webui.library.mix", job, handle, part_of(target))
        _copy_config(request, models, target)
        self._shelves.refresh()
        return next((model.name for model in self._shelves.all("checkpoint") if model.path == target), target.stem)

    def _metadata(self, request: MergeRequest, models: _Models, handle: TaskHandle) -> dict[str, str]:
        if not request.save_metadata:
            return {}
        metadata: dict[str, str] = {}
        if request.copy_metadata:
            for letter in "CBA":  # what the primary says goes before the others
                metadata |= models.headers[letter].metadata if letter in models.headers else {}
        metadata = {key: value for key, value in metadata.items() if key not in _STALE}
        metadata |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in request.metadata.items()}
        metadata["format"] = "pt"
        if request.add_recipe:
            metadata |= self._recipe(request, models, handle)
        return metadata

    def _recipe(self, request: MergeRequest, models: _Models, handle: TaskHandle) -> dict[str, str]:
        """The keys with which A1111 tells how a model was merged."""
        letters = [letter for letter in "ABC" if letter in models.listed]
        hashes = dict(zip(letters, self._hash_now([models.listed[letter] for letter in letters], handle), strict=True))
        ending = variant(models.headers["A"], models.headers.get("B"))
        recipe = {
            "type": "webui",
            "primary_model_hash": hashes["A"],
            "secondary_model_hash": hashes.get("B"),
            "tertiary_model_hash": hashes.get("C"),
            "interp_method": request.method,
            "multiplier": request.multiplier,
            "save_as_half": request.half,
            "custom_name": request.name,
            "config_source": CONFIG_SOURCES.index(request.config_source),
            "bake_in_vae": models.listed["VAE"].path.name if "VAE" in models.listed else "None",
            "discard_weights": request.discard,
            "is_inpainting": ending == ".inpainting",
            "is_instruct_pix2pix": ending == ".instruct-pix2pix",
        }
        merged: dict[str, object] = {}
        for letter in letters:
            model, told = models.listed[letter], models.headers[letter].metadata
            merged[hashes[letter]] = {
                "name": model.path.name,
                "legacy_hash": legacy_hash(model.path),
                "sd_merge_recipe": _json(told.get("sd_merge_recipe")),
            }
            earlier = _json(told.get("sd_merge_models"))
            merged |= earlier if isinstance(earlier, dict) else {}
        return {"sd_merge_recipe": json.dumps(recipe), "sd_merge_models": json.dumps(merged)}


def automatic_name(request: MergeRequest) -> str:
    """`0.7(A) + 0.3(B)`, `A + 0.3(B - C)`, or A's name."""
    if request.method == NO_INTERPOLATION:
        return request.primary
    share = round(request.multiplier, 2)
    if request.method == ADD_DIFFERENCE:
        return f"{request.primary} + {share}({request.secondary} - {request.tertiary})"
    return f"{round(1 - request.multiplier, 2)}({request.primary}) + {share}({request.secondary})"


def _recipe_of(request: MergeRequest) -> Recipe:
    return Recipe(request.method, request.multiplier, request.half, request.discard)


def legacy_hash(path: Path) -> str | None:
    """What A1111 called a model's hash before 2023: of 64 KiB at 1 MiB. None if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0x100000)
            return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]
    except OSError:
        return None


def _header(path: Path) -> Header:
    try:
        return read_any_header(path)
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"{path.name} {error}.") from error


def _json(text: str | None) -> object:
    """What a file's author wrote as JSON; None where it is none."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _free(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}{SUFFIX}", 2
    while path.exists():
        path, number = folder / f"{stem} ({number}){SUFFIX}", number + 1
    return path


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TaskFailed(f"The merged model needs about {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free.")


def _copy_config(request: MergeRequest, models: _Models, target: Path) -> None:
    """The `<stem>.yaml` that old models have beside them goes along; without one there is nothing to copy."""
    wanted: Mapping[str, str] = {"A, B or C": "ABC", "B": "B", "C": "C", "Don't": ""}
    for letter in wanted[request.config_source]:
        model = models.listed.get(letter)
        config = model.path.with_suffix(".yaml") if model else None
        if config and config.is_file() and config.stat().st_size <= _CONFIG_LIMIT:
            shutil.copyfile(config, target.with_suffix(".yaml"))
            return
