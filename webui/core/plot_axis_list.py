"""All axes of a plot: the fields of a request under the names that A1111's users know, those of extensions, and a few rules.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from webui.core.extras import ExtraKinds
from webui.core.fields.hires import LATENT_UPSCALERS, PIXEL_UPSCALERS, SAME_CHECKPOINT
from webui.core.params import FieldSpec, params_of
from webui.core.plot_axes import BOTH, IMG2IMG, NOTHING, TXT2IMG, AxisType
from webui.core.plot_rules import NO_LORA, NO_STYLE, RULES
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN, GenerationRequest
from webui.core.styles import Style

#: A1111's names in its order, each with the field behind it (None: a rule), and on which tab it stands. A number in a
#: script's arguments counts in this list, those of the other tab left out.
A1111_AXES: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    (NOTHING, None, BOTH),
    ("Seed", "seed", BOTH),
    ("Var. seed", "variation_seed", BOTH),
    ("Var. strength", "variation_strength", BOTH),
    ("Steps", "steps", BOTH),
    ("Hires steps", "hires_steps", (TXT2IMG,)),
    ("CFG Scale", "guidance_scale", BOTH),
    ("Image CFG Scale", "image_guidance_scale", (IMG2IMG,)),
    ("Prompt S/R", None, BOTH),
    ("Prompt order", None, BOTH),
    ("Sampler", "sampler", BOTH),
    ("Hires sampler", "hires_sampler", (TXT2IMG,)),
    ("Checkpoint name", "checkpoint", BOTH),
    ("Negative Guidance minimum sigma", "ngms", BOTH),
    ("Sigma Churn", "sigma_churn", BOTH),
    ("Sigma min", "sigma_tmin", BOTH),
    ("Sigma max", "sigma_tmax", BOTH),
    ("Sigma noise", "sigma_noise", BOTH),
    ("Schedule type", "scheduler", BOTH),
    ("Schedule min sigma", "schedule_low", BOTH),
    ("Schedule max sigma", "schedule_high", BOTH),
    ("Schedule rho", "schedule_rho", BOTH),
    ("Beta schedule alpha", "beta_alpha", BOTH),
    ("Beta schedule beta", "beta_beta", BOTH),
    ("Eta", "eta", BOTH),
    ("Clip skip", "clip_skip", BOTH),
    ("Denoising", "denoising_strength", BOTH),
    ("Initial noise multiplier", "initial_noise_multiplier", BOTH),
    ("Extra noise", "extra_noise", BOTH),
    ("Hires upscaler", "hires_upscaler", (TXT2IMG,)),
    ("Cond. Image Mask Weight", "mask_weight", (IMG2IMG,)),
    ("VAE", "vae", BOTH),
    ("Styles", None, BOTH),
    ("UniPC Order", None, BOTH),
    ("Face restore", "", BOTH),
    ("Token merging ratio", "", BOTH),
    ("Token merging ratio high-res", "", BOTH),
    ("Always discard next-to-last sigma", "discard_penultimate", BOTH),
    ("SGM noise multiplier", "sgm_noise_multiplier", BOTH),
    ("Refiner checkpoint", "", BOTH),
    ("Refiner switch at", "", BOTH),
    ("RNG source", "noise_source", BOTH),
    ("FP8 mode", "fp8_weight", BOTH),
    ("Size", None, BOTH),
)

#: Of A1111's names, those that a field brings with it by its name in A1111's API.
_BY_API = {
    "refiner_checkpoint": "Refiner checkpoint",
    "refiner_switch_at": "Refiner switch at",
    "restore_faces": "Face restore",
    "override_settings.token_merging_ratio": "Token merging ratio",
    "override_settings.token_merging_ratio_hr": "Token merging ratio high-res",
}

_COST = {"checkpoint": 1.0, "hires_checkpoint": 1.0, "vae": 0.7}
_COST_OF_LORA = 0.6
_COST_BY_NAME = {"Refiner checkpoint": 1.0, "FP8 mode": 0.9, "UniPC Order": 0.5}

#: Fields that make no axis: several pictures have no place in a cell, a digest is nothing to type.
_NO_AXIS = frozenset({"batch_count", "batch_size", "source", "mask", "hires_source"})

_HELP = {
    NOTHING: "This axis is not used.",
    "Prompt S/R": "Search and replace: the first value is looked for in the prompts and replaced by each value in turn.",
    "Negative prompt S/R": "As Prompt S/R, in the negative prompt alone.",
    "Prompt order": "Every order of these texts, which stand in the prompt.",
    "Styles": 'Put these styles into the prompts; several in one picture: "one, two" in quotes. None: as the prompts are.',
    "Size": "Width and height, such as 512x768.",
    "LoRA": "Another file in the first <lora:…> of the prompt, or at its end where there is none. None: without that tag.",
    "LoRA weight": "Another weight in the first <lora:…> of the prompt.",
}
_KINDS = {int: "int", float: "float", bool: "bool", str: "text"}


def axis_types(
    *,
    checkpoints: Iterable[str] = (),
    vaes: Iterable[str] = (),
    upscalers: Iterable[str] = (),
    loras: Iterable[str] | None = None,
    styles: Iterable[Style] = (),
    extras: ExtraKinds | None = None,
    find_checkpoint: Callable[[str], str] | None = None,
    find_vae: Callable[[str], str] | None = None,
    find_upscaler: Callable[[str], str] | None = None,
) -> dict[str, AxisType]:
    """All axes by name, A1111's first and in its order.

    Args:
        loras: names to pick from; None: any name is taken.
        find_checkpoint, find_vae, find_upscaler: the name that a text means, or InvalidRequest; None: it must be in the list.
    """
    checkpoints, styles = tuple(checkpoints), tuple(styles)
    names = {"checkpoint": checkpoints, "vae": (VAE_AUTOMATIC, VAE_BUILT_IN, *vaes)}
    names["hires_checkpoint"] = (SAME_CHECKPOINT, *checkpoints)
    names["hires_upscaler"] = tuple(dict.fromkeys((*LATENT_UPSCALERS, *PIXEL_UPSCALERS, *upscalers)))
    names["lora"] = () if loras is None else (NO_LORA, *loras)
    finders = {
        "checkpoint": find_checkpoint,
        "vae": find_vae,
        "hires_checkpoint": _or(SAME_CHECKPOINT, find_checkpoint),
        "hires_upscaler": find_upscaler,
    }
    found: dict[str, AxisType] = {}
    core = params_of(GenerationRequest)
    for name, field, tabs in A1111_AXES:
        if field is None:
            found[name] = _with_rule(name, styles)
        elif field:
            found[name] = _of_field(name, core[field], tabs, names.get(field, ()), finders.get(field))
    found["Negative prompt S/R"] = _with_rule("Negative prompt S/R", styles)
    found["LoRA"] = replace(_with_rule("LoRA", ()), kind="choice", choices=names["lora"], cost=_COST_OF_LORA)
    found["LoRA weight"] = replace(_with_rule("LoRA weight", ()), kind="float", cost=_COST_OF_LORA)
    taken = {axis.field for axis in found.values()} | _NO_AXIS | {"unipc_order"}
    others = {name: spec for name, spec in core.items() if name not in taken}
    for field, spec in (others | (extras.fields if extras else {})).items():
        name = _free_name(spec, found)
        choices, find = names.get(field, ()), finders.get(field)
        if spec.param.files == "checkpoint" and not choices:
            choices, find = (str(spec.default), *checkpoints), _or(str(spec.default), find_checkpoint)
        found[name] = _of_field(name, spec, _tabs(spec), choices, find)
    order = {name: place for place, (name, *_) in enumerate(A1111_AXES)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _with_rule(name: str, styles: tuple[Style, ...]) -> AxisType:
    kind, choices = "text", ()
    if name == NOTHING:
        kind = "none"
    elif name == "Styles":
        kind, choices = "choice", (NO_STYLE, *(style.name for style in styles))
    elif name == "UniPC Order":
        kind = "int"
    used = styles if name == "Styles" else ()
    return AxisType(
        name, None, kind, choices, _COST_BY_NAME.get(name, 0.0), help=_HELP.get(name, ""), styles=used, rule=RULES.get(name)
    )


def _of_field(
    name: str, spec: FieldSpec, tabs: tuple[str, ...], choices: tuple[str, ...], find: Callable[[str], str] | None
) -> AxisType:
    choices = choices or tuple(spec.param.choices) or (("True", "False") if spec.kind is bool else ())
    kind = "choice" if choices and spec.kind is str else _KINDS[spec.kind]
    cost = _COST.get(spec.name, _COST_BY_NAME.get(name, 0.0))
    # Messages speak of the axis, not of the field's place in a form.
    labelled = replace(spec, param=replace(spec.param, label=name))
    return AxisType(name, spec.name, kind, choices, cost, tabs, spec.param.help, labelled, find)


def _or(word: str, find: Callable[[str], str] | None) -> Callable[[str], str] | None:
    """The word itself, in any case, or what is found."""
    return None if find is None else lambda text: word if text.casefold() == word.casefold() else find(text)


def _free_name(spec: FieldSpec, taken: Mapping[str, AxisType]) -> str:
    named = _BY_API.get(spec.param.api or "", spec.param.label)
    if named not in taken:
        return named
    return f"{spec.name.partition('.')[0]}: {named}" if "." in spec.name else f"{named} ({spec.name})"


def _tabs(spec: FieldSpec) -> tuple[str, ...]:
    if spec.param.group == "hires":
        return (TXT2IMG,)
    return (IMG2IMG,) if spec.param.group in ("source", "mask", "soft") else BOTH
