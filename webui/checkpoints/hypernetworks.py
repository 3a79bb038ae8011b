"""Hypernetworks as A1111 trains them: small networks that change what attention takes its keys and values from.

A file has, for each width of what is attended to, one network for keys and one for values; each adds to its input. Widths beside
that of the text belong to self-attention, where the picture attends to itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional

from webui.checkpoints.numbers import is_plain
from webui.errors import UnsupportedCheckpoint

_LINEAR = re.compile(r"linear\.(\d+)\.(weight|bias)")
#: Before layers could be chosen there were two.
_OLD = {"linear1": "linear.0", "linear2": "linear.1"}

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    kind.__name__.lower(): kind()
    for kind in (
        nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Hardshrink, nn.ReLU6,
        nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanhshrink, nn.LogSigmoid,
    )
} | {"swish": nn.Hardswish()}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Layer:
    """Linear, then the activation, then a norm, as far as there are such."""

    weight: Tensor
    bias: Tensor | None
    norm: tuple[Tensor, Tensor] | None
    activation: Callable[[Tensor], Tensor] | None

    def __call__(self, values: Tensor) -> Tensor:
        values = functional.linear(values, self.weight, self.bias)
        values = values if self.activation is None else self.activation(values)
        return values if self.norm is None else functional.layer_norm(values, values.shape[-1:], *self.norm)

    def to(self, device: torch.device) -> Layer:
        bias = None if self.bias is None else self.bias.to(device)
        norm = None if self.norm is None else (self.norm[0].to(device), self.norm[1].to(device))
        return Layer(self.weight.to(device), bias, norm, self.activation)


#: One after another.
Layers = tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class Hypernetwork:
    """`networks`: by width, that for keys and that for values, in float32."""

    name: str
    path: Path
    networks: Mapping[int, tuple[Layers, Layers]]

    def misfit(self, width: int) -> str | None:
        """A sentence on why it changes nothing of what a checkpoint reads whose texts are so wide; None: it does."""
        if width in self.networks:
            return None
        found = ", ".join(map(str, sorted(self.networks)))
        return (
            f"The hypernetwork “{self.name}” was made for widths of {found}, this checkpoint's texts are {width} wide: it "
            "changes nothing of how the prompt is read."
        )


def read_hypernetwork(path: Path) -> Hypernetwork:
    """Raise UnsupportedCheckpoint, naming the file, what was found and what was expected. Nothing in the file is run."""
    try:
        content = _load(path)
        networks = {width: _pair(width, pair, content) for width, pair in content.items() if type(width) is int}
        if not networks:
            raise UnsupportedCheckpoint("is no hypernetwork: there is no network for any width in it")
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"The hypernetwork {path.name} {error}.") from error.__cause__
    return Hypernetwork(path.stem, path, networks)


@contextmanager
def attended_through(unet: nn.Module, chosen: Sequence[tuple[Hypernetwork, float]]) -> Iterator[None]:
    """Have attention take keys and values through hypernetworks, one after another, each as strong as told; weights stay."""
    moved: dict[tuple[int, torch.device], Layers] = {}  # by id: `chosen` keeps what it names alive
    with ExitStack() as stack:
        for module in unet.modules() if chosen else ():
            if isinstance(module, Attention) and module.to_k is not None and module.to_v is not None:
                for place, layer in enumerate((module.to_k, module.to_v)):
                    steps = _steps(layer, place, chosen)
                    if steps:
                        stack.callback(layer.register_forward_pre_hook(_changing(steps, moved)).remove)
        yield


# ---- at work


def _steps(layer: Any, place: int, chosen: Sequence[tuple[Hypernetwork, float]]) -> list[tuple[Layers, float]]:
    """What the input of a layer goes through: the networks of its width for keys (0) or values (1)."""
    fitting = ((one.networks.get(layer.weight.shape[1]), strength) for one, strength in chosen)
    return [(pair[place], strength) for pair, strength in fitting if pair is not None and strength != 0]


def _changing(
    steps: Sequence[tuple[Layers, float]], moved: dict[tuple[int, torch.device], Layers]
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook that changes a layer's input. The networks come to the input's device when it first comes, once for all hooks."""

    def change(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        values, *rest = inputs
        for layers, strength in steps:
            key = id(layers), values.device
            if key not in moved:
                moved[key] = tuple(layer.to(values.device) for layer in layers)
            values = _changed(values, moved[key], strength)
        return (values, *rest)

    return change


def _changed(values: Tensor, layers: Layers, strength: float) -> Tensor:
    """In float32: the networks were trained so, and their numbers may be beyond what half precision holds."""
    inner = start = values.float()
    for layer in layers:
        inner = layer(inner)
    return (start + inner * strength).to(values.dtype)


# ---- the file


def _load(path: Path) -> dict[Any, Any]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnsupportedCheckpoint("does not exist") from None
    except Exception as error:  # pickle, zip and torch have errors of many kinds for damaged files
        raise UnsupportedCheckpoint(f"cannot be read: {(str(error) or repr(error)).splitlines()[0]:.200}") from None
    if not isinstance(content, dict):
        raise UnsupportedCheckpoint("is no hypernetwork: a table was expected in it")
    return content


def _pair(width: int, pair: Any, content: Mapping[Any, Any]) -> tuple[Layers, Layers]:
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(state, Mapping) for state in pair):
        raise UnsupportedCheckpoint(f"is damaged: two networks were expected for the width {width}")
    keys, values = (_layers(width, state, content) for state in pair)
    return keys, values


