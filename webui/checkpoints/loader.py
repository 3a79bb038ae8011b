"""Read weights from disk into modules: LDM single files and diffusers folders, without any network.

Modules are built on the meta device and get the mapped tensors assigned, so nothing is initialised in vain. Before a tensor
is read, all names and shapes are compared: a file that does not fit exactly is refused, for its pictures would be wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from webui.checkpoints import configs, keys
from webui.checkpoints.catalog import CheckpointInfo, VaeInfo
from webui.checkpoints.families import TEXT_SD1, UNET, VAE_DECODER, VAE_SD
from webui.checkpoints.header import Header, read_header
from webui.checkpoints.pipeline import LatentRgb, Pipeline
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.core.sigmas import model_sigmas
from webui.errors import UnsupportedCheckpoint

Module = TypeVar("Module", bound=nn.Module)
Config = dict[str, Any]

#: Linear fit of SD 1.x latents to RGB in −1…1, published by keturn on the Hugging Face forum in 2022 and used widely since.
SD1_LATENT_RGB = LatentRgb(
    matrix=((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473)),
    bias=(0.0, 0.0, 0.0),
)

#: Tensors that old files carry beside the weights and that nothing needs.
_USELESS = ("position_ids", "logit_scale", "text_projection", "text_projection.weight")


@dataclass(frozen=True)
class _Source:
    """Where tensors of one part lie: the file of each, and the shape."""

    files: dict[str, Path]
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, parts: Iterable[tuple[Path, Header]]) -> _Source:
        files, shapes = {}, {}
        for path, header in parts:
            for name, entry in header.tensors.items():
                files[name], shapes[name] = path, entry.shape
        return cls(files, shapes)


@dataclass(frozen=True)
class _Place:
    """Where weights go, and as what."""

    device: torch.device
    dtype: torch.dtype


def load_checkpoint(info: CheckpointInfo, device: torch.device, dtype: torch.dtype) -> Pipeline:
    """Raise UnsupportedCheckpoint, naming the file, where it cannot be loaded as it is."""
    place = _Place(device, dtype)
    with _naming(info.path):
        parts = _read_folder(info.path, place) if info.path.is_dir() else _read_single_file(info.path, place)
    unet, vae, text_encoder, latent_rgb, betas = parts
    width, expected = text_encoder.config.hidden_size, unet.config["cross_attention_dim"]
    if width != expected:
        raise UnsupportedCheckpoint(f"{info.path.name}: the text encoder is {width} wide, the UNet expects {expected}.")
    return Pipeline(
        checkpoint=info,
        vae_name=None,
        unet=unet,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=clip_tokenizer(),
        sigmas=tuple(model_sigmas(*betas)),
        prediction_type=info.prediction_type or "epsilon",
        latent_rgb=latent_rgb,
        device=device,
        dtype=dtype,
    )


def load_vae(info: VaeInfo, device: torch.device, dtype: torch.dtype) -> AutoencoderKL:
    """A VAE file of its own, in LDM or diffusers layout."""
    with _naming(info.path):
        header = read_header(info.path)
        return _single_vae(_Source.of([(info.path, header)]), header, _Place(device, dtype))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before the sentence of what is wrong with it."""
    try:
        yield
    except UnsupportedCheckpoint as error:
        raise UnsupportedCheckpoint(f"{path.name} {error}.") from error.__cause__
    except (SafetensorError, OSError) as error:
        raise UnsupportedCheckpoint(f"{path.name} cannot be read: {error}.") from error


# ---- LDM single files


Parts = tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel, LatentRgb, tuple[float, float]]


def _read_single_file(path: Path, place: _Place) -> Parts:
    header = read_header(path)
    source = _Source.of([(path, header)])
    # The small parts come first: what is wrong with a file should show before the large one is read.
    text_encoder = _single_text_encoder(source, header, place)
    vae = _single_vae(source, header, place)
    return _single_unet(source, header, place), vae, text_encoder, _latent_rgb(header), (0.00085, 0.012)


def _single_unet(source: _Source, header: Header, place: _Place) -> UNet2DConditionModel:
    config = configs.unet_config(header)
    attended = ["CrossAttn" in kind for kind in config["up_block_types"]]
    unet = _build(UNet2DConditionModel.from_config, config)
    return _fill(unet, source, lambda name: UNET + keys.unet_key(name, config["layers_per_block"], attended), UNET, place)


def _single_vae(source: _Source, header: Header, place: _Place) -> AutoencoderKL:
    config = configs.vae_config(header)
    prefix = VAE_SD if VAE_SD + VAE_DECODER in header.tensors else ""
    vae = _build(AutoencoderKL.from_config, config)
    levels = len(config["block_out_channels"])
    return _fill(vae, source, lambda name: prefix + keys.vae_key(name, levels), prefix + "decoder.", place)


