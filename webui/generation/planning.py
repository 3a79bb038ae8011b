"""The plan of each pass as the extensions leave it: what its prompts say, and who goes on with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from webui.checkpoints.catalog import Catalog, CheckpointInfo
from webui.checkpoints.embeddings import Embeddings, EmbeddingShelf
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Identity, identity_of
from webui.core.request import GenerationRequest
from webui.core.switching import ModelSwitch
from webui.diffusion.conditioning import Conditioning, HiddenStates
from webui.generation.models import Model
from webui.generation.network_shelf import NetworkShelf
from webui.generation.networks import Networks
from webui.generation.session import MakePlan
from webui.generation.stages import Plan, encode, make_plan
from webui.generation.succession import successor_of
from webui.generation.work import Work
from webui.plugins.loader import PluginManager

_NOTICES_LIMIT = 8


class Planner:
    """Keeps what the text encoders of the last checkpoint said."""

    def __init__(self, catalog: Catalog, shelf: EmbeddingShelf, plugins: PluginManager, networks: NetworkShelf) -> None:
        self._catalog, self._shelf, self._plugins, self._networks = catalog, shelf, plugins, networks
        self._states = HiddenStates()
        self._states_of: Identity | None = None

    def of(self, model: Model, checkpoint: CheckpointInfo, work: Work) -> MakePlan:
        """Makes the plan of a pass on a lent pipeline, whose text encoders are used meanwhile."""
        pipeline = model.pipeline
        states, files = self._hidden_states(checkpoint), self._files_for(pipeline)

        def planned(request: GenerationRequest, **others: Any) -> Plan:
            second = others.get("calls_before") is not None
            inherited = second and not work.request.hires_prompt
            networks, embeddings = self._called(model, files, request, work, second=second, inherited=inherited)
            plan = make_plan(pipeline, request, states, embeddings, networks=networks, **others)
            conditioning = self._plugins.fold("alter_conditioning", plan.conditioning, request=request)
            alters = self._plugins.implements("alter_guidance")
            plan = replace(plan, conditioning=conditioning, alters_guidance=alters)
            return self._with_successor(plan, pipeline, work, others.get("calls_before"))

        return planned

    def _with_successor(self, plan: Plan, pipeline: Pipeline, work: Work, calls_before: int | None) -> Plan:
        """The plan with who goes on with it, where an extension wants that."""
        second_pass = calls_before is not None
        switch = self._plugins.only("switch_model", ModelSwitch, request=plan.request, second_pass=second_pass)
        if switch is None:
            return plan
        scores = switch.aesthetic_score, switch.negative_aesthetic_score

        def tell(model: Model, request: GenerationRequest) -> tuple[Conditioning, Networks]:
            other = model.pipeline
            self._plugins.tell("on_model_loaded", checkpoint=other.checkpoint.name, request=request)
            files, inherited = self._files_for(other), switch.prompt is None
            networks, embeddings = self._called(model, files, request, work, second=second_pass, inherited=inherited)
            told = encode(other, request, plan.guidance, self._states, embeddings, calls_before, scores, networks.key)
            return self._plugins.fold("alter_conditioning", told, request=request), networks

        return replace(plan, successor=successor_of(plan, pipeline, switch, self._catalog, tell))

    def _called(
        self, model: Model, files: Embeddings, request: GenerationRequest, work: Work, *, second: bool, inherited: bool
    ) -> tuple[Networks, Embeddings]:
        """What the prompts call: networks, of which the text encoders have theirs now, and embeddings, also those in LoRAs.

        People are told of embeddings that the text encoders cannot take.
        """
        networks = self._networks.of(model.pipeline, request.prompt, work.say, second=second, inherited=inherited)
        work.networks.append(networks)
        networks.merge_text(model, work.control.check)
        embeddings = files.beside(networks.embeddings)
        for text in embeddings.misfits(f"{work.request.prompt}\n{work.request.negative_prompt}")[:_NOTICES_LIMIT]:
            work.say(text)
        return networks, embeddings

    def _files_for(self, pipeline: Pipeline) -> Embeddings:
        return self._shelf.for_encoders([encoder.module.config.hidden_size for encoder in pipeline.text_encoders])

    def _hidden_states(self, checkpoint: CheckpointInfo) -> HiddenStates:
        """Those of another checkpoint are forgotten, for it may be read into the same modules."""
        if (identity := identity_of(checkpoint)) != self._states_of:
            self._states, self._states_of = HiddenStates(), identity
        return self._states
