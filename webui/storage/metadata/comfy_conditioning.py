"""What a sampler of ComfyUI is told in words: texts, how they are joined, and what else steers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from webui.storage.metadata.comfy_graph import Graph, Node
from webui.storage.metadata.findings import model_name
from webui.storage.metadata.weights import from_comfy

_DEEPEST = 200


@dataclass
class Prompt:
    """`role`: "positive" or "negative". `clip_layer` counts from the end; `score` is what SDXL's refiner is told of beauty.

    `remarks` are entries.
    """

    role: str
    text: str = ""
    clip_layer: Any = None
    score: Any = None
    remarks: list[tuple[str, str]] = field(default_factory=list)


def read_prompt(graph: Graph, node: Node | None, role: str) -> Prompt:
    """The words behind what is tied to a sampler's input `role`."""
    prompt = Prompt(role)
    if node is not None:
        prompt.text = _text(graph, node, prompt, set(), 0)
    return prompt


def _text(graph: Graph, node: Node, prompt: Prompt, seen: set[str], depth: int) -> str:
    if node.id in seen or depth > _DEEPEST:
        return ""
    seen.add(node.id)
    if "text" in node.inputs or "text_g" in node.inputs:
        return _encoded(graph, node, prompt)
    joined = _joined(graph, node, prompt, seen, depth)
    if joined is not None:
        return joined
    if node.kind == "ConditioningZeroOut":
        prompt.remarks.append(("Zeroed prompt", "ConditioningZeroOut; here an empty prompt"))
        return ""
    _remark(graph, node, prompt)
    # A node that changes both prompts hands each on under its own name.
    following = graph.source(node, prompt.role, "conditioning", "conditioning_to", "conditioning_1", "cond", "text_embeds")
    return _text(graph, following, prompt, seen, depth + 1) if following else ""


def _joined(graph: Graph, node: Node, prompt: Prompt, seen: set[str], depth: int) -> str | None:
    """Combine takes the mean of what both ask for, Concat puts one text behind the other in a chunk of its own.

    Of combined negative prompts the first is taken: AND is for prompts alone.
    """
    for kind, first, second in (
        ("ConditioningCombine", "conditioning_1", "conditioning_2"),
        ("ConditioningConcat", "conditioning_to", "conditioning_from"),
    ):
        if node.kind != kind:
            continue
        sources = [source for name in (first, second) if (source := graph.source(node, name))]
        texts = [_text(graph, source, prompt, seen, depth + 1) for source in sources]
        texts = [text for text in texts if text]
        if len(texts) < 2:
            return "".join(texts)
        if kind == "ConditioningConcat":
            return "\nBREAK\n".join(texts)
        if prompt.role == "negative":
            prompt.remarks.append(("Combined negative prompts", " · ".join(texts[1:])))
            return texts[0]
        return " AND ".join(f"{text} :{1 / len(texts):g}" for text in texts)
    return None


def _encoded(graph: Graph, node: Node, prompt: Prompt) -> str:
    _read_clip(graph, node, prompt)
    prompt.score = graph.value(node, "ascore") if "ascore" in node.inputs else prompt.score
    if "text" in node.inputs:
        return _known(graph.value(node, "text"), node, prompt)
    long, short = (_known(graph.value(node, name), node, prompt) for name in ("text_g", "text_l"))
    if short and short != long:
        prompt.remarks.append(("Text of the first encoder", short))
    return long or short


def _known(value: object, node: Node, prompt: Prompt) -> str:
    if value is None:
        prompt.remarks.append((f"Text of node {node.id}"[:80], "made by nodes that are not known here"))
        return ""
    return from_comfy(str(value)).strip()


def _read_clip(graph: Graph, node: Node, prompt: Prompt) -> None:
    clip, seen = graph.source(node, "clip"), set[str]()
    while clip is not None and clip.id not in seen:
        seen.add(clip.id)
        if "stop_at_clip_layer" in clip.inputs:
            prompt.clip_layer = graph.value(clip, "stop_at_clip_layer")
            return
        clip = graph.source(clip, "clip")


def _remark(graph: Graph, node: Node, prompt: Prompt) -> None:
    if (net := graph.source(node, "control_net")) is not None:
        values = {name: graph.value(node, name) for name in ("strength", "start_percent", "end_percent") if name in node.inputs}
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        name = model_name(graph.value(net, "control_net_name")) or net.kind
        count = sum(key.startswith("ControlNet") for key, _ in prompt.remarks) + 1
        prompt.remarks.append((f"ControlNet {count}", f"{name}, {told}".rstrip(", ")))
        return
    values = [f"{key} {value}" for key, value in node.inputs.items() if not isinstance(value, (list, dict))]
    prompt.remarks.append((f"Prompt changed by {node.kind}"[:80], ", ".join(values)[:400] or f"#{node.id}"))