def _layers(width: int, state: Mapping[Any, Any], content: Mapping[Any, Any]) -> Layers:
    """The layers stand in a row of which activations and dropout take places without numbers."""
    rows: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        found = _LINEAR.fullmatch(_renewed(str(key)))
        if found is None or not isinstance(tensor, Tensor) or not is_plain(tensor) or not _finite(tensor):
            raise UnsupportedCheckpoint(
                f"is damaged: its “{key!s:.60}” for the width {width} is none of a hypernetwork's tensors"
            )
        rows.setdefault(int(found[1]), {})[found[2]] = tensor.float()
    parts = [rows[place] for place in sorted(rows)]
    linear = [place for place, part in enumerate(parts) if part.get("weight", torch.empty(0)).ndim == 2]
    activation = _activation(content)
    layers = []
    for place in linear:
        following = parts[place + 1] if place + 1 < len(parts) and place + 1 not in linear else None
        acts = place != linear[-1] or content.get("activate_output", True) is not False
        layers.append(Layer(parts[place]["weight"], parts[place].get("bias"), _norm(following), activation if acts else None))
    _check(width, layers)
    return tuple(layers)


def _finite(tensor: Tensor) -> bool:
    return math.isfinite(float(tensor.sum(dtype=torch.float32)))


def _renewed(key: str) -> str:
    module, _, leaf = key.rpartition(".")
    return f"{_OLD.get(module, module)}.{leaf}"


def _norm(part: Mapping[str, Tensor] | None) -> tuple[Tensor, Tensor] | None:
    if part is None:
        return None
    if set(part) != {"weight", "bias"} or part["weight"].ndim != 1 or part["weight"].shape != part["bias"].shape:
        raise UnsupportedCheckpoint("is damaged: what follows a layer is no norm")
    return part["weight"], part["bias"]


def _activation(content: Mapping[Any, Any]) -> Callable[[Tensor], Tensor] | None:
    name = content.get("activation_func")
    if name is None or name == "linear":
        return None
    if not isinstance(name, str) or name.lower() not in _ACTIVATIONS:
        raise UnsupportedCheckpoint(f"has an activation function of no known name, {name!r:.60}")
    return _ACTIVATIONS[name.lower()]


def _check(width: int, layers: Sequence[Layer]) -> None:
    sizes = [width]
    for layer in layers:
        rows, columns = layer.weight.shape
        others = [tensor for tensor in (layer.bias, *(layer.norm or ())) if tensor is not None]
        if columns != sizes[-1] or any(tuple(tensor.shape) != (rows,) for tensor in others):
            raise UnsupportedCheckpoint(
                f"is damaged: a layer for the width {width} has {rows} × {columns} numbers, which do not fit"
            )
        sizes.append(rows)
    if len(sizes) < 2 or sizes[-1] != width:
        raise UnsupportedCheckpoint(f"is damaged: its layers for the width {width} lead from {width} to {sizes[-1]} numbers")
