"""Decoding and encoding a picture strip by strip, in a fraction of the memory, with the same result as in one piece.

Why it is the same, and what it costs: docs/tiled-vae.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from webui.diffusion.tiling.moments import Moments
from webui.diffusion.tiling.networks import check_layers, decoder_rest, decoder_start, encoder_rest, encoder_start
from webui.diffusion.tiling.rows import Rows, Shape, Stored, shape_of, size
from webui.diffusion.tiling.sweep import Plan, Strips, Sweeper

OnTile = Callable[[int, int], None]  # tiles done, tiles in all
Statistics = dict[nn.Module, Moments]
Walk = Callable[[Rows, Sweeper], Rows]  # through one half of the VAE

#: Sides of a tile that `tile_for` chooses from, in latents. Smaller ones spend more time on halos.
TILES = (128, 96, 64, 48, 32, 24, 16, 8)

#: Activations of the largest size that stand at a time when the whole is computed in one piece. Measured.
WHOLE_DECODED = 4
WHOLE_ENCODED = 5


@dataclass(frozen=True)
class Tiling:
    """How to cut the work.

    Attributes:
        tile: side of a square, in latents (8 pixels each); a strip across the picture gets about as many latents.
        mode: "exact" measures the statistics of every norm over the whole picture; "fast" takes those of a shrunk copy, which
            changes the picture, and in turn needs less memory and computes nothing twice.
    """

    tile: int
    mode: Literal["exact", "fast"] = "exact"

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ValueError(f"A tile is {self.tile} latents wide; it has to be at least 1.")


@torch.no_grad()
def decode_tiled(vae: AutoencoderKL, latents: Tensor, tiling: Tiling, on_tile: OnTile | None = None) -> Tensor:
    """What `vae.decode(latents)` gives, −1 to 1 where the VAE keeps to its range, in the VAE's number type.

    Args:
        latents: (batch, 4, height / 8, width / 8), already divided by the scaling factor.
        on_tile: told after each tile; what it raises ends the work and leaves the VAE as it was.

    Raises:
        WebUIError: the VAE has layers that are not known here.
    """
    check_layers(vae)
    features = decoder_start(vae, latents.to(vae.device, vae.dtype))
    latent_size = features.shape[2], features.shape[3]
    return _strip_by_strip(partial(decoder_rest, vae), features, latent_size, tiling, on_tile)


@torch.no_grad()
def encode_tiled(vae: AutoencoderKL, pixels: Tensor, tiling: Tiling, on_tile: OnTile | None = None) -> Tensor:
    """What the encoder gives for the whole, (batch, 8, height / 8, width / 8): mean and logarithm of the variance.

    Args:
        pixels: (batch, 3, height, width), −1 to 1.
        on_tile: as for decoding.

    Raises:
        WebUIError: as for decoding.
    """
    check_layers(vae)
    pixels = pixels.to(vae.device, vae.dtype)
    latent_size = pixels.shape[2] // _scale(vae), pixels.shape[3] // _scale(vae)
    return encoder_rest(vae, _strip_by_strip(partial(encoder_start, vae), pixels, latent_size, tiling, on_tile))


def decode_bytes(vae: AutoencoderKL, height: int, width: int, batch: int, tile: int | None) -> int:
    """Estimate of the memory that decoding takes beside the weights at its peak, in bytes; `tile` None: in one piece.

    Args:
        height, width: of the picture, in pixels.
    """
    latent_size = height // _scale(vae), width // _scale(vae)
    features: Shape = (batch, vae.decoder.conv_in.out_channels, *latent_size)
    return vae.dtype.itemsize * _numbers(partial(decoder_rest, vae), features, latent_size, tile, WHOLE_DECODED)


def encode_bytes(vae: AutoencoderKL, height: int, width: int, batch: int, tile: int | None) -> int:
    """The same for encoding."""
    latent_size = height // _scale(vae), width // _scale(vae)
    pixels: Shape = (batch, vae.encoder.conv_in.in_channels, height, width)
    return vae.dtype.itemsize * _numbers(partial(encoder_start, vae), pixels, latent_size, tile, WHOLE_ENCODED)


def tile_for(free: int, needed: Callable[[int | None], int]) -> int | None:
    """The largest tile whose need stays below that many free bytes; None: the whole does.

    Args:
        needed: bytes for a tile, such as `lambda tile: decode_bytes(vae, height, width, batch, tile)`.
    """
    sizes = (None, *TILES)
    return next((tile for tile in sizes if needed(tile) <= free), TILES[-1])


def _strip_by_strip(walk: Walk, whole: Tensor, latent_size: tuple[int, int], tiling: Tiling, on_tile: OnTile | None) -> Tensor:
    strips = Strips.of(*latent_size, tiling.tile)
    known = _shrunk_statistics(walk, whole, latent_size, tiling.tile) if tiling.mode == "fast" else {}
    plan = _planned(walk, shape_of(whole), strips, known)
    done = count(1)

    def told() -> None:
        if on_tile is not None:
            on_tile(next(done), plan.steps)

    sweeper = Sweeper(strips, plan.room, told, known, frugal=bool(known))
    return sweeper.store(walk(Stored.whole(whole, strips.axis), sweeper)).joined()


def _planned(walk: Walk, shape: Shape, strips: Strips, known: Statistics) -> Plan:
    """Twice over: first to see how much has to be stored, then to see what else finds room in that much."""
    plan = Plan(strips, known=dict(known), frugal=bool(known))
    plan.store(walk(Stored(shape, strips.axis), plan))
    if known:
        return plan
    roomy = Plan(strips, plan.most)
    roomy.store(walk(Stored(shape, strips.axis), roomy))
    return roomy


def _shrunk_statistics(walk: Walk, whole: Tensor, latent_size: tuple[int, int], tile: int) -> Statistics:
    """Those of the picture shrunk to one tile; empty if it is no larger."""
    height, width = latent_size
    ratio = tile / math.sqrt(height * width)
    if ratio >= 1:
        return {}
    small = [max(1, round(side * ratio)) for side in latent_size]
    scale = whole.shape[2] // height
    strips = Strips(2, small[0], 1)
    sweeper = Sweeper(strips)
    shrunk = F.interpolate(whole, [scale * side for side in small], mode="nearest-exact")
    sweeper.store(walk(Stored.whole(shrunk, strips.axis), sweeper))
    return sweeper.known


def _numbers(walk: Walk, shape: Shape, latent_size: tuple[int, int], tile: int | None, copies: int) -> int:
    """Held at a time; in one piece, as many as so many copies of the largest activation."""
    if tile is None:
        return copies * _planned(walk, shape, Strips(2, latent_size[0], 1), {}).widest
    return size(shape) + _planned(walk, shape, Strips.of(*latent_size, tile), {}).peak


def _scale(vae: AutoencoderKL) -> int:
    """Pixels along the side of a latent."""
    return 2 ** (len(vae.config["block_out_channels"]) - 1)
