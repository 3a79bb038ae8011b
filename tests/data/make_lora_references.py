"""Writes lora_references.safetensors: LoRA files as other programs make them, and what those programs' UNets then give.

The tests compare with these numbers and need neither program. To make them anew, where the tiny UNet's random weights or the
formats have changed:

    pip install --target references --no-deps peft==0.21.2 lycoris-lora==4.1.3 toml==0.10.2
    PYTHONPATH=.:references python tests/data/make_lora_references.py

Peft 0.21.2 runs its adapters beside the weights (unmerged); LyCORIS 4.1.3 adds to each layer what the change alone gives. Each
case has its tensors by "case|name" and its picture by "case"; settings that peft keeps in adapter_config.json stand in the
header by the case's name. What is for one weight alone is in `butterflies`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.tiny import WIDTH, tiny_parts

TARGET = Path(__file__).with_name("lora_references.safetensors")

#: What is changed: a few modules of each sort.
_LINEAR = r"down_blocks\.0\.attentions\.0\.(transformer_blocks\.0\.(attn2\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.2))"
_CONVOLUTIONS = r"(conv_in|down_blocks\.0\.attentions\.0\.proj_in|mid_block\.resnets\.0\.conv1)"
_BOTH = f"({_LINEAR}|{_CONVOLUTIONS})"
_NORMS = r"(down_blocks\.0\.resnets\.0\.norm1|down_blocks\.0\.attentions\.0\.transformer_blocks\.0\.norm2)"

Case = tuple[str, dict[str, Tensor], Tensor, dict[str, Any]]


def output(unet: Any) -> Tensor:
    """What the UNet says to one and the same noise and text."""
    generator = torch.Generator().manual_seed(7)
    latents, text = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 5, WIDTH, generator=generator)
    with torch.no_grad():
        return unet(latents, torch.tensor([500]), text, return_dict=False)[0]


def randomize(tensors: dict[str, nn.Parameter]) -> None:
    """Adapters begin as no change at all. The numbers are such that half precision keeps them."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in tensors.values():
            parameter.copy_((parameter + torch.randn(parameter.shape, generator=generator) * 0.2).half())


def peft_cases() -> Iterator[Case]:
    import peft  # pyright: ignore[reportMissingImports]

    configs: dict[str, Any] = {
        "peft LoRA": peft.LoraConfig(r=2, lora_alpha=3, target_modules=_BOTH),
        "peft rsLoRA": peft.LoraConfig(r=2, lora_alpha=3, use_rslora=True, target_modules=_BOTH, alpha_pattern={"to_q": 1}),
        "peft LoRA with bias": peft.LoraConfig(r=2, lora_alpha=3, lora_bias=True, target_modules=["to_out.0", "conv_in"]),
        "peft DoRA": peft.LoraConfig(r=2, lora_alpha=3, use_dora=True, target_modules=_BOTH),
        "peft LoHa": peft.LoHaConfig(r=2, alpha=3, target_modules=_BOTH),
        "peft LoHa, Tucker": peft.LoHaConfig(r=2, alpha=3, use_effective_conv2d=True, target_modules=_BOTH),
        "peft LoKr": peft.LoKrConfig(r=1, alpha=3, decompose_both=True, target_modules=_BOTH),
        "peft LoKr, Tucker": peft.LoKrConfig(r=1, alpha=3, use_effective_conv2d=True, target_modules=_BOTH),
        "peft IA3": peft.IA3Config(target_modules=_BOTH, feedforward_modules=["ff.net.2"]),
        "peft OFT": peft.OFTConfig(oft_block_size=4, r=0, use_cayley_neumann=False, target_modules=_LINEAR),
        "peft OFT, Neumann": peft.OFTConfig(oft_block_size=4, r=0, target_modules=_LINEAR),
        "peft OFT, two terms": peft.OFTConfig(oft_block_size=4, r=0, num_cayley_neumann_terms=2, target_modules=_LINEAR),
        "peft OFT, three terms": peft.OFTConfig(oft_block_size=4, r=0, num_cayley_neumann_terms=3, target_modules=_LINEAR),
        # Without a card peft runs butterflies of one stage alone; see `butterflies`.
        "peft BOFT": peft.BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=1, target_modules=_BOTH),
    }
    for name, config in configs.items():
        model = peft.get_peft_model(tiny_parts(0).unet, config).eval()
        marks = ("lora_", "hada_", "lokr_", "ia3_", "oft_", "boft_")
        randomize({key: value for key, value in model.named_parameters() if any(mark in key for mark in marks)})
        told = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
        yield name, peft.get_peft_model_state_dict(model), output(model), json.loads(json.dumps(told, default=str))


