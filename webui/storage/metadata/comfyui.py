"""ComfyUI: the settings that a graph of nodes comes to.

From the node that saves, the samplers are followed back to where the latents begin. Samplers that continue one another's noisy
latents are one pass; two passes are a picture and its second pass. What has no place in that is told, by its own name.
"""

from __future__ import annotations

from collections.abc import Mapping

from webui.storage.metadata.comfy_conditioning import Prompt, read_prompt
from webui.storage.metadata.comfy_graph import Graph, Node, from_prompt, from_workflow
from webui.storage.metadata.comfy_model import Model, read_model, read_vae
from webui.storage.metadata.comfy_sampling import Sampling, is_sampler, read_sampling
from webui.storage.metadata.findings import Findings, model_name, number, read_object, whole_number, with_tags
from webui.storage.metadata.names import comfy_sampler, schedule_type, unipc_variant

#: What makes latents larger; the rest of a name tells how.
_LATENT_METHODS = {"bilinear": "Latent", "bicubic": "Latent (bicubic)", "nearest-exact": "Latent (nearest-exact)"}
_PIXEL_METHODS = {"lanczos": "Lanczos", "nearest-exact": "Nearest"}
_SHOWN_NODES = 300
_ENDS_MOST = 20  # of a graph that are followed back; each takes as long as it is deep


def read(texts: Mapping[str, str], size: tuple[int, int]) -> Findings | None:
    """None for texts that are not ComfyUI's.

    Args:
        size: width and height of the picture, in pixels.
    """
    graph = None
    if (values := read_object(texts.get("prompt"), "“prompt” graph")) is not None:
        graph = from_prompt(values)
    if graph is None and (values := read_object(texts.get("workflow"), "“workflow” graph")) is not None:
        graph = from_workflow(values)
    return None if graph is None else _Reading(graph, size).findings()


_Chain = list[tuple[Node, list[Node]]]


