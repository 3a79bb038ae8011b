"""Things and toy sizes for the tests of the starter model's training program: no font, no network, seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from tools.starter_model import diffusion, modules
from tools.starter_model.company import Company
from tools.starter_model.making import Lesson, Profile, Run
from tools.starter_model.pictures import SIZE, Picture, PictureSet, draw_shapes, join, paint_things
from tools.starter_model.training import Machine, Pace, Position, Recipe, Stage, Trainer
from tools.starter_model.vae import Batches

CPU = torch.device("cpu")
TINY_VAE = {"widths": (8, 8, 8, 8), "groups": 1}
TINY_UNET = {"widths": (8, 16), "groups": 1, "heads": 2, "context": 16}
TINY_TEXT = {"width": 16, "layers": 1, "heads": 2}


class Fellow(Company):
    """One of several processes, the others of which say nothing."""

    def meets(self, step: int) -> bool:
        return True

    def told_by_leader(self, *numbers: float) -> list[float]:
        return list(numbers)

    def average(self, tensors: Sequence[Tensor]) -> None:
        pass


class Line:
    """Learns a line from noisy points; stops itself where told."""

    def __init__(self, folder: Path, pace: Pace, machine: Machine | None = None, stop_at: int | None = None):
        torch.manual_seed(0)
        self.module = nn.Linear(3, 1)
        stage = Stage(folder, pace, machine or Machine(CPU), 5)
        self.trainer = Trainer("line", stage, Recipe(rate=0.01, warmup=2), {"line": self.module})
        self.stop_at = stop_at

    def loss(self, position: Position) -> tuple[Tensor, dict[str, float]]:
        if position.step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        points = torch.randn(8, 3, generator=self.trainer.generator)
        noise = torch.randn(8, 1, generator=self.trainer.noise)
        loss = (self.module(points) - points.sum(1, keepdim=True) - 0.1 * noise).square().mean()
        return loss, {"loss": loss.item()}

    def run(self) -> bool:
        return self.trainer.run(self.loss)


def things() -> PictureSet:
    """A red barn and a green leaf, each with a gray door or stalk that takes no paint."""
    return PictureSet(
        (Picture("barn", ("shed",), "thing", "red", "barn"), Picture("leaf", (), "thing", "green", "leaf")),
        np.stack([_thing((200, 40, 30), (30, 40, 98, 110)), _thing((40, 160, 60), (20, 60, 108, 90))]),
    )


def few_shapes() -> PictureSet:
    shapes = draw_shapes()
    wanted = ("red circle", "blue circle", "red square", "white star")
    return shapes.take([i for i, p in enumerate(shapes.pictures) if p.name in wanted])


def lesson() -> Lesson:
    pictures = join(few_shapes(), things(), paint_things(things()))
    return Lesson.of(pictures, pictures)


def toy_run(folder: Path, steps: int = 3, seed: int = 0) -> Run:
    profile = Profile((0, 0, 0, 0), Batches(2, 1), 4, 4, 1e-3, 0.9, live=False)
    paces = {stage: Pace(steps=steps) for stage in ("vae", "text", "pictures", "decoder")}
    return Run(folder, paces, profile, Machine(CPU, company=Company()), seed)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the three networks of the program tiny, and its sheets small."""
    monkeypatch.setattr(diffusion, "SHEET_PROMPTS", ("red circle", "barn"))
    monkeypatch.setattr(modules, "VAE_SIZES", TINY_VAE)
    monkeypatch.setattr(modules, "UNET_SIZES", TINY_UNET)
    monkeypatch.setattr(modules, "TEXT_SIZES", TINY_TEXT)


def _thing(paint: tuple[int, int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    image = Image.new("RGBA", (SIZE, SIZE))
    draw = ImageDraw.Draw(image)
    draw.rectangle(box, fill=(*paint, 255))
    draw.rectangle((56, 70, 72, 100), fill=(128, 128, 128, 255))
    return np.asarray(image)
