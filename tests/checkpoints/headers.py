"""Headers without files: of the true architectures, and of single tensors."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path

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


def write_hollow_file(path: Path, header: Header) -> Path:
    """A file with that header and of the size it promises, whose numbers take no room on disk."""
    entries: dict[str, object] = {"__metadata__": header.metadata}
    offset = 0
    for name, entry in header.tensors.items():
        entries[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [offset, offset + entry.size]}
        offset += entry.size
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + offset)
    return path
