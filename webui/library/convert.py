"""Pickled weights (.ckpt, .pt, .pth, .bin) → safetensors, in a process of its own, because it needs torch.

By hand: python -m webui.library.convert IN.ckpt OUT.safetensors
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.errors import TaskFailed, WebUIError
from webui.library import child
from webui.library.tensor_files import Planned, TensorWriter, planned


class _StandIn:
    """For a class that old checkpoints name, and nothing needs."""


#: Named as a key in the training state of Stable Diffusion 1.x's first files, beside the weights. A stand-in takes its place.
_HARMLESS: list[Any] = [(_StandIn, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")]


def convert(source: Path, target: Path, report: child.Report) -> int:
    """Write the tensors of `source`, each in its type; returns how many.

    Raises:
        TaskFailed: it is no file of weights, holds something else than tensors, or the target is there already.
    """
    import torch

    report(0.0, f"Reading {source.name}")
    tensors = _tensors(_load(source), source.name)
    plan = {name: _planned(name, tensor) for name, tensor in tensors.items()}
    total = sum(part.size for part in plan.values())
    # A view can show one number a billion times; nobody saves weights so.
    if total > 2 * source.stat().st_size + 1_000_000:
        raise TaskFailed(f"{source.name} promises {total:,} bytes of weights, far more than the file holds.")
    done = 0
    with TensorWriter(target, plan, {"format": "pt"}) as writer:
        for name in writer.order:
            flat = tensors[name].detach().contiguous().reshape(-1).view(torch.uint8)
            writer.write(name, [flat.numpy().data])
            done += plan[name].size
            report(done / max(total, 1), f"Writing {target.name}")
    return len(plan)


def _load(path: Path) -> object:
    """The pickled object, built by a reader that knows tensors and plain containers only: nothing in the file is run."""
    import torch

    with torch.serialization.safe_globals(_HARMLESS):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
        except OSError:
            raise
        except Exception as error:  # pickle, zip and torch have errors of many kinds for damaged files
            reason = str(error).strip()
            if "Unsupported global" in reason or "weights_only" in reason.lower():
                raise TaskFailed(
                    f"{path.name} is refused: it asks for code to be run, which weights do not need ({_asked_for(reason)})."
                ) from error
            said = (reason or repr(error)).splitlines()[0]
            raise TaskFailed(f"{path.name} is no readable file of weights: {said:.200}") from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _asked_for(reason: str) -> str:
    """What torch names: "Unsupported global: GLOBAL os.system was not an allowed global …"."""
    _, found, rest = reason.partition("GLOBAL ")
    return rest.split()[0].strip(".,`'")[:100] if found and rest.split() else reason.splitlines()[0][:100]


def _tensors(content: object, name: str) -> dict[str, Any]:
    """The table of weights; training state beside it is left behind."""
    import torch

    for key in ("state_dict", "params_ema", "params"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise TaskFailed(f"{name} holds no table of weights but {type(content).__name__}.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise TaskFailed(f"{name} holds something else than tensors: “{key!s:.80}” is of type {type(value).__name__}.")
    return dict(content)


def _planned(name: str, tensor: Any) -> Planned:
    import torch

    types = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
        torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.dtype not in types or tensor.device.type != "cpu":
        raise TaskFailed(f"“{name:.80}” is of a type that safetensors files cannot hold ({tensor.dtype}, {tensor.layout}).")
    return planned(types[tensor.dtype], tuple(tensor.shape))


def _work(job: Mapping[str, Any], report: child.Report) -> int:
    return convert(Path(job["source"]), Path(job["target"]), report)


def main(arguments: list[str]) -> int:
    if not arguments:
        child.serve(_work)
        return 0
    if len(arguments) != 2:
        print("usage: python -m webui.library.convert IN OUT", file=sys.stderr)
        return 2
    try:
        count = convert(Path(arguments[0]), Path(arguments[1]), lambda fraction, text: None)
    except (WebUIError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} tensors written to {arguments[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
