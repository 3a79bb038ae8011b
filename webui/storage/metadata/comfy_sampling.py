"""What a sampler's node of ComfyUI is told: by itself, or by the nodes that newer samplers ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webui.storage.metadata.comfy_graph import Graph, Node
from webui.storage.metadata.findings import number, whole_number

_END = 10_000  # as the last step it means the end


@dataclass(frozen=True)
class Sampling:
    """`start` and `end` count steps; `continues`: it goes on with noisy latents and adds no noise of its own."""

    model: Node | None
    positive: Node | None
    negative: Node | None
    seed: Any
    steps: int | None
    guidance_scale: float | None
    sampler: str
    scheduler: str
    denoise: float | None
    start: int | None
    continues: bool


def is_sampler(graph: Graph, node: Node) -> bool:
    """By what it takes, so that those of extensions count too."""
    takes = set(node.inputs)
    return {"sampler_name", "steps", "cfg"} <= takes or {"sampler", "sigmas"} <= takes


def read_sampling(graph: Graph, node: Node) -> Sampling:
    return _custom(graph, node) if "sigmas" in node.inputs else _plain(graph, node)


def _plain(graph: Graph, node: Node) -> Sampling:
    start, end = (whole_number(graph.value(node, name)) for name in ("start_at_step", "end_at_step"))
    steps = whole_number(graph.value(node, "steps"))
    noise = graph.value(node, "add_noise")
    adds = noise in (None, "enable", True)
    denoise = number(graph.value(node, "denoise"))
    if adds and start and steps:  # begun late on a picture: the share that is left
        denoise = round((steps - start) / steps, 4)
    elif denoise is None and end is not None and end < (steps or _END):
        denoise = None
    return Sampling(
        model=graph.source(node, "model", "base_model", "sdxl_tuple", "basic_pipe"),
        positive=graph.source(node, "positive"),
        negative=graph.source(node, "negative"),
        seed=graph.value(node, "seed", "noise_seed"),
        steps=steps,
        guidance_scale=number(graph.value(node, "cfg")),
        sampler=str(graph.value(node, "sampler_name") or ""),
        scheduler=str(graph.value(node, "scheduler") or ""),
        denoise=denoise,
        start=start,
        continues=not adds,
    )


def _custom(graph: Graph, node: Node) -> Sampling:
    """SamplerCustom and SamplerCustomAdvanced: sampler, noise levels, guidance and noise are nodes of their own."""
    guider = graph.source(node, "guider") or node
    noise = graph.source(node, "noise")
    sampler = graph.source(node, "sampler")
    levels, start = _levels(graph, node)
    steps = whole_number(graph.value(levels, "steps")) if levels else None
    guidance = number(graph.value(guider, "cfg"))
    adds = graph.value(node, "add_noise") in (None, "enable", True) and (noise is None or noise.kind != "DisableNoise")
    return Sampling(
        model=graph.source(guider, "model"),
        positive=graph.source(guider, "positive", "conditioning"),
        negative=graph.source(guider, "negative"),
        seed=graph.value(noise, "noise_seed", "seed") if noise else graph.value(node, "noise_seed"),
        steps=steps,
        guidance_scale=1.0 if guidance is None and guider.kind == "BasicGuider" else guidance,
        sampler=_sampler_of(graph, sampler),
        scheduler=_scheduler_of(graph, levels),
        denoise=number(graph.value(levels, "denoise")) if levels else None,
        start=start,
        continues=not adds,
    )


def _levels(graph: Graph, node: Node) -> tuple[Node | None, int | None]:
    """The node that makes the noise levels, and at which step they were split."""
    levels, start = graph.source(node, "sigmas"), None
    for _ in range(20):
        if levels is None or "sigmas" not in levels.inputs:
            break
        if levels.kind == "SplitSigmas" and start is None:
            start = whole_number(graph.value(levels, "step"))
        levels = graph.source(levels, "sigmas")
    return levels, start


_SAMPLER_NODES = {
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
    "SamplerLMS": "lms",
}
_SCHEDULER_NODES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "AlignYourStepsScheduler": "align_your_steps",
    "SDTurboScheduler": "turbo",
    "BetaSamplingScheduler": "beta",
}


def _sampler_of(graph: Graph, node: Node | None) -> str:
    if node is None:
        return ""
    return str(graph.value(node, "sampler_name") or _SAMPLER_NODES.get(node.kind, node.kind))


def _scheduler_of(graph: Graph, node: Node | None) -> str:
    if node is None:
        return ""
    return str(graph.value(node, "scheduler") or _SCHEDULER_NODES.get(node.kind, node.kind))
