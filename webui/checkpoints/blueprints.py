"""Draw the blueprint of a file or folder from its headers and configurations. No torch; only headers are read."""

from __future__ import annotations

import json
from pathlib import Path

from webui.checkpoints import configs, keys
from webui.checkpoints.blueprint import Blueprint, Config, Files, LatentRgb, Locate, Part, PartKind
from webui.checkpoints.families import SD1, TEXT_SD1, UNET, VAE_DECODER, VAE_SD
from webui.checkpoints.header import Header, read_header
from webui.checkpoints.scan import CheckpointInfo
from webui.errors import UnsupportedCheckpoint

#: Linear fit of SD 1.x latents to RGB in −1…1, published by keturn on the Hugging Face forum in 2022 and used widely since.
SD1_LATENT_RGB = LatentRgb(
    matrix=((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
    bias=(0.0, 0.0, 0.0),
)


def read_blueprint(info: CheckpointInfo) -> Blueprint:
    """Raise UnsupportedCheckpoint, in words that go after the file's name, where it cannot be used as it is."""
    prediction = info.prediction_type or "epsilon"
    if info.path.is_dir():
        return _of_folder(info.path, prediction)
    return _of_file(info.path, prediction)


def read_vae_part(path: Path) -> Part:
    """A VAE file of its own, in LDM or diffusers layout, or the VAE of a checkpoint."""
    header = read_header(path)
    return _file_vae(Files.of([(path, header)]), header)


# ---- LDM single files


def _of_file(path: Path, prediction: str) -> Blueprint:
    header = read_header(path)
    source = Files.of([(path, header)])
    parts = (_file_text_encoder(source, header), _file_vae(source, header), _file_unet(source, header))
    return Blueprint(SD1, parts, (0.00085, 0.012), prediction, _latent_rgb(header))


def _file_unet(source: Files, header: Header) -> Part:
    config = configs.unet_config(header)
    attended = ["CrossAttn" in kind for kind in config["up_block_types"]]
    layers = config["layers_per_block"]
    return Part("unet", PartKind.UNET, config, source, lambda name, _: UNET + keys.unet_key(name, layers, attended), UNET)


def _file_vae(source: Files, header: Header) -> Part:
    config = configs.vae_config(header)
    prefix = VAE_SD if VAE_SD + VAE_DECODER in header.tensors else ""
    levels = len(config["block_out_channels"])
    rename: Locate = lambda name, _: prefix + keys.vae_key(name, levels)  # noqa: E731
    return Part("vae", PartKind.VAE, config, source, rename, prefix + "decoder.")


def _file_text_encoder(source: Files, header: Header) -> Part:
    config = configs.text_encoder_config(header)
    inner = TEXT_SD1 + "text_model."
    prefix = inner if any(name.startswith(inner) for name in header.tensors) else TEXT_SD1
    return Part("text_encoder", PartKind.CLIP, config, source, lambda name, _: prefix + name, prefix)


def _latent_rgb(header: Header) -> LatentRgb:
    """The file's own map for previews, where it has a usable one."""
    try:
        told = json.loads(header.metadata["periplus.latent_rgb"])
        rows = tuple(tuple(float(number) for number in row) for row in told["matrix"])
        bias = tuple(float(number) for number in told["bias"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return SD1_LATENT_RGB
    if len(rows) != 4 or any(len(row) != 3 for row in (*rows, bias)):
        return SD1_LATENT_RGB
    return LatentRgb(rows, bias)  # pyright: ignore[reportArgumentType]


# ---- diffusers folders


def _of_folder(folder: Path, prediction: str) -> Blueprint:
    scheduler = _json(folder / "scheduler" / "scheduler_config.json")
    if scheduler.get("beta_schedule", "scaled_linear") != "scaled_linear" or scheduler.get("rescale_betas_zero_snr"):
        raise UnsupportedCheckpoint("wants a noise schedule that is not supported yet")
    parts = (
        _folder_part(folder / "text_encoder", PartKind.CLIP, "text_model."),
        _folder_vae(folder / "vae"),
        _folder_part(folder / "unet", PartKind.UNET, ""),
    )
    betas = scheduler.get("beta_start", 0.00085), scheduler.get("beta_end", 0.012)
    return Blueprint(SD1, parts, betas, prediction, SD1_LATENT_RGB)


def _folder_part(folder: Path, kind: PartKind, prefix: str) -> Part:
    """`prefix` is what older files put before each name."""
    source = Files.of((path, read_header(path)) for path in _weight_files(folder))
    prefix = prefix if any(name.startswith(prefix) for name in source.shapes) else ""
    return Part(folder.name, kind, _json(folder / "config.json"), source, lambda name, _: prefix + name, prefix)


def _folder_vae(folder: Path) -> Part:
    source = Files.of((path, read_header(path)) for path in _weight_files(folder))
    old = any(name.endswith("proj_attn.weight") for name in source.shapes)
    rename: Locate = lambda name, _: keys.old_vae_key(name) if old else name  # noqa: E731
    return Part("vae", PartKind.VAE, _json(folder / "config.json"), source, rename, "")


def _weight_files(folder: Path) -> list[Path]:
    """The full set of weights rather than a variant ("….fp16.safetensors"); a set may be split into numbered files."""
    found = sorted(folder.glob("*.safetensors"))
    plain = [path for path in found if path.name.count(".") == 1]
    if not found:
        pickled = any(folder.glob("*.bin"))
        raise UnsupportedCheckpoint(
            f"has {'only pickled' if pickled else 'no'} weights in {folder.name}/; .safetensors is needed"
        )
    variants = [path for path in found if path.name.count(".") == 2 and ".fp16" in path.name]
    return plain or variants or found


def _json(path: Path) -> Config:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise UnsupportedCheckpoint(f"has no readable {path.parent.name}/{path.name}") from None
    if not isinstance(config, dict):
        raise UnsupportedCheckpoint(f"has no table in {path.parent.name}/{path.name}")
    return config
