"""ComfyUI's graph of nodes, from what it was run as (`prompt`) or from the drawing (`workflow`).

prompt:   {"3": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["4", 0], …}}, …}
workflow: {"nodes": [{"id": 3, "type": "KSampler", "mode": 0, "inputs": [{"name": "model", "type": "MODEL", "link": 1}, …],
          "widgets_values": [1, "randomize", 20, …]}, …], "links": [[1, 4, 0, 3, 0, "MODEL"], …]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from webui.storage.chunks import BadFile

NODES_MOST = 2_000
_MUTED, _BYPASSED = 2, 4

#: The controls of nodes in the order of `widgets_values`, which names none; "" stands for one that is no input.
_WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
        "return_with_leftover_noise",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed", ""),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "AlignYourStepsScheduler": ("model_type", "steps", "denoise"),
    "SDTurboScheduler": ("steps", "denoise"),
    "CFGGuider": ("cfg",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "UpscaleModelLoader": ("model_name",),
    "ControlNetLoader": ("control_net_name",),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "LoadImage": ("image",),
    "RescaleCFG": ("multiplier",),
    "ModelSamplingDiscrete": ("sampling", "zsnr"),
    "SaveImage": ("filename_prefix",),
    "PrimitiveNode": ("value",),
}  # fmt: skip

#: What nodes that only hold a value call it.
_VALUES = ("value", "text", "string", "seed", "noise_seed", "int", "float", "Value", "Text", "STRING", "prompt", "number")


@dataclass
class Node:
    """`inputs` are values, or links as [id, slot]."""

    id: str
    kind: str
    inputs: dict[str, Any] = field(default_factory=dict)


class Graph:
    def __init__(self, nodes: dict[str, Node]) -> None:
        if len(nodes) > NODES_MOST:
            raise BadFile(f"holds a graph of {len(nodes):,} nodes; at most {NODES_MOST:,} are read")
        self.nodes = nodes
        self._passed: dict[str, Node] = {}

    def node(self, id: object) -> Node | None:
        return self.nodes.get(str(id))

    def source(self, node: Node, *names: str) -> Node | None:
        """The node that is tied to the first of these inputs that is tied to any; nodes that only pass it on are skipped."""
        for name in names:
            if (link := _as_link(node.inputs.get(name))) and (found := self.node(link[0])):
                return self._behind(found)
        return None

    def _behind(self, node: Node) -> Node:
        """The node behind nodes that only pass something on."""
        passed: set[str] = set()
        while node.kind == "Reroute" and node.id not in passed:
            if node.id in self._passed:
                node = self._passed[node.id]
                break
            passed.add(node.id)
            node = next(self.links(node), node)
        self._passed.update(dict.fromkeys(passed, node))
        return node

    def value(self, node: Node, *names: str) -> Any:
        """The value of the first of these inputs that is there, also one that comes from a node that holds it; else None."""
        for name in names:
            if name in node.inputs:
                return self._resolved(node.inputs[name], 0)
        return None

    def _resolved(self, value: Any, depth: int) -> Any:
        link = _as_link(value)
        if link is None:
            return value
        source = self.node(link[0])
        if source is None or depth > 30:
            return None
        source = self._behind(source)
        if {"string_a", "string_b"} <= set(source.inputs):
            parts = [self._resolved(source.inputs[name], depth + 1) for name in ("string_a", "string_b")]
            delimiter = self._resolved(source.inputs.get("delimiter", ""), depth + 1)
            return None if None in parts else str(delimiter or "").join(map(str, parts))
        held = next((name for name in _VALUES if name in source.inputs), None)
        return self._resolved(source.inputs[held], depth + 1) if held else None

    def links(self, node: Node) -> Iterator[Node]:
        """The nodes that it takes something from."""
        for value in node.inputs.values():
            if (link := _as_link(value)) and (found := self.node(link[0])):
                yield found

    def upstream(self, node: Node) -> list[Node]:
        """All that it needs and itself, sources first."""
        ordered: list[Node] = []
        seen: set[str] = set()
        stack: list[tuple[Node, bool]] = [(node, False)]
        while stack:
            current, done = stack.pop()
            if done:
                ordered.append(current)
            elif current.id not in seen:
                seen.add(current.id)
                stack.append((current, True))
                stack += [(source, False) for source in self.links(current)][::-1]
        return ordered


def _as_link(value: Any) -> tuple[str, int] | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) and isinstance(value[0], (str, int)):
        return str(value[0]), value[1]
    return None


def from_prompt(values: dict[str, Any]) -> Graph | None:
    """None for an object that is no graph."""
    if len(values) > NODES_MOST and all(isinstance(each, dict) and "class_type" in each for each in values.values()):
        raise BadFile(f"holds a graph of {len(values):,} nodes; at most {NODES_MOST:,} are read")
    nodes = {
        str(id): Node(str(id), str(each["class_type"]), each["inputs"])
        for id, each in values.items()
        if isinstance(each, dict) and "class_type" in each and isinstance(each.get("inputs"), dict)
    }
    return Graph(nodes) if nodes else None


def from_workflow(values: dict[str, Any]) -> Graph | None:
    """None for an object that is no graph. Nodes that are switched off are left out, and links go past bypassed ones."""
    drawn = values.get("nodes")
    if not isinstance(drawn, list) or not isinstance(values.get("links"), list):
        return None
    boxes = {str(box["id"]): box for box in drawn if isinstance(box, dict) and "id" in box and "type" in box}
    if len(boxes) > NODES_MOST:
        raise BadFile(f"holds a graph of {len(boxes):,} nodes; at most {NODES_MOST:,} are read")
    ends = {end[0]: end for link in values["links"] if (end := _ends(link))}
    nodes: dict[str, Node] = {}
    for id, box in boxes.items():
        if box.get("mode") in (_MUTED, _BYPASSED):
            continue
        inputs = _widget_values(box)
        for slot in _slots(box):
            if (link := _past_bypassed(slot.get("link"), ends, boxes)) is not None:
                inputs[str(slot.get("name"))] = link
        nodes[id] = Node(id, str(box["type"]), inputs)
    return Graph(nodes)


def _ends(link: Any) -> tuple[Any, str, int, str] | None:
    """Number, source, its slot and type of a link; newer drawings write objects for lists."""
    if isinstance(link, dict):
        link = [link.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")]
    if not isinstance(link, list) or len(link) < 6 or not isinstance(link[2], int) or not isinstance(link[0], (int, str)):
        return None
    return link[0], str(link[1]), link[2], str(link[5])


def _slots(box: dict[str, Any]) -> list[dict[str, Any]]:
    slots = box.get("inputs")
    return [slot for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []


def _past_bypassed(link: Any, ends: dict[Any, tuple[Any, str, int, str]], boxes: dict[str, Any]) -> list[Any] | None:
    for _ in range(100):
        if not isinstance(link, (int, str)) or link not in ends:
            return None
        _, source, slot, kind = ends[link]
        box = boxes.get(source)
        if box is None or box.get("mode") == _MUTED:
            return None
        if box.get("mode") != _BYPASSED:
            return [source, slot]
        link = next((each.get("link") for each in _slots(box) if str(each.get("type")) == kind), None)
    return None


def _widget_values(box: dict[str, Any]) -> dict[str, Any]:
    values = box.get("widgets_values")
    if isinstance(values, dict):
        return dict(values)
    if not isinstance(values, list):
        return {}
    names = _WIDGETS.get(box["type"]) or _drawn_names(box, values)
    return {name: value for name, value in zip(names, values, strict=False) if name and not isinstance(value, (list, dict))}


def _drawn_names(box: dict[str, Any], values: list[Any]) -> list[str]:
    """Newer drawings name the controls among the inputs; after a seed stands what is done with it after each run."""
    names: list[str] = []
    for slot in _slots(box):
        if isinstance(slot.get("widget"), dict):
            names.append(str(slot["widget"].get("name") or slot.get("name")))
            following = values[len(names)] if len(names) < len(values) else None
            if "seed" in names[-1] and following in ("fixed", "randomize", "increment", "decrement"):
                names.append("")
    return names or (["value"] if len(values) == 1 else [])
