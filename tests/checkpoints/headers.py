"""Headers without files: of the true architectures, and of single tensors."""

from __future__ import annotations

import math

from benchmarks.make_random_checkpoint import ARCHS, key_table
from webui.checkpoints.families import FIRST_CONV
from webui.checkpoints.header import Header, TensorEntry

#: What the true-size files of each family are called in `ARCHS`.
TRUE_SIZES = ("sd15", "sd21", "sdxl", "sdxl-refiner")


def header_of(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Header:
    tensors = {name: TensorEntry("F16", shape, 2 * math.prod(shape)) for name, shape in shapes.items()}
    return Header(tensors, metadata or {})


def header_of_architecture(name: str, channels: int = 4) -> Header:
    """As a file in circulation has it; 9 or 8 input channels make it one for inpainting or for instructions."""
    shapes = {key: shape for key, (shape, _) in key_table(ARCHS[name]).rows.items()}
    width, _, *kernel = shapes[FIRST_CONV]
    return header_of({**shapes, FIRST_CONV: (width, channels, *kernel)})