def butterflies() -> dict[str, Tensor]:
    """A weight and what three stages of peft's BOFT make of it, by peft's own turns and order of columns."""
    from peft.tuners.boft.layer import BOFTLayer  # pyright: ignore[reportMissingImports]

    generator = torch.Generator().manual_seed(13)
    stages, count, size, rows = 3, 4, 6, 8
    shapes = (stages, count, size, size), (rows, count * size), (rows, 1)
    blocks, weight, lengths = (torch.randn(shape, generator=generator) * 0.3 for shape in shapes)
    layer, whole = BOFTLayer(nn.Linear(count * size, rows)), torch.eye(count * size)
    for stage in range(stages):
        order = layer.block_butterfly_perm(count * size, count // 2**stage, size // 2, stages - 1)
        places, turns = layer.perm2mat(order), torch.block_diag(*layer.cayley_batch(blocks[stage]))
        whole = places @ turns @ places.T @ whole
    found = {"boft_R": blocks, "boft_s": 1 + lengths, "weight": weight, "merged": (whole @ weight.T).T * (1 + lengths)}
    return {f"butterflies|{name}": tensor.contiguous() for name, tensor in found.items()}


def lycoris_cases() -> Iterator[Case]:
    from lycoris import LycorisNetwork  # pyright: ignore[reportMissingImports]

    settings: dict[str, dict[str, Any]] = {
        "LyCORIS LoCon": {"network_module": "locon"},
        "LyCORIS LoCon, Tucker": {"network_module": "locon", "use_tucker": True},
        "LyCORIS DoRA": {"network_module": "locon", "weight_decompose": True},
        "LyCORIS DoRA of columns": {"network_module": "locon", "weight_decompose": True, "wd_on_out": False},
        "LyCORIS LoHa": {"network_module": "loha"},
        "LyCORIS LoHa, Tucker": {"network_module": "loha", "use_tucker": True},
        "LyCORIS LoKr": {"network_module": "lokr", "lora_dim": 1, "conv_lora_dim": 1},
        "LyCORIS LoKr, both": {"network_module": "lokr", "lora_dim": 1, "conv_lora_dim": 1, "decompose_both": True, "factor": 4},
        "LyCORIS LoKr, whole": {"network_module": "lokr", "full_matrix": True},
        "LyCORIS IA3": {"network_module": "ia3"},
        "LyCORIS OFT": {"network_module": "diag-oft"},
        "LyCORIS OFT, rescaled": {"network_module": "diag-oft", "constraint": 0.01, "rescaled": True},
        "LyCORIS BOFT": {"network_module": "boft"},
        "LyCORIS BOFT, rescaled": {"network_module": "boft", "rescaled": True},
        "LyCORIS GLoRA": {"network_module": "glora"},
        "LyCORIS norms": {"network_module": "locon", "train_norm": True},
    }
    for name, chosen in settings.items():
        unet = tiny_parts(0).unet
        LycorisNetwork.apply_preset({"target_module": [], "target_name": [_BOTH, _NORMS], "use_fnmatch": False})
        network = LycorisNetwork(unet, **{"lora_dim": 2, "conv_lora_dim": 2, "alpha": 3.0, "conv_alpha": 3.0, **chosen})
        network.apply_to()
        randomize(dict(network.named_parameters()))
        network.eval()
        yield name, network.state_dict(), output(unet), {}


def _saved(tensor: Tensor) -> Tensor:
    """In half precision where that loses nothing, as nearly everywhere."""
    half = tensor.detach().half()
    return (half if torch.equal(half.to(tensor), tensor) else tensor.detach().clone()).contiguous()


def main() -> None:
    tensors: dict[str, Tensor] = {"plain": output(tiny_parts(0).unet), **butterflies()}
    notes = {}
    for name, found, picture, settings in (*peft_cases(), *lycoris_cases()):
        assert not torch.allclose(picture, tensors["plain"], atol=1e-3), name
        tensors |= {f"{name}|{key}": _saved(value) for key, value in found.items()}
        tensors[name] = picture
        notes[name] = json.dumps(settings)
    save_file(tensors, TARGET, notes)


if __name__ == "__main__":
    main()
