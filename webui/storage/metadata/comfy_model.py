"""Which model a sampler of ComfyUI is given, and what was done to it on the way: LoRAs, rescaled guidance, patches."""

from __future__ import annotations

from dataclasses import dataclass, field

from webui.storage.metadata.comfy_graph import Graph, Node
from webui.storage.metadata.findings import lora_tag, model_name, number


@dataclass
class Model:
    """`remarks` are entries for what has no place here."""

    name: str = ""
    tags: list[str] = field(default_factory=list)
    cfg_rescale: float | None = None
    zero_snr: bool = False
    remarks: list[tuple[str, str]] = field(default_factory=list)


def read_model(graph: Graph, node: Node | None) -> Model:
    model, seen = Model(), set[str]()
    while node is not None and node.id not in seen:
        seen.add(node.id)
        name = graph.value(node, "ckpt_name", "unet_name", "base_ckpt_name")
        if name:
            model.name = model_name(name)
            break
        _take(graph, node, model)
        node = graph.source(node, "model", "model1", "MODEL", "basic_pipe")
    model.tags.reverse()  # the first that was loaded comes first
    if not model.name:
        model.remarks.append(("Model of the graph", "its loader was not recognised"))
    return model


def _take(graph: Graph, node: Node, model: Model) -> None:
    strength = number(graph.value(node, "strength_model"))
    if "lora_name" in node.inputs:
        name = graph.value(node, "lora_name")
        if name and name != "None" and (strength or number(graph.value(node, "strength_clip"))):
            model.tags.append(lora_tag(name, 1 if strength is None else strength, graph.value(node, "strength_clip")))
    elif node.kind == "RescaleCFG":
        model.cfg_rescale = number(graph.value(node, "multiplier"))
    elif node.kind == "ModelSamplingDiscrete":
        model.zero_snr = graph.value(node, "zsnr") is True
        model.remarks.append(("Model is told to predict", str(graph.value(node, "sampling"))))
    else:
        loras = _stacked(graph, node)
        model.tags += loras
        if not loras:
            model.remarks.append((f"Model changed by {node.kind}"[:80], _values(graph, node)))


def _stacked(graph: Graph, node: Node) -> list[str]:
    """Loaders of several LoRAs: {"lora_1": {"on": true, "lora": name, "strength": 1}}, or "lora_name_1" beside "lora_wt_1"."""
    tags = []
    for key, value in node.inputs.items():
        if isinstance(value, dict) and value.get("lora") and value.get("on", True):
            tags.append(lora_tag(value["lora"], value.get("strength", 1), value.get("strengthTwo")))
        elif key.startswith("lora_name_") and isinstance(value, str) and value != "None":
            place = key.rpartition("_")[2]
            tags.append(lora_tag(value, graph.value(node, f"lora_wt_{place}", f"model_str_{place}")))
    return tags[::-1]


def _values(graph: Graph, node: Node) -> str:
    values = {name: value for name, value in node.inputs.items() if not isinstance(value, (list, dict))}
    return ", ".join(f"{name} {value!s:.80}" for name, value in values.items()) or f"#{node.id}"


def read_vae(graph: Graph, after: list[Node], upstream: list[Node]) -> str | None:
    """The VAE file that decodes the last latents; None where it is the checkpoint's own."""
    decoders = [node for node in after if "vae" in node.inputs] or [
        node for node in upstream if node.kind.startswith("VAEDecode")
    ]
    if not decoders:
        return None
    loader = graph.source(decoders[-1], "vae")
    return model_name(graph.value(loader, "vae_name")) if loader and "vae_name" in loader.inputs else None
