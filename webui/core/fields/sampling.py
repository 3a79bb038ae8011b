"""The options of samplers and schedules, and what guidance does: the rarely touched fields of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param


@dataclass(frozen=True, kw_only=True)
class SamplingFields:
    """See `GenerationRequest`."""

    eta: Annotated[
        float | None,
        Param(
            "Eta",
            infotext="Eta",
            api="eta",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="How much noise ancestral samplers and DDIM add; empty: the sampler's own, 1 or 0.",
        ),
    ] = None
    sigma_churn: Annotated[
        float, Param("Sigma churn", infotext="Sigma churn", api="s_churn", low=0, high=100, step=0.01, group="sampling")
    ] = 0.0
    sigma_tmin: Annotated[
        float, Param("Sigma tmin", infotext="Sigma tmin", api="s_tmin", low=0, high=10, step=0.01, group="sampling")
    ] = 0.0
    sigma_tmax: Annotated[
        float,
        Param(
            "Sigma tmax", infotext="Sigma tmax", api="s_tmax", low=0, high=999, step=0.01, group="sampling", help="0: no limit."
        ),
    ] = 0.0
    sigma_noise: Annotated[
        float, Param("Sigma noise", infotext="Sigma noise", api="s_noise", low=0, high=1.1, step=0.001, group="sampling")
    ] = 1.0
    sgm_noise_multiplier: Annotated[
        bool,
        Param(
            "SGM noise multiplier",
            infotext="SGM noise multiplier",
            api="override_settings.sgm_noise_multiplier",
            group="sampling",
            help="Begin with noise of √(1 + σ²), as Stability's own code does for SDXL.",
        ),
    ] = False
    discard_penultimate: Annotated[
        bool,
        Param(
            "Discard penultimate sigma",
            infotext="Discard penultimate sigma",
            api="override_settings.always_discard_next_to_last_sigma",
            group="sampling",
        ),
    ] = False
    schedule_low: Annotated[
        float,
        Param(
            "Schedule min sigma",
            infotext="Schedule min sigma",
            api="override_settings.sigma_min",
            low=0,
            high=10,
            step=0.01,
            group="sampling",
            help="0: the model's.",
        ),
    ] = 0.0
    schedule_high: Annotated[
        float,
        Param(
            "Schedule max sigma",
            infotext="Schedule max sigma",
            api="override_settings.sigma_max",
            low=0,
            high=5000,
            step=0.01,
            group="sampling",
            help="0: the model's.",
        ),
    ] = 0.0
    schedule_rho: Annotated[
        float,
        Param(
            "Schedule rho",
            infotext="Schedule rho",
            api="override_settings.rho",
            low=0,
            high=100,
            step=0.01,
            group="sampling",
            help="0: the schedule's own, 7 for Karras.",
        ),
    ] = 0.0
    beta_alpha: Annotated[
        float,
        Param(
            "Beta schedule alpha",
            infotext="Beta schedule alpha",
            api="override_settings.beta_dist_alpha",
            low=0.01,
            high=5,
            step=0.01,
            group="sampling",
        ),
    ] = 0.6
    beta_beta: Annotated[
        float,
        Param(
            "Beta schedule beta",
            infotext="Beta schedule beta",
            api="override_settings.beta_dist_beta",
            low=0.01,
            high=5,
            step=0.01,
            group="sampling",
        ),
    ] = 0.6
    ngms: Annotated[
        float,
        Param(
            "Negative Guidance minimum sigma",
            infotext="NGMS",
            api="s_min_uncond",
            low=0,
            high=15,
            step=0.01,
            group="sampling",
            help="Below this noise level the negative prompt is left out at every other step, which is quicker; 0: never.",
        ),
    ] = 0.0
    ngms_all_steps: Annotated[
        bool,
        Param(
            "Negative Guidance minimum sigma all steps",
            infotext="NGMS all steps",
            api="override_settings.s_min_uncond_all",
            group="sampling",
        ),
    ] = False
    skip_early_cfg: Annotated[
        float,
        Param(
            "Ignore negative prompt during early sampling",
            infotext="Skip Early CFG",
            api="override_settings.skip_early_cond",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="For this share of the steps the CFG scale is 1.",
        ),
    ] = 0.0
    cfg_rescale: Annotated[
        float,
        Param(
            "CFG rescale",
            infotext="CFG rescale",
            low=0,
            high=1,
            step=0.01,
            group="sampling",
            help="Takes back what a high CFG scale adds in contrast; 0.7 suits models with zero terminal SNR.",
        ),
    ] = 0.0
    zero_terminal_snr: Annotated[
        bool,
        Param(
            "Zero Terminal SNR",
            infotext="Noise Schedule",
            api="override_settings.sd_noise_schedule",
            group="sampling",
            help="Rescale the model's noise schedule so that its last step is pure noise.",
        ),
    ] = False
    downcast_alphas: Annotated[
        bool,
        Param(
            "Downcast alphas_cumprod",
            infotext="Downcast alphas_cumprod",
            api="override_settings.use_downcasted_alpha_bar",
            group="sampling",
            help="Noise levels in half precision, as A1111 before 1.7 had them.",
        ),
    ] = False
    pad_conds: Annotated[
        bool,
        Param(
            "Pad prompt/negative prompt",
            infotext="Pad conds",
            api="override_settings.pad_cond_uncond",
            group="sampling",
            help="Fill up the shorter of the two with empty chunks, as A1111 can for speed; it changes the picture a little.",
        ),
    ] = False
    pad_conds_v0: Annotated[
        bool,
        Param(
            "Pad prompt/negative prompt (v0)",
            infotext="Pad conds v0",
            api="override_settings.pad_cond_uncond_v0",
            group="sampling",
            help="As A1111 before 1.6 with DDIM and PLMS: the negative prompt is cut or stretched to the prompt's length.",
        ),
    ] = False
    unipc_variant: Annotated[
        str,
        Param(
            "UniPC variant",
            infotext="UniPC variant",
            api="override_settings.uni_pc_variant",
            choices=("bh1", "bh2", "vary_coeff"),
            group="sampling",
        ),
    ] = "bh1"
    unipc_skip_type: Annotated[
        str,
        Param(
            "UniPC skip type",
            infotext="UniPC skip type",
            api="override_settings.uni_pc_skip_type",
            choices=("time_uniform", "time_quadratic", "logSNR"),
            group="sampling",
        ),
    ] = "time_uniform"
    unipc_order: Annotated[
        int,
        Param(
            "UniPC order",
            infotext="UniPC order",
            api="override_settings.uni_pc_order",
            low=1,
            high=3,
            step=1,
            group="sampling",
        ),
    ] = 3
    unipc_lower_order_final: Annotated[
        bool,
        Param(
            "UniPC lower order final",
            infotext="UniPC lower order final",
            api="override_settings.uni_pc_lower_order_final",
            group="sampling",
        ),
    ] = True
