"""Which fields of a request have an effect only with some values of others: infotext leaves them out, the page hides them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from webui.core.fields.hires import HiresFields
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.source import SourceFields
from webui.core.fields.tiling import TILED_AUTO, TILED_ON
from webui.core.growing import Listing
from webui.core.params import params_of
from webui.core.prompt_schedule import prompt_schedule
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.samplers import SAMPLERS, SamplerInfo, find_sampler


def _samplers(suits: Callable[[SamplerInfo], bool]) -> Mapping[str, Sequence[str]]:
    return {"sampler": Listing(SAMPLERS, lambda sampler: sampler.name, fits=suits)}


_CHURNS = _samplers(lambda sampler: sampler.churns)
_UNIPC = _samplers(lambda sampler: sampler.name == "UniPC")
_BETA = {"scheduler": ["Beta"]}
_TILES = {"tiled_vae": [TILED_AUTO, TILED_ON]}

#: By option: the field that decides, and its values with which the option has an effect. The page reads them.
NEEDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "eta": _samplers(lambda sampler: sampler.eta is not None),
    "eta_noise_seed_delta": _samplers(lambda sampler: sampler.ancestral),
    **dict.fromkeys(("sigma_churn", "sigma_tmin", "sigma_tmax"), _CHURNS),
    **dict.fromkeys(("beta_alpha", "beta_beta"), _BETA),
    **dict.fromkeys(("unipc_variant", "unipc_skip_type", "unipc_order", "unipc_lower_order_final"), _UNIPC),
    **dict.fromkeys(("encoder_tile", "decoder_tile", "fast_tiles"), _TILES),
}


def has_effect(name: str, request: GenerationRequest) -> bool:
    """Whether the field can change the picture, as the request's other fields are."""
    if any(getattr(request, decider) not in values for decider, values in NEEDS.get(name, {}).items()):
        return False
    matters = _MATTERS.get(name)
    return matters is None or matters(request)


def fields_of(table: type, group: str) -> list[str]:
    """The names of a group's fields, but for the denoising strength, which belongs to several."""
    return [name for name, spec in params_of(table).items() if spec.param.group == group and name != "denoising_strength"]


def _sampler(request: GenerationRequest) -> SamplerInfo:
    found = find_sampler(request.sampler)
    assert found is not None, "a request's sampler is one of the table's"
    return found


def _resizes_seed(request: GenerationRequest) -> bool:
    return request.seed_resize_width > 0 and request.seed_resize_height > 0


def _is_noisy(request: GenerationRequest) -> bool:
    return (request.eta if request.eta is not None else _sampler(request).eta) != 0


def _is_inpainting(request: GenerationRequest) -> bool:
    return request.source is not None and (request.mask is not None or request.outpaints)


def _outpaints(request: GenerationRequest) -> bool:
    return request.source is not None and request.outpaints


def _resizes_to(request: GenerationRequest) -> bool:
    return request.hires_width > 0 or request.hires_height > 0


def _timelines_differ(request: GenerationRequest) -> bool:
    calls = request.steps * _sampler(request).calls
    texts = (request.prompt, request.negative_prompt)
    return any(prompt_schedule(text, calls) != prompt_schedule(text, calls, old=True) for text in texts)


#: What more the request must say elsewhere, where values of one field do not tell.
_MATTERS: dict[str, Callable[[GenerationRequest], bool]] = {
    "vae": lambda request: request.vae not in (VAE_AUTOMATIC, VAE_BUILT_IN),
    "noise_source": lambda request: request.noise_source != "GPU",
    "variation_seed": lambda request: request.variation_strength > 0,
    "seed_resize_width": _resizes_seed,
    "seed_resize_height": _resizes_seed,
    "eta_noise_seed_delta": _is_noisy,
    "emphasis": lambda request: any(mark in request.prompt + request.negative_prompt for mark in "(["),
    "old_prompt_editing": _timelines_differ,
    "eta": lambda request: _sampler(request).eta != request.eta,
    "ngms_all_steps": lambda request: request.ngms > 0,
    "denoising_strength": lambda request: request.source is not None or request.hires,
    **dict.fromkeys(fields_of(SourceFields, "source"), lambda request: request.source is not None),
    **dict.fromkeys(fields_of(SourceFields, "mask"), _is_inpainting),
    **dict.fromkeys(fields_of(SourceFields, "soft"), lambda request: _is_inpainting(request) and request.soft_inpainting),
    **dict.fromkeys(fields_of(OutpaintFields, "outpaint"), _outpaints),
    **dict.fromkeys(fields_of(HiresFields, "hires"), lambda request: request.hires),
    "hires_scale": lambda request: request.hires and not _resizes_to(request),
    "hires_width": lambda request: request.hires and _resizes_to(request),
    "hires_height": lambda request: request.hires and _resizes_to(request),
}