def _single_text_encoder(source: _Source, header: Header, place: _Place) -> CLIPTextModel:
    config = configs.text_encoder_config(header)
    inner = TEXT_SD1 + "text_model."
    prefix = inner if any(name.startswith(inner) for name in header.tensors) else TEXT_SD1
    return _fill(_build_text_encoder(config), source, lambda name: prefix + name, prefix, place)


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


def _read_folder(folder: Path, place: _Place) -> Parts:
    scheduler = _json(folder / "scheduler" / "scheduler_config.json")
    if scheduler.get("beta_schedule", "scaled_linear") != "scaled_linear" or scheduler.get("rescale_betas_zero_snr"):
        raise UnsupportedCheckpoint("wants a noise schedule that is not supported yet")
    text = _build_text_encoder(_json(folder / "text_encoder" / "config.json"))
    text = _fill(text, *_folder_source(folder / "text_encoder", "text_model."), place)
    vae = _build(AutoencoderKL.from_config, _json(folder / "vae" / "config.json"))
    source, _, _ = _folder_source(folder / "vae", "")
    old = any(name.endswith("proj_attn.weight") for name in source.shapes)
    vae = _fill(vae, source, keys.old_vae_key if old else str, "", place)
    unet = _build(UNet2DConditionModel.from_config, _json(folder / "unet" / "config.json"))
    unet = _fill(unet, *_folder_source(folder / "unet", ""), place)
    return unet, vae, text, SD1_LATENT_RGB, (scheduler.get("beta_start", 0.00085), scheduler.get("beta_end", 0.012))


def _folder_source(folder: Path, prefix: str) -> tuple[_Source, Callable[[str], str], str]:
    """The weights of one part, how its names are spelled there (older ones with the prefix), and the prefix they have."""
    source = _Source.of((path, read_header(path)) for path in _weight_files(folder))
    if not any(name.startswith(prefix) for name in source.shapes):
        prefix = ""
    return source, lambda name: prefix + name, prefix


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


# ---- modules


def _build(make: Callable[[Config], Any], config: Config) -> Any:
    """A module without weights. Whatever a configuration can do wrong in the constructor is the file's fault."""
    try:
        with torch.device("meta"):
            return make(config)
    except Exception as error:
        raise UnsupportedCheckpoint(f"has a configuration of no use ({type(error).__name__}: {error!s:.200})") from error


def _build_text_encoder(config: Config) -> CLIPTextModel:
    known = {key: value for key, value in config.items() if key not in ("architectures", "dtype", "torch_dtype", "model_type")}
    model: CLIPTextModel = _build(lambda told: CLIPTextModel(CLIPTextConfig(**told)), known)
    positions = model.config.max_position_embeddings
    # The one buffer that no file has to carry.
    model.embeddings.register_buffer("position_ids", torch.arange(positions)[None], persistent=False)
    return model


def _fill(module: Module, source: _Source, rename: Callable[[str], str], prefix: str, place: _Place) -> Module:
    """Give the module its weights, for inference.

    Args:
        source: where they lie.
        rename: the module's name of a tensor → the file's.
        prefix: all tensors of the file under it must find a place.
    """
    wanted = {name: (rename(name), tuple(tensor.shape)) for name, tensor in module.state_dict().items()}
    _check(wanted, source.shapes, prefix)
    with ExitStack() as stack:
        opened = {
            path: stack.enter_context(safe_open(path, framework="pt"))
            for path in {source.files[key] for key, _ in wanted.values()}
        }
        state = {
            name: opened[source.files[key]].get_tensor(key).reshape(shape).to(place.device, place.dtype)
            for name, (key, shape) in wanted.items()
        }
    module.load_state_dict(state, assign=True)
    return module.to(place.device).eval().requires_grad_(False)


def _check(wanted: Mapping[str, tuple[str, tuple[int, ...]]], found: Mapping[str, tuple[int, ...]], prefix: str) -> None:
    """Raise UnsupportedCheckpoint naming the first few tensors that are missing, mis-shaped or without a place."""
    faults = []
    for key, shape in wanted.values():
        if key not in found:
            faults.append(f"{key}: missing")
        elif _bare(found[key]) != _bare(shape):
            faults.append(f"{key}: found {list(found[key])}, expected {list(shape)}")
    used = {key for key, _ in wanted.values()}
    faults += [
        f"{key}: not expected" for key in found if key.startswith(prefix) and key not in used and not key.endswith(_USELESS)
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UnsupportedCheckpoint("does not fit the layout of Stable Diffusion 1.x: " + "; ".join(faults[:3]) + more)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1×1 convolution and a linear layer hold the same numbers."""
    return shape[:2] if shape[2:] == (1, 1) else shape
