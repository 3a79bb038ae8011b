"""How long a merge takes and how much memory: A + M(B − C) of three checkpoints of true size, by the program's own process.

    python -m benchmarks.merge [--model sd15] [--dtype fp16] [--peer]
    python -m benchmarks.merge --model sdxl --hollow

The peer of the same run (`--peer`) reads the three files into tables, merges these and saves the result, as programs do that
hold models whole; it needs memory for all of them. Beside both, a bare copy of one of the files: what the disk allows.
Random weights are written to a temporary folder, about four times a checkpoint's size. With `--hollow` the files have the
true names, shapes and sizes but only holes for weights: memory is told, and the time means little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import make_random_checkpoint
from benchmarks.server import ROOT, report
from webui.library.tensor_files import header_bytes, planned

MULTIPLIER = 0.5
BUDGET = 4e9  # bytes of memory, whatever the size of the models

PEER = """
import os, sys
from safetensors.torch import load_file, save_file
a, b, c, target = sys.argv[1:]
a, b, c = load_file(a), load_file(b), load_file(c)
for name in a:
    if "model" in name and a[name].is_floating_point():
        a[name] = a[name] + 0.5 * (b[name] - c[name])
save_file(a, target)
with open(target, "rb") as file:
    os.fsync(file.fileno())
"""


def measured(command: list[str], job: str = "") -> tuple[float, int]:
    """Seconds and peak resident memory (bytes) of a process that must succeed."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(job)
        process.stdin.flush()
        last = list(process.stdout)[-1:]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or (job and '"result"' not in last[0]):
        raise RuntimeError(f"{command} ended with {process.returncode}: {last}")
    return time.perf_counter() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def write_hollow(path: Path, model: str) -> None:
    """A float16 file of true shapes whose weights are a hole."""
    rows = make_random_checkpoint.key_table(make_random_checkpoint.ARCHS[model]).rows
    tensors = {name: planned("F16", tuple(shape)) for name, (shape, _) in rows.items()}
    header, total = header_bytes(list(tensors.items()), {}), sum(tensor.size for tensor in tensors.values())
    path.write_bytes(header)
    os.truncate(path, len(header) + total)


def copy_once(source: Path, target: Path) -> float:
    began = time.perf_counter()
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(1 << 22):
            write.write(block)
        write.flush()
        os.fsync(write.fileno())
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="sd15", choices=sorted(make_random_checkpoint.ARCHS))
    parser.add_argument("--dtype", default="fp16", choices=sorted(make_random_checkpoint.DTYPES))
    parser.add_argument("--peer", action="store_true", help="also merge with all models in memory")
    parser.add_argument("--hollow", action="store_true", help="files without weights, which take no room")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        files = {letter: Path(folder, f"{letter}.safetensors") for letter in "ABC"}
        if arguments.hollow:
            copying = [0.0]
            for path in files.values():
                write_hollow(path, arguments.model)
        else:
            make_random_checkpoint.main([arguments.model, str(files["A"]), "--dtype", arguments.dtype])
            copying = [copy_once(files["A"], files[letter]) for letter in "BC"]
        target = Path(folder, "made.safetensors")
        recipe = {"method": "Add difference", "multiplier": MULTIPLIER}
        job = {"files": {letter: str(path) for letter, path in files.items()}, "target": str(target), "recipe": recipe}
        job |= {"metadata": {"format": "pt"}, "rubbish": str(target) + ".writing"}
        seconds, peak = measured([sys.executable, "-m", "webui.library.mix"], json.dumps(job) + "\n")
        size, figure = files["A"].stat().st_size, f"merge of three {arguments.model} {arguments.dtype}"
        values = {
            "seconds": seconds,
            "copy_seconds": min(copying),
            "file_bytes": size,
            "peak_bytes": peak,
            "budget_bytes": BUDGET,
        }
        if arguments.peer:
            target.unlink()
            slow, whole = measured([sys.executable, "-c", PEER, *map(str, files.values()), str(target)])
            values |= {"peer_seconds": slow, "peer_peak_bytes": whole, "ratio": seconds / slow, "memory_ratio": peak / whole}
        report(figure, **values)


if __name__ == "__main__":
    main()
