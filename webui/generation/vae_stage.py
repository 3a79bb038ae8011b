"""The VAE of a lent pipeline, as a job uses it: on the device, in the right number type, in one piece or in tiles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from webui.checkpoints.memory import Device
from webui.checkpoints.offload import Placement
from webui.core.fields.tiling import TILED_OFF, TILED_ON
from webui.core.request import GenerationRequest
from webui.diffusion.tiled_vae import TILES, OnTile, Tiling, decode_bytes, encode_bytes, tile_for
from webui.diffusion.vae import VaeOverflow, decode, encode
from webui.diffusion.vae_precision import NAMES, VaePrecision, settle

#: The tile where tiling was asked for and memory would do without, in latents.
_TILE = TILES[1]
_PIXELS = 8  # per latent


@dataclass(frozen=True)
class VaeSource:
    """Where a VAE is from.

    Args:
        name: for people.
        identity: equal for the same file with the same content.
        reread: the VAE from its file, on the CPU, in a number type.
    """

    name: str
    identity: Hashable
    reread: Callable[[torch.dtype], AutoencoderKL]


class VaeStage:
    """Pixels from latents and back, for one job."""

    def __init__(
        self,
        vae: AutoencoderKL,
        source: VaeSource,
        placement: Placement,
        device: Device,
        precision: VaePrecision,
        *,
        keep_free: int = 0,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._vae, self._source, self._placement, self._device = vae, source, placement, device
        self._precision, self._keep_free, self._notice = precision, keep_free, notice
        if vae.dtype != precision.dtype_of(source.identity):
            self._settle()

    @property
    def precision(self) -> str:
        """What the VAE is run in, as infotext names it."""
        return NAMES.get(self._vae.dtype, str(self._vae.dtype).removeprefix("torch."))

    def decode(self, latents: Tensor, request: GenerationRequest, on_tile: OnTile, largest: int | None = None) -> Tensor:
        """See `diffusion.vae.decode`; `largest` is the side of tiles that memory has been found to allow."""
        height, width = (side * _PIXELS for side in latents.shape[-2:])

        def needed(tile: int | None) -> int:
            return decode_bytes(self._vae, height, width, 1, tile) + _finishing(height, width)

        return self._in_range(
            lambda: decode(self._vae, latents, self._tiling(request, request.decoder_tile, needed, largest), on_tile)
        )

    def encode(
        self, pixels: Tensor, noise: Tensor | None, request: GenerationRequest, on_tile: OnTile, largest: int | None = None
    ) -> Tensor:
        """See `diffusion.vae.encode`."""
        batch, _, height, width = pixels.shape

        def needed(tile: int | None) -> int:
            return encode_bytes(self._vae, height, width, batch, tile) + batch * _finishing(height, width)

        def run() -> Tensor:
            tiling = self._tiling(request, request.encoder_tile // _PIXELS, needed, largest)
            return encode(self._vae, pixels, noise, tiling, on_tile)

        return self._in_range(run)

    def _tiling(
        self, request: GenerationRequest, wanted: int, needed: Callable[[int | None], int], largest: int | None
    ) -> Tiling | None:
        mode = "fast" if request.fast_tiles else "exact"
        if largest is not None:
            return Tiling(min(wanted or largest, largest), mode)
        if request.tiled_vae == TILED_OFF:
            return None
        fitting = tile_for(self._device.figures()[1] - self._keep_free, needed)
        if fitting is None and request.tiled_vae != TILED_ON:
            return None
        return Tiling(wanted or fitting or _TILE, mode)

    def _in_range(self, run: Callable[[], Tensor]) -> Tensor:
        """What `run` gives; after an overflow, from then on in float32."""
        try:
            with self._placement.using("vae"):
                return run()
        except VaeOverflow:
            if self._precision.overflowed(self._source.identity):
                self._notice(
                    f"The VAE of “{self._source.name}” gives numbers that are too large for {self.precision}; "
                    "it is run in fp32 from here on, which takes more memory and time."
                )
        self._settle()
        with self._placement.using("vae"):
            return run()

    def _settle(self) -> None:
        with self._placement.changing("vae"):
            settle(self._vae, self._precision.dtype_of(self._source.identity), self._source.reread)


def _finishing(height: int, width: int) -> int:
    """Bytes of the picture itself in float32, and of a copy while it becomes what is asked for."""
    return 2 * 3 * 4 * height * width
