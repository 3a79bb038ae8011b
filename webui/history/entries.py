"""One picture of the history: what is known of a file, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webui.core import infotext
from webui.storage.metadata import read_infotext

KINDS = ("txt2img", "img2img", "extras", "grid", "other")

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")

#: Of a prompt as much as a list needs.
EXCERPT = 200


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says. `kind` is one of KINDS."""

    width: int
    height: int
    infotext: str
    prompt: str
    model: str
    seed: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A picture as lists have it. `made` is the file's time, `stamp` changes with its content."""

    id: int
    path: Path
    size: int
    stamp: int
    width: int
    height: int
    kind: str
    model: str
    seed: str
    prompt: str
    favourite: bool

    @property
    def made(self) -> float:
        return self.stamp / 1e9


def read_facts(path: Path, outputs: Path) -> Facts:
    """Raise UnreadableImage if it is no picture (or not whole yet)."""
    picture = read_infotext(path, path.name)
    text = picture.infotext or ""
    parsed = infotext.parse(text)
    return Facts(
        width=picture.width,
        height=picture.height,
        infotext=text,
        prompt=parsed.prompt[:EXCERPT],
        model=parsed.settings.get("Model", ""),
        seed=parsed.settings.get("Seed", ""),
        kind=_kind_of(path, outputs, parsed, text),
    )


def _kind_of(path: Path, outputs: Path, parsed: infotext.Infotext, text: str) -> str:
    """By the folder that the program puts it into, else by what its settings tell."""
    folder = path.relative_to(outputs).parts[0] if path.is_relative_to(outputs) else ""
    if "grid" in folder or path.name.startswith(("xyz_grid", "grid-")):
        return "grid"
    for kind in ("txt2img", "img2img", "extras"):
        if folder.startswith(kind):
            return kind
    if not text:
        return "other"
    if any(key.startswith("Postprocess") for key in parsed.settings):
        return "extras"
    second_pass = any(key.startswith("Hires") for key in parsed.settings)
    return "img2img" if "Denoising strength" in parsed.settings and not second_pass else "txt2img"


def is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
