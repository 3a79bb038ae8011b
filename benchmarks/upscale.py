"""A model upscaler beside a bare loop over the same tiles with spandrel: time, and the seams between tiles.

    python -m benchmarks.upscale [--side 48] [--tile 32] [--filters 64] [--blocks 23] [--seams] [--device cpu]

An ESRGAN, by default of true size (64 filters, 23 blocks, four times), with random weights. Without `--seams` both sides work on
the same picture in as many tiles of the same size, ours with blending, progress and conversion to bytes; the ratio is of the
processor's seconds on the CPU, of the clock elsewhere, the best of `--times` in turn. With `--seams` a picture in tiles is
compared with the same in one piece.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.server import report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("side", 48), ("tile", 32), ("filters", 64), ("blocks", 23), ("times", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seams", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        upscalers = made(Path(folder), options)
        (seams if options.seams else times)(upscalers, options)


def made(folder: Path, options: argparse.Namespace) -> Any:
    import torch

    from tests.upscaling.models import write_upscaler
    from webui.checkpoints.memory import Device
    from webui.generation.devices import is_out_of_memory
    from webui.upscaling.enlarging import Upscalers
    from webui.upscaling.files import UpscalerFiles

    torch.set_num_threads(1)
    write_upscaler(folder / "4x.safetensors", filters=options.filters, blocks=options.blocks, scale=4)
    return Upscalers(UpscalerFiles([folder]), Device(torch.device(options.device)), is_out_of_memory)


def picture(side: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def times(upscalers: Any, options: argparse.Namespace) -> None:
    from webui.upscaling.enlarging import TileOptions

    given, tile = picture(options.side), TileOptions(options.tile)
    size = (options.side * 4, options.side * 4)
    upscalers.enlarge(given[:8, :8], "4x", (32, 32), tile)  # read the file, and warm up
    ours = bare = float("inf")
    for _ in range(options.times):
        ours = min(ours, taken(lambda: upscalers.enlarge(given, "4x", size, tile), options.device))
        bare = min(bare, taken(lambda: bare_loop(upscalers, given, options), options.device))
    settings = {"side": options.side, "tile": options.tile, "filters": options.filters, "blocks": options.blocks}
    report("upscale", ours=round(ours, 3), bare=round(bare, 3), ratio=round(ours / bare, 3), **settings)


def bare_loop(upscalers: Any, given: Any, options: argparse.Namespace) -> None:
    """What one would write by hand: each tile through spandrel's descriptor, pasted into the result."""
    import torch

    from webui.upscaling.tiles import cut

    descriptor = next(iter(upscalers._models.values()))[1].descriptor
    whole = torch.from_numpy(given).permute(2, 0, 1)[None].to(descriptor.device, descriptor.dtype) / 255
    made = torch.empty(1, 3, options.side * 4, options.side * 4)
    spans = cut(options.side, options.tile, 8).spans
    with torch.inference_mode():
        for row in spans:
            for column in spans:
                part = descriptor(whole[..., row.begin : row.end, column.begin : column.end])
                made[..., row.begin * 4 : row.end * 4, column.begin * 4 : column.end * 4] = part.float().cpu()


def taken(work: Any, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    begun = clock()
    work()
    return clock() - begun


def seams(upscalers: Any, options: argparse.Namespace) -> None:
    import numpy as np

    from webui.upscaling.enlarging import TileOptions

    given, size = picture(options.side), (options.side * 4, options.side * 4)
    whole, tiled = (upscalers.enlarge(given, "4x", size, TileOptions(tile)).astype(int) for tile in (0, options.tile))
    report("upscale_seams", most=int(np.abs(whole - tiled).max()), of=255, side=options.side, tile=options.tile)


if __name__ == "__main__":
    main()
