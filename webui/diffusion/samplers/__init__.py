"""Samplers: from noise to clean latents along a list of noise levels, each a function of the shape `base.Sampler`."""

from __future__ import annotations

from webui.diffusion.samplers.base import (
    BrownianSteps,
    Denoise,
    Noise,
    OnStep,
    Sampler,
    SamplerOptions,
    Step,
)
from webui.diffusion.samplers.cfgpp import sample_ddim_cfgpp, sample_dpmpp_2m_cfgpp, sample_euler_ancestral_cfgpp
from webui.diffusion.samplers.ddim import sample_ddim, sample_plms
from webui.diffusion.samplers.distilled import sample_lcm, sample_tcd
from webui.diffusion.samplers.dpm_solver import sample_dpm_adaptive, sample_dpm_fast
from webui.diffusion.samplers.dpmpp import sample_dpmpp_2m, sample_dpmpp_2s_ancestral
from webui.diffusion.samplers.euler import sample_ddpm, sample_euler, sample_euler_ancestral
from webui.diffusion.samplers.heun import (
    sample_dpm2,
    sample_dpm2_ancestral,
    sample_heun,
    sample_heunpp2,
    sample_restart,
)
from webui.diffusion.samplers.linear_multistep import sample_deis, sample_ipndm, sample_ipndm_v, sample_lms
from webui.diffusion.samplers.sde import (
    sample_dpmpp_2m_sde,
    sample_dpmpp_2m_sde_heun,
    sample_dpmpp_3m_sde,
    sample_dpmpp_sde,
)
from webui.diffusion.samplers.unipc import sample_unipc

__all__ = ["SAMPLERS", "BrownianSteps", "Denoise", "Noise", "OnStep", "Sampler", "SamplerOptions", "Step"]

#: By the names of `core.samplers.SAMPLER_NAMES`, in their order; a test compares the two.
SAMPLERS: dict[str, Sampler] = {
    "DPM++ 2M": sample_dpmpp_2m,
    "DPM++ SDE": sample_dpmpp_sde,
    "DPM++ 2M SDE": sample_dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": sample_dpmpp_2m_sde_heun,
    "DPM++ 2S a": sample_dpmpp_2s_ancestral,
    "DPM++ 3M SDE": sample_dpmpp_3m_sde,
    "Euler a": sample_euler_ancestral,
    "Euler": sample_euler,
    "LMS": sample_lms,
    "Heun": sample_heun,
    "DPM2": sample_dpm2,
    "DPM2 a": sample_dpm2_ancestral,
    "DPM fast": sample_dpm_fast,
    "DPM adaptive": sample_dpm_adaptive,
    "Restart": sample_restart,
    "HeunPP2": sample_heunpp2,
    "IPNDM": sample_ipndm,
    "IPNDM_V": sample_ipndm_v,
    "DEIS": sample_deis,
    "DDIM": sample_ddim,
    "DDIM CFG++": sample_ddim_cfgpp,
    "PLMS": sample_plms,
    "UniPC": sample_unipc,
    "LCM": sample_lcm,
    "DDPM": sample_ddpm,
    "TCD": sample_tcd,
    "DPM++ 2M CFG++": sample_dpmpp_2m_cfgpp,
    "Euler a CFG++": sample_euler_ancestral_cfgpp,
}
