"""What it takes to say of a checkpoint of true size what it is, from its header alone.

    python -m benchmarks.detection

The files have true headers and no numbers: they take no room on disk. The peer is `json.loads` of the same header.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.make_random_checkpoint import ARCHS, key_table
from benchmarks.server import report
from webui.checkpoints.scan import inspect_checkpoint

TRUE_SIZES = ("sd15", "sd21", "sdxl", "sdxl-refiner")


def write_hollow_file(path: Path, architecture: str) -> Path:
    entries, offset = {}, 0
    for name, (shape, _) in key_table(ARCHS[architecture]).rows.items():
        size = 2
        for side in shape:
            size *= side
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + offset)
    return path


def parse_alone(path: Path) -> object:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        for architecture in TRUE_SIZES:
            path = write_hollow_file(Path(folder) / f"{architecture}.safetensors", architecture)
            ours = [seconds(lambda path=path: inspect_checkpoint(path, path.stem)) for _ in range(repeats)]
            bare = [seconds(lambda path=path: parse_alone(path)) for _ in range(repeats)]
            report("detection", model=architecture, gigabytes=round(path.stat().st_size / 1e9, 2), ms=round(1000 * min(ours), 1),
                   worst_ms=round(1000 * max(ours), 1), json_alone_ms=round(1000 * min(bare), 1))  # fmt: skip


if __name__ == "__main__":
    main()
