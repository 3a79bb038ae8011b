"""Where models of each kind lie, here and in the folders of other programs. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from webui.errors import InvalidRequest, WebUIError
from webui.settings import Settings

Kind = Literal["checkpoint", "vae", "lora", "embedding", "hypernetwork", "upscaler"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Folders = dict[Kind, list[Path]]

_A1111: Mapping[Kind, tuple[str, ...]] = {
    "checkpoint": ("models/Stable-diffusion",),
    "vae": ("models/VAE",),
    "lora": ("models/Lora", "models/LyCORIS"),
    "embedding": ("embeddings",),
    "hypernetwork": ("models/hypernetworks",),
    "upscaler": ("models/ESRGAN", "models/RealESRGAN", "models/SwinIR", "models/ScuNET", "models/DAT", "models/HAT"),
}
_COMFYUI: Mapping[Kind, str] = {
    "checkpoint": "checkpoints",
    "vae": "vae",
    "lora": "loras",
    "embedding": "embeddings",
    "hypernetwork": "hypernetworks",
    "upscaler": "upscale_models",
}


def check_kind(kind: str) -> Kind:
    """Raise InvalidRequest for what is no kind of model."""
    for known in KINDS:
        if kind == known:
            return known
    raise InvalidRequest("kind", f"“{kind:.40}” is no kind of model; {', '.join(KINDS)} are.")


def folders_of(settings: Settings, kind: Kind) -> tuple[Path, ...]:
    """All folders that are looked through for models of a kind; the first is where new ones are put."""
    match kind:
        case "checkpoint":
            return settings.all_checkpoint_dirs
        case "vae":
            return settings.all_vae_dirs
        case "lora":
            return settings.all_lora_dirs
        case "embedding":
            return settings.all_embedding_dirs
        case "hypernetwork":
            return settings.all_hypernetwork_dirs
        case "upscaler":
            return settings.all_upscaler_dirs


# ---- other programs


def a1111_folders(home: Path) -> Folders:
    """The model folders of an installation of AUTOMATIC1111's web UI or Forge. Raise WebUIError if it is none."""
    if not (home / "models" / "Stable-diffusion").is_dir():
        raise WebUIError(
            f"{home.absolute()} is no folder of A1111's web UI or Forge: it has no models/Stable-diffusion. "
            "Give the folder in which its webui.py lies to --a1111-home."
        )
    return {kind: _existing(home / name for name in names) for kind, names in _A1111.items()}


def comfyui_folders(home: Path) -> Folders:
    """The model folders of ComfyUI, those in its extra_model_paths.yaml included. Raise WebUIError if it is not there."""
    if (home / "ComfyUI" / "models").is_dir():  # the portable build has a folder around it
        home = home / "ComfyUI"
    if not (home / "models" / "checkpoints").is_dir():
        raise WebUIError(
            f"{home.absolute()} is no folder of ComfyUI: it has no models/checkpoints. "
            "Give the folder in which its main.py lies to --comfyui-home."
        )
    extra = _extra_paths(home)
    return {kind: _existing([home / "models" / name, *extra.get(name, [])]) for kind, name in _COMFYUI.items()}


def joined(parts: Iterable[Folders]) -> Folders:
    """All folders of several programs, by kind."""
    together: Folders = {kind: [] for kind in KINDS}
    for folders in parts:
        for kind, paths in folders.items():
            together[kind] += [path for path in paths if path not in together[kind]]
    return together


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path.absolute() for path in paths if path.is_dir()]


@dataclass
class _Section:
    base: str = ""
    paths: dict[str, list[str]] = field(default_factory=dict)


def _extra_paths(home: Path) -> dict[str, list[Path]]:
    """Folders by ComfyUI's name of the kind."""
    try:
        text = (home / "extra_model_paths.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, list[Path]] = {}
    for section in _sections(text):
        for name, paths in section.paths.items():
            found.setdefault(name, []).extend(home / Path(section.base).expanduser() / path for path in paths)
    return found


def _sections(text: str) -> list[_Section]:
    """The part of YAML that this file is written in: sections of `key: path`, and of `key: |` with a path a line below."""
    sections: list[_Section] = []
    key, depth = "", 0
    for line in text.splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        indent = len(line) - len(line.lstrip())
        if not bare:
            continue
        if indent == 0:
            sections.append(_Section())
            key = ""
        elif key and indent > depth:
            sections[-1].paths[key].append(bare.strip("\"'"))
        elif sections and (entry := re.fullmatch(r"(\w+):\s*(.*)", bare)):
            key, depth, value = entry[1], indent, entry[2].strip("\"'")
            if key == "base_path":
                sections[-1].base, key = value, ""
            else:
                sections[-1].paths[key] = [value] if value not in ("", "|", ">", "|-") else []
    return sections
