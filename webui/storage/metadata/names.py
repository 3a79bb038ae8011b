"""What samplers and schedule types are called elsewhere. A name that is not here stays as it is, and is refused by its field."""

from __future__ import annotations

#: k-diffusion's names, as ComfyUI and those who build on it use them.
_K_DIFFUSION = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "euler_a": "Euler a",
    "euler_ancestral_cfg_pp": "Euler a CFG++",
    "heun": "Heun",
    "heunpp2": "HeunPP2",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "dpm2": "DPM2",
    "dpm2_a": "DPM2 a",
    "lms": "LMS",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_2s_a": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_gpu": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_cfg_pp": "DPM++ 2M CFG++",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_2m_sde_heun_gpu": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
    "ddpm": "DDPM",
    "lcm": "LCM",
    "tcd": "TCD",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM_V",
    "deis": "DEIS",
    "restart": "Restart",
    "ddim": "DDIM",
    "plms": "PLMS",
    "unipc": "UniPC",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
}

#: Those of diffusers, as InvokeAI names them.
_DIFFUSERS = {
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "pndm": "PLMS",
    "dpmpp_2": "DPM++ 2M",
    "dpmpp_2s": "DPM++ 2S a",
}

#: Those of SD.Next that are called otherwise than in A1111.
SD_NEXT = {
    "LMSD": "LMS",
    "PNDM": "PLMS",
    "KDPM2": "DPM2",
    "KDPM2 a": "DPM2 a",
    "DPM SDE": "DPM++ SDE",
    "Heun++": "HeunPP2",
}

_DRAW_THINGS = {
    "Euler Ancestral": ("Euler a", "Automatic"),
    "Euler A Trailing": ("Euler a", "SGM Uniform"),
    "Euler A AYS": ("Euler a", "Align Your Steps"),
    "DPM++ 2M Karras": ("DPM++ 2M", "Karras"),
    "DPM++ 2M Trailing": ("DPM++ 2M", "SGM Uniform"),
    "DPM++ 2M AYS": ("DPM++ 2M", "Align Your Steps"),
    "DPM++ SDE Karras": ("DPM++ SDE", "Karras"),
    "DPM++ SDE Trailing": ("DPM++ SDE", "SGM Uniform"),
    "DPM++ SDE AYS": ("DPM++ SDE", "Align Your Steps"),
    "DDIM Trailing": ("DDIM", "SGM Uniform"),
}

_SCHEDULERS = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
    "turbo": "Turbo",
    "native": "Automatic",
}


def sampler_name(name: object) -> str:
    """From k-diffusion's or diffusers' spelling, with or without "k_" before it."""
    text = str(name or "").strip()
    key = text.lower().removeprefix("k_")
    return {**_K_DIFFUSION, **_DIFFUSERS}.get(key, text)


def comfy_sampler(name: object) -> str:
    """As ComfyUI means it: its ddim is Euler's method on its own noise levels."""
    return "Euler" if str(name) == "ddim" else sampler_name(name)


def schedule_type(name: object) -> str:
    text = str(name or "").strip()
    return _SCHEDULERS.get(text.lower(), text)


def invoke_sampler(name: str) -> tuple[str, str]:
    """InvokeAI's name as sampler and schedule type: the ending "_k" stands for Karras, and none for diffusers' even steps."""
    stem = name.removesuffix("_k")
    return sampler_name(stem), "Karras" if stem != name else "Uniform"


def draw_things_sampler(name: str) -> tuple[str, str | None]:
    """None: the sampler's own schedule type."""
    return _DRAW_THINGS.get(name, (name, None))


def unipc_variant(name: object) -> str | None:
    """The variant that ComfyUI's name of UniPC stands for; None for another sampler."""
    return {"uni_pc": "bh1", "uni_pc_bh2": "bh2"}.get(str(name))
