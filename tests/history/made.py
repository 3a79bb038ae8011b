"""Pictures with settings, as other programs might have put them into the folders."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, PngImagePlugin

NOON = 1_760_000_000


def infotext(prompt: str, *, seed: int = 1, model: str = "starter", steps: int = 20, more: str = "") -> str:
    settings = f"Steps: {steps}, Sampler: Euler a, CFG scale: 7.0, Seed: {seed}, Size: 512x512, Model: {model}{more}"
    return f"{prompt}\nNegative prompt: blurry\n{settings}"


def make_picture(path: Path, text: str = "", *, time: float = NOON, size: tuple[int, int] = (16, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    if text:
        info.add_text("parameters", text)
    Image.new("RGB", size, "navy").save(path, pnginfo=info)
    os.utime(path, (time, time))
    return path
