"""Which options have an effect only with some values of another field, for the page to show no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from webui.core.samplers import SAMPLERS, SamplerInfo


def _samplers(suits: Callable[[SamplerInfo], bool]) -> Mapping[str, list[str]]:
    return {"sampler": [sampler.name for sampler in SAMPLERS if suits(sampler)]}


_CHURNS = _samplers(lambda sampler: sampler.churns)
_UNIPC = _samplers(lambda sampler: sampler.name == "UniPC")
_BETA = {"scheduler": ["Beta"]}
_TILES = {"tiled_vae": ["Auto", "On"]}

#: By option: the field that decides, and its values with which the option has an effect. Others always have one.
NEEDS: Mapping[str, Mapping[str, list[str]]] = {
    "eta": _samplers(lambda sampler: sampler.eta is not None),
    "eta_noise_seed_delta": _samplers(lambda sampler: sampler.ancestral),
    "sigma_churn": _CHURNS,
    "sigma_tmin": _CHURNS,
    "sigma_tmax": _CHURNS,
    "beta_alpha": _BETA,
    "beta_beta": _BETA,
    "unipc_variant": _UNIPC,
    "unipc_skip_type": _UNIPC,
    "unipc_order": _UNIPC,
    "unipc_lower_order_final": _UNIPC,
    "encoder_tile": _TILES,
    "decoder_tile": _TILES,
    "fast_tiles": _TILES,
}