class _Reading:
    def __init__(self, graph: Graph, size: tuple[int, int]) -> None:
        self.graph, self.size = graph, size
        self.found = Findings("ComfyUI")

    def findings(self) -> Findings:
        savers = self._savers()
        if not savers:
            self.found.put("ComfyUI graph", "no sampler was found in it")
            self.found.notes = notes_of(self.graph, list(self.graph.nodes.values()))
            return self.found
        last = savers[0]
        self.found.notes = notes_of(self.graph, self.graph.upstream(last))
        chain, self.beginning = self._chain(last)
        others = {self._chain(saver)[0][-1][0].id for saver in savers} - {chain[-1][0].id}
        if others:
            self.found.put("Other results of the graph", len(others))
        self._read_chain(chain, last)
        return self.found

    def _savers(self) -> list[Node]:
        """Nodes that take a picture that a sampler made and that nobody takes anything from; those that save come first."""
        taken = {source.id for node in self.graph.nodes.values() for source in self.graph.links(node)}
        ends = [node for node in self.graph.nodes.values() if node.id not in taken]
        ends.sort(key=lambda node: ("Save" not in node.kind, "Preview" not in node.kind))
        return [node for node in ends[:_ENDS_MOST] if self._chain(node)[0]]

    # ---- from the end back to the beginning

    def _chain(self, end: Node) -> tuple[_Chain, list[Node]]:
        """The samplers in the order in which they work, each with the nodes that follow it before the next one; and the nodes
        before the first, which begin with what makes or loads the latents."""
        chain: _Chain = []
        between: list[Node] = []
        node, seen = end, set[str]()
        while node.id not in seen:
            seen.add(node.id)
            if is_sampler(self.graph, node):
                chain.append((node, between[::-1]))
                between = []
            else:
                between.append(node)
            following = self.graph.source(
                node, "latent_image", "latent", "samples", "images", "image", "pixels", "latents", "image1", "optional_latent"
            )
            if following is None:
                break
            node = following
        return chain[::-1], between[::-1] or [node]

    # ---- what it comes to

    def _read_chain(self, chain: _Chain, end: Node) -> None:
        samplings = [read_sampling(self.graph, node) for node, _ in chain]
        passes: list[list[int]] = []
        for place, sampling in enumerate(samplings):
            if place and sampling.continues and not _enlarging(chain[place - 1][1]):
                passes[-1].append(place)
            else:
                passes.append([place])
        first = passes[0]
        self.prompt, self.negative = self._prompts(samplings[first[0]])
        self.model = read_model(self.graph, samplings[first[0]].model)
        self._put_first(samplings[first[0]], [samplings[place] for place in first])
        if len(first) > 1:
            self._put_refiner([samplings[place] for place in first])
        if len(passes) > 1:
            self._put_second([samplings[place] for place in passes[1]], chain[first[-1]][1])
        for number_of, later in enumerate(passes[2:], 3):
            sampling = samplings[later[0]]
            self.found.put(f"Pass {number_of}", f"{sampling.steps} steps of {sampling.sampler}, denoise {sampling.denoise}")
        self._put_enlargement_after(chain[-1][1])
        if (vae := read_vae(self.graph, chain[-1][1], self.graph.upstream(end))) is not None:
            self.found.put("VAE", vae)

    def _prompts(self, sampling: Sampling) -> tuple[Prompt, Prompt]:
        return read_prompt(self.graph, sampling.positive, "positive"), read_prompt(self.graph, sampling.negative, "negative")

    def _put_first(self, sampling: Sampling, whole: list[Sampling]) -> None:
        found, graph = self.found, self.graph
        found.prompt = with_tags(self.prompt.text, self.model.tags)
        found.negative_prompt = self.negative.text
        found.put("Steps", max((each.steps or 0 for each in whole), default=0) or None)
        self._put_sampler("", sampling)
        found.put("CFG scale", sampling.guidance_scale)
        found.put("Seed", sampling.seed)
        found.put("Model", self.model.name)
        found.put("RNG", "ComfyUI")
        if (layer := number(self.prompt.clip_layer)) is not None and layer < -1:
            found.put("Clip skip", int(-layer))
        if self.model.cfg_rescale is not None:
            found.put("CFG rescale", self.model.cfg_rescale)
        if self.model.zero_snr:
            found.put("Noise Schedule", "Zero Terminal SNR")
        self._put_model_remarks(self.model)
        self._put_beginning(sampling, graph)
        self._put_remarks("of the prompt", self.prompt)
        self._put_remarks("of the negative prompt", self.negative)

    def _put_beginning(self, sampling: Sampling, graph: Graph) -> None:
        beginning = self.beginning[0]
        width, height = (whole_number(graph.value(beginning, name)) for name in ("width", "height"))
        if beginning.kind.startswith("LoadImage") or graph.value(beginning, "image") is not None:
            self.found.put("Source picture", graph.value(beginning, "image") or "not in the file")
            self.found.put("Denoising strength", 1.0 if sampling.denoise is None else sampling.denoise)
            self.found.put("Exact steps", True)
            scaled = next((node for node in self.beginning if whole_number(graph.value(node, "width"))), None)
            if scaled is not None:
                self.found.put_size(graph.value(scaled, "width"), graph.value(scaled, "height"))
            if any("mask" in name for node in self.beginning for name in node.inputs):
                self.found.put("Mask", "not in the file")
        elif width and height:
            self.found.put_size(width, height)
            if (count := whole_number(graph.value(beginning, "batch_size"))) and count > 1:
                self.found.put("One of a batch of", f"{count}; which one it is, and so its noise, is not told")
            if sampling.denoise is not None and sampling.denoise < 1:
                self.found.put("Denoise of an empty picture", sampling.denoise)
        else:
            self.found.put("Latents from", f"{beginning.kind} #{beginning.id}")

    def _put_sampler(self, prefix: str, sampling: Sampling) -> None:
        if not prefix:
            self.found.put("Sampler", comfy_sampler(sampling.sampler))
            self.found.put("Schedule type", schedule_type(sampling.scheduler))
            self.found.put("UniPC variant", unipc_variant(sampling.sampler))
            return
        for key, value in (("sampler", comfy_sampler(sampling.sampler)), ("schedule type", schedule_type(sampling.scheduler))):
            same = {"sampler": "Sampler", "schedule type": "Schedule type"}[key]
            if value and value != self.found.settings.get(same):
                self.found.put(f"{prefix} {key}", value)

    def _put_refiner(self, parts: list[Sampling]) -> None:
        """Another model that continues the first one's latents. One that is the same and is told the same is no other."""
        last = parts[-1]
        model = read_model(self.graph, last.model)
        prompt, negative = self._prompts(last)
        switch = last.start
        if model.name == self.model.name and prompt.text == self.prompt.text:
            return
        self.found.put("Refiner", model.name)
        if switch is not None and (steps := last.steps or parts[0].steps):
            self.found.put("Refiner switch at", f"{switch / steps:.4g}")
            self.found.put("Refiner switch by sampling steps", True)
        if prompt.text != self.prompt.text:
            self.found.put("Refiner prompt", prompt.text)
        if negative.text != self.negative.text:
            self.found.put("Refiner negative prompt", negative.text)
        self.found.put("Refiner aesthetic score", prompt.score)
        self.found.put("Refiner negative aesthetic score", negative.score)
        for name, value, same in (
            ("Refiner CFG scale", last.guidance_scale, parts[0].guidance_scale),
            ("Refiner sampler", comfy_sampler(last.sampler), comfy_sampler(parts[0].sampler)),
            ("Refiner LoRA", " ".join(model.tags), " ".join(self.model.tags)),
        ):
            if value not in (None, "") and value != same:
                self.found.put(name, value)
        if len(parts) > 2:
            self.found.put("Samplers in one pass", len(parts))

    def _put_second(self, parts: list[Sampling], between: list[Node]) -> None:
        sampling = parts[0]
        model = read_model(self.graph, sampling.model)
        prompt, negative = self._prompts(sampling)
        found = self.found
        found.put("Denoising strength", 1.0 if sampling.denoise is None else sampling.denoise)
        self._put_enlargement(between)
        found.put("Hires steps", sampling.steps)
        self._put_sampler("Hires", sampling)
        if sampling.guidance_scale != number(found.settings.get("CFG scale")):
            found.put("Hires CFG Scale", sampling.guidance_scale)
        if model.name != self.model.name:
            found.put("Hires checkpoint", model.name)
        if prompt.text != self.prompt.text or model.tags != self.model.tags:
            found.put("Hires prompt", with_tags(prompt.text, model.tags))
        if negative.text != self.negative.text:
            found.put("Hires negative prompt", negative.text)
        if sampling.seed is not None and str(sampling.seed) != found.settings.get("Seed"):
            found.put("Seed of the second pass", sampling.seed)
        if len(parts) > 1:
            found.put("Refiner of the second pass", read_model(self.graph, parts[-1].model).name)

    def _put_enlargement(self, between: list[Node]) -> None:
        """Between two passes: by how much, and how."""
        graph, nodes = self.graph, _enlarging(between)
        upscaler, scale, size = None, None, None
        for node in nodes:
            method = str(graph.value(node, "upscale_method") or "")
            if (model := graph.source(node, "upscale_model")) is not None:
                upscaler = model_name(graph.value(model, "model_name"))
            elif method and upscaler is None:
                latent = "Latent" in node.kind
                upscaler = (_LATENT_METHODS if latent else _PIXEL_METHODS).get(method, f"{'Latent ' if latent else ''}{method}")
            scale = number(graph.value(node, "scale_by")) or scale
            width, height = (whole_number(graph.value(node, name)) for name in ("width", "height"))
            size = (width, height) if width and height else size
        by_model = any(graph.source(node, "upscale_model") for node in nodes)
        self.found.put("Hires upscaler", upscaler or "None")
        if size is not None or by_model:
            # How much a model enlarges stands in its own file; the picture tells what came of it.
            width, height = size or self.size
            self.found.put("Hires resize", f"{width}x{height}")
        else:
            self.found.put("Hires upscale", scale or 1)

    def _put_enlargement_after(self, after: list[Node]) -> None:
        for node in _enlarging(after):
            model = self.graph.source(node, "upscale_model")
            how = self.graph.value(model, "model_name") if model else self.graph.value(node, "upscale_method")
            self.found.put("Enlarged afterwards with", model_name(how) or node.kind)

    def _put_remarks(self, label: str, prompt: Prompt) -> None:
        for place, (key, value) in enumerate(prompt.remarks, 1):
            if self.found.settings.get(key) != value:
                self.found.put(key if key not in self.found.settings else f"{key} {label} {place}", value)

    def _put_model_remarks(self, model: Model) -> None:
        for key, value in model.remarks:
            self.found.put(key, value)


def _enlarging(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if {"upscale_method", "upscale_model", "scale_by"} & set(node.inputs)]


def notes_of(graph: Graph, nodes: list[Node]) -> list[str]:
    """The nodes in the order in which they work, each with its values and where its inputs come from."""
    lines = []
    for node in nodes[:_SHOWN_NODES]:
        parts = []
        for name, value in node.inputs.items():
            source = graph.node(value[0]) if isinstance(value, list) and len(value) == 2 else None
            if source is not None:
                parts.append(f"{name} ← {source.kind} #{source.id}")
            elif not isinstance(value, (list, dict)) and value not in (None, ""):
                parts.append(f"{name}: {value!s:.400}")
        lines.append(f"{node.kind} #{node.id}" + (f" ({'; '.join(parts)})" if parts else ""))
    if len(nodes) > _SHOWN_NODES:
        lines.append(f"… {len(nodes) - _SHOWN_NODES:,} more")
    return lines
