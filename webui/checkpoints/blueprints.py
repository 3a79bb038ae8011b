"""Draw the blueprint of a file or folder from its headers and configurations. No torch; only headers are read."""

from __future__ import annotations

import json
from pathlib import Path

from webui.checkpoints import configs, keys
from webui.checkpoints.blueprint import Blueprint, Config, Files, LatentRgb, Locate, Part, PartKind, Place
from webui.checkpoints.detection import detect, detect_folder
from webui.checkpoints.families import FAMILIES, UNET, VAE_DECODER, VAE_SD, EncoderFacts, Family
from webui.checkpoints.header import Header
from webui.checkpoints.pickled import read_any_header
from webui.checkpoints.scan import CheckpointInfo
from webui.errors import UnsupportedCheckpoint

#: Linear fit of SD 1.x latents to RGB in −1…1, published by keturn on the Hugging Face forum in 2022 and used widely since.
SD1_LATENT_RGB = LatentRgb(
    matrix=((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
    bias=(0.0, 0.0, 0.0),
)
#: The same of SDXL's. Source: Vass 2023, "Explaining the SDXL latent space", which gives it for RGB in 0…255.
SDXL_LATENT_RGB = LatentRgb(
    matrix=((0.471, 0.471, 0.471), (-0.471, -0.039, 0.078), (0.196, 0.118, -0.039), (-0.549, -0.392, -0.275)),
    bias=(0.176, 0.098, 0.020),
)
_BETAS = (0.00085, 0.012)

#: No configuration of a model in use has more, of anything; a text that asks for more is not followed.
_LARGEST, _LONGEST = 200_000, 12
_DEEPEST = {
    "layers_per_block": 8,
    "num_hidden_layers": 64,
    "transformer_layers_per_block": 32,
    "reverse_transformer_layers_per_block": 32,
}


def read_blueprint(info: CheckpointInfo) -> Blueprint:
    """Raise UnsupportedCheckpoint, in words that go after the file's name, where it cannot be used as it is."""
    return _of_folder(info) if info.path.is_dir() else _of_file(info)


def read_vae_part(path: Path) -> Part:
    """A VAE file of its own, in LDM or diffusers layout, or the VAE of a checkpoint."""
    header = read_any_header(path)
    source = Files.of([(path, header)])
    if configs.is_diffusers_vae(header):
        return Part("vae", PartKind.VAE, configs.vae_config(header), source, _folder_vae_names(source), "", "a VAE")
    return _file_vae(source, header, "a VAE")


# ---- LDM single files


def _of_file(info: CheckpointInfo) -> Blueprint:
    header = read_any_header(info.path)
    found = detect(header)
    if found.name is None or found.problem is not None:
        raise UnsupportedCheckpoint(found.problem or "is no checkpoint of a known kind")
    family, source = FAMILIES[found.name], Files.of([(info.path, header)])
    parts = (
        *(_file_text_encoder(source, header, family, facts) for facts in family.encoders),
        _file_vae(source, header, family.name, family.scaling_factor),
        _file_unet(source, header, family),
    )
    own = _latent_rgb(header) or _family_rgb(family)
    return Blueprint(family.name, parts, _BETAS, info.prediction_type, own, "ztsnr" in header.tensors)


def _file_unet(source: Files, header: Header, family: Family) -> Part:
    config = configs.unet_config(header, family)
    attended = ["CrossAttn" in kind for kind in config["up_block_types"]]
    layers = config["layers_per_block"]
    rename: Locate = lambda name, _: UNET + keys.unet_key(name, layers, attended)  # noqa: E731
    return Part("unet", PartKind.UNET, config, source, rename, UNET, family.name)


def _file_vae(source: Files, header: Header, layout: str, scaling_factor: float = 0.18215) -> Part:
    config = configs.vae_config(header, scaling_factor)
    prefix = VAE_SD if VAE_SD + VAE_DECODER in header.tensors else ""
    levels = len(config["block_out_channels"])
    rename: Locate = lambda name, _: prefix + keys.vae_key(name, levels)  # noqa: E731
    return Part("vae", PartKind.VAE, config, source, rename, prefix + "decoder.", layout)


def _file_text_encoder(source: Files, header: Header, family: Family, facts: EncoderFacts) -> Part:
    config = configs.text_encoder_config(header, facts)
    kind = PartKind.CLIP_PROJECTED if facts.pooled else PartKind.CLIP
    if facts.kind == "clip-l":
        inner = facts.place + "text_model."
        prefix = inner if any(name.startswith(inner) for name in header.tensors) else facts.place
        return Part(facts.name, kind, config, source, lambda name, _: prefix + name, prefix, family.name)
    unused = range(config["num_hidden_layers"], config["num_hidden_layers"] + facts.unused_layers)
    passed_over = tuple(f"{facts.place}transformer.resblocks.{layer}." for layer in unused)
    rename = _open_clip_names(source, facts.place, config["hidden_size"])
    return Part(facts.name, kind, config, source, rename, facts.place, family.name, passed_over)


def _open_clip_names(source: Files, prefix: str, width: int) -> Locate:
    def rename(name: str, shape: tuple[int, ...]) -> Place:
        if name == "text_projection.weight":
            turned = prefix + "text_projection" in source.shapes
            return Place(prefix + ("text_projection" if turned else name), transposed=turned)
        place = keys.open_clip_place(name.removeprefix("text_model."), width)
        return Place(prefix + place.key, place.rows)

    return rename


def _family_rgb(family: Family) -> LatentRgb:
    return SDXL_LATENT_RGB if family.sdxl else SD1_LATENT_RGB


def _latent_rgb(header: Header) -> LatentRgb | None:
    """The file's own map for previews, where it has a usable one."""
    try:
        told = json.loads(header.metadata["periplus.latent_rgb"])
        rows = tuple(tuple(float(number) for number in row) for row in told["matrix"])
        bias = tuple(float(number) for number in told["bias"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    if len(rows) != 4 or any(len(row) != 3 for row in (*rows, bias)):
        return None
    return LatentRgb(rows, bias)  # pyright: ignore[reportArgumentType]


# ---- diffusers folders


def _of_folder(info: CheckpointInfo) -> Blueprint:
    found = detect_folder(info.path)
    if found.name is None or found.problem is not None:
        raise UnsupportedCheckpoint(found.problem or "is no diffusers folder of a known kind")
    family, scheduler = FAMILIES[found.name], _json(info.path / "scheduler" / "scheduler_config.json")
    if scheduler.get("beta_schedule", "scaled_linear") != "scaled_linear":
        raise UnsupportedCheckpoint("wants a noise schedule that is not supported yet")
    parts = (
        *(_folder_text_encoder(info.path, family, facts) for facts in family.encoders),
        _folder_vae(info.path / "vae", family),
        _folder_part(info.path / "unet", PartKind.UNET, "", family),
    )
    betas = scheduler.get("beta_start", _BETAS[0]), scheduler.get("beta_end", _BETAS[1])
    if not all(isinstance(beta, float) and 0 < beta < 1 for beta in betas):
        raise UnsupportedCheckpoint("has a noise schedule of no use in scheduler/scheduler_config.json")
    rescaled = scheduler.get("rescale_betas_zero_snr") is True
    return Blueprint(family.name, parts, betas, info.prediction_type, _family_rgb(family), rescaled)


def _folder_text_encoder(folder: Path, family: Family, facts: EncoderFacts) -> Part:
    if facts.pooled:
        return _folder_part(folder / facts.name, PartKind.CLIP_PROJECTED, "", family)
    return _folder_part(folder / facts.name, PartKind.CLIP, "text_model.", family)


def _folder_part(folder: Path, kind: PartKind, prefix: str, family: Family) -> Part:
    """`prefix` is what older files put before each name."""
    source = Files.of((path, read_any_header(path)) for path in _weight_files(folder))
    prefix = prefix if any(name.startswith(prefix) for name in source.shapes) else ""
    return Part(folder.name, kind, _json(folder / "config.json"), source, lambda name, _: prefix + name, prefix, family.name)


def _folder_vae(folder: Path, family: Family) -> Part:
    source = Files.of((path, read_any_header(path)) for path in _weight_files(folder))
    config = {"scaling_factor": family.scaling_factor} | _json(folder / "config.json")
    return Part("vae", PartKind.VAE, config, source, _folder_vae_names(source), "", family.name)


def _folder_vae_names(source: Files) -> Locate:
    old = any(name.endswith("proj_attn.weight") for name in source.shapes)
    return lambda name, _: keys.old_vae_key(name) if old else name


def _weight_files(folder: Path) -> list[Path]:
    """The full set of weights rather than a variant ("….fp16.safetensors"); a set may be split into numbered files."""
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not found:
        raise UnsupportedCheckpoint(f"has no weights in {folder.name}/; .safetensors or .bin is needed")
    plain = [path for path in found if path.name.count(".") == 1]
    variants = [path for path in found if path.name.count(".") == 2 and ".fp16" in path.name]
    return plain or variants or found


def _json(path: Path) -> Config:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise UnsupportedCheckpoint(f"has no readable {path.parent.name}/{path.name}") from None
    if not isinstance(config, dict):
        raise UnsupportedCheckpoint(f"has no table in {path.parent.name}/{path.name}")
    if any(not _is_sober(key, value) for key, value in config.items()):
        raise UnsupportedCheckpoint(f"asks for a model of no sensible size in {path.parent.name}/{path.name}")
    return config


def _is_sober(key: str, value: object) -> bool:
    """Whether a setting, or what it lists, is within what a model can have; one is built before its tensors are looked for."""
    if isinstance(value, list):
        return len(value) <= _LONGEST and all(_is_sober(key, item) for item in value)
    return not isinstance(value, int) or value <= _DEEPEST.get(key, _LARGEST)
