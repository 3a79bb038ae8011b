"""Hypernetworks of every form change what attention reads, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.data.make_lora_references import output
from tests.tiny import WIDTH, tiny_parts
from webui.checkpoints.hypernetworks import attended_through, read_hypernetwork
from webui.errors import UnsupportedCheckpoint

#: Of self-attention in the tiny UNet, too: there the picture's first level is as wide as its text.
LEVELS = (WIDTH, 16)


def network(width: int, *, norm: bool = False, activation: nn.Module | None = None, dropout: bool = False, last: bool = True):
    """As A1111 builds it."""
    layers: list[nn.Module] = []
    for place, (inside, outside) in enumerate(((width, 2 * width), (2 * width, width))):
        layers.append(nn.Linear(inside, outside))
        if activation is not None and (place == 0 or last):
            layers.append(activation)
        if norm:
            layers.append(nn.LayerNorm(outside))
        if dropout and place == 0:
            layers.append(nn.Dropout(0.3))
    return nn.Sequential(*layers).eval()


def written(path: Path, networks: Mapping[int, tuple[nn.Module, nn.Module]], **told: Any) -> Path:
    states: dict[Any, Any] = {
        width: tuple({f"linear.{key}": tensor for key, tensor in one.state_dict().items()} for one in pair)
        for width, pair in networks.items()
    }
    torch.save({**states, "step": 100, "name": path.stem, "sd_checkpoint": None, **told}, path)
    return path


class Through(nn.Module):
    """A layer behind a network that adds to its input."""

    def __init__(self, inner: nn.Module, layer: nn.Module, strength: float) -> None:
        super().__init__()
        self.inner, self.layer, self.strength = inner, layer, strength

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(values + self.strength * self.inner(values))


def expected(networks: Mapping[int, tuple[nn.Module, nn.Module]], strength: float) -> Tensor:
    unet: Any = tiny_parts(0).unet
    for name, module in list(unet.named_modules()):
        if name.endswith(("attn1", "attn2")):
            width = module.to_k.in_features
            if width in networks:
                keys, values = networks[width]
                module.to_k, module.to_v = Through(keys, module.to_k, strength), Through(values, module.to_v, strength)
    return output(unet)


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {"activation_func": "linear", "layer_structure": [1, 2, 1]}),
    "oldest": ({}, {}),
    "activated": ({"activation": nn.Hardswish()}, {"activation_func": "swish", "activate_output": True}),
    "but for the output": ({"activation": nn.ReLU(), "last": False}, {"activation_func": "relu", "activate_output": False}),
    "norms": ({"activation": nn.Tanh(), "norm": True}, {"activation_func": "tanh", "is_layer_norm": True}),
    "dropout": (
        {"activation": nn.Softsign(), "norm": True, "dropout": True},
        {"activation_func": "softsign", "use_dropout": True, "dropout_structure": [0, 0.3, 0]},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_hypernetwork_adds_to_what_keys_and_values_are_made_of(tmp_path: Path, form: str):
    made, told = FORMS[form]
    torch.manual_seed(3)
    networks = {width: (network(width, **made), network(width, **made)) for width in LEVELS}
    hypernetwork = read_hypernetwork(written(tmp_path / "some.pt", networks, **told))
    unet = tiny_parts(0).unet
    plain = output(unet)
    with attended_through(unet, [(hypernetwork, 0.7)]):
        changed = output(unet)
    assert torch.allclose(changed, expected(networks, 0.7), atol=1e-5)
    assert not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(output(unet), plain)


def test_several_follow_each_other_and_none_or_no_strength_changes_nothing(tmp_path: Path):
    torch.manual_seed(4)
    networks = {WIDTH: (network(WIDTH), network(WIDTH))}
    one = read_hypernetwork(written(tmp_path / "one.pt", networks))
    unet = tiny_parts(0).unet
    plain = output(unet)
    with attended_through(unet, [(one, 0.0)]):
        assert torch.equal(output(unet), plain)
    with attended_through(unet, []):
        assert torch.equal(output(unet), plain)
    with attended_through(unet, [(one, 1.0)]):
        once = output(unet)
    with attended_through(unet, [(one, 1.0), (one, 1.0)]):
        assert not torch.allclose(output(unet), once, atol=1e-3)


def test_the_first_files_have_two_layers_by_name(tmp_path: Path):
    torch.manual_seed(5)
    inner = network(WIDTH)
    names = ("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias")
    renamed = dict(zip(names, inner.state_dict().values(), strict=True))
    torch.save({WIDTH: (renamed, renamed)}, tmp_path / "old.pt")
    unet = tiny_parts(0).unet
    with attended_through(unet, [(read_hypernetwork(tmp_path / "old.pt"), 1.0)]):
        assert torch.allclose(output(unet), expected({WIDTH: (inner, inner)}, 1.0), atol=1e-5)


def test_one_for_another_width_is_named_with_both(tmp_path: Path):
    hypernetwork = read_hypernetwork(written(tmp_path / "wide.pt", {WIDTH: (network(WIDTH), network(WIDTH))}))
    assert hypernetwork.misfit(WIDTH) is None
    assert hypernetwork.misfit(2048) == (
        f"The hypernetwork “wide” was made for widths of {WIDTH}, this checkpoint's texts are 2048 wide: it changes nothing of "
        "how the prompt is read."
    )


GOOD = {f"linear.{key}": tensor for key, tensor in network(WIDTH).state_dict().items()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "a table was expected"),
        ({"step": 3}, "there is no network for any width"),
        ({WIDTH: GOOD}, "two networks were expected for the width 8"),
        ({WIDTH: (GOOD, {**GOOD, "other": torch.ones(1)})}, "“other” for the width 8"),
        ({WIDTH: (GOOD, {**GOOD, "linear.0.bias": torch.full((16,), torch.nan)})}, "“linear.0.bias”"),
        ({WIDTH: (GOOD, {**GOOD, "linear.0.weight": torch.ones(1, 1).expand(1 << 20, 1 << 20)})}, "“linear.0.weight”"),
        ({WIDTH: (GOOD, {**GOOD, "linear.0.weight": torch.ones(16, WIDTH, device="meta")})}, "“linear.0.weight”"),
        ({16: (GOOD, GOOD)}, "16 × 8 numbers, which do not fit"),
        ({WIDTH: (GOOD, {"linear.0.weight": torch.ones(4, WIDTH)})}, "lead from 8 to 4"),
        ({WIDTH: (GOOD, {})}, "lead from 8 to 8"),
        ({WIDTH: (GOOD, {**GOOD, "linear.2.weight": torch.ones(8)})}, "no norm"),
        ({WIDTH: (GOOD, GOOD), "activation_func": "sorcery"}, "no known name, 'sorcery'"),
        ({WIDTH: (GOOD, GOOD), "code": Path("/nowhere")}, "cannot be read"),
    ],
    ids=["list", "empty", "one", "key", "nan", "one for many", "none", "width", "end", "nothing", "norm", "activation", "code"],
)
def test_what_is_no_hypernetwork_is_refused_by_its_name(tmp_path: Path, content: Any, said: str):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(UnsupportedCheckpoint) as caught:
        read_hypernetwork(tmp_path / "odd.pt")
    assert str(caught.value).startswith("The hypernetwork odd.pt ")
    assert said in str(caught.value)


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path):
    (tmp_path / "bad.pt").write_bytes(b"\x80\x02nothing of use")
    for name, said in (("bad.pt", "cannot be read"), ("gone.pt", "does not exist")):
        with pytest.raises(UnsupportedCheckpoint, match=said):
            read_hypernetwork(tmp_path / name)
