"""What the page hides of the sampling options and what infotext leaves out must be the same."""

from typing import Any

import pytest

from webui.core import infotext
from webui.core.effects import NEEDS
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS

#: A value of each option that is not its default, with which it would have an effect.
OTHERS = {
    "eta": 0.4,
    "eta_noise_seed_delta": 31337,
    "sigma_churn": 2.0,
    "sigma_tmin": 0.5,
    "sigma_tmax": 9.0,
    "beta_alpha": 0.7,
    "beta_beta": 0.7,
    "unipc_variant": "bh2",
    "unipc_skip_type": "logSNR",
    "unipc_order": 2,
    "unipc_lower_order_final": False,
}


def is_written(name: str, **others: str) -> bool:
    values: dict[str, Any] = {name: OTHERS[name], **others}
    written = infotext.parse(infotext.format(GenerationRequest(**values))).settings
    return params_of(GenerationRequest)[name].param.infotext in written or (name == "eta" and "Eta DDIM" in written)


def test_tile_sizes_are_shown_where_the_vae_may_be_tiled():
    assert {name for name, needs in NEEDS.items() if "tiled_vae" in needs} == {"encoder_tile", "decoder_tile", "fast_tiles"}
    assert all(set(NEEDS[name]["tiled_vae"]) == {"Auto", "On"} for name in ("encoder_tile", "decoder_tile", "fast_tiles"))


@pytest.mark.parametrize("name", OTHERS)
def test_an_option_is_shown_exactly_where_infotext_writes_it(name):
    [(decider, values)] = NEEDS[name].items()
    choices = SAMPLER_NAMES if decider == "sampler" else SCHEDULER_LABELS
    assert values
    assert [choice for choice in choices if is_written(name, **{decider: choice})] == [
        choice for choice in choices if choice in values
    ]
