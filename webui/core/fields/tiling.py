"""The fields of a request that say how a VAE works on a picture that is too large for the memory. Only the last changes
what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param

TILED_AUTO, TILED_ON, TILED_OFF = "Auto", "On", "Off"


@dataclass(frozen=True, kw_only=True)
class TilingFields:
    """See `GenerationRequest`."""

    tiled_vae: Annotated[
        str,
        Param(
            "Tiled VAE",
            choices=(TILED_AUTO, TILED_ON, TILED_OFF),
            group="tiling",
            help="Work on the picture in parts, which needs less memory and gives the same picture. Auto: where memory is short.",
        ),
    ] = TILED_AUTO
    encoder_tile: Annotated[
        int,
        Param(
            "Encoder Tile Size",
            low=0,
            high=4096,
            step=16,
            multiple_of=8,
            group="tiling",
            help="In pixels; 0: chosen by how much memory is free.",
        ),
    ] = 0
    decoder_tile: Annotated[
        int,
        Param(
            "Decoder Tile Size",
            low=0,
            high=512,
            step=16,
            group="tiling",
            help="In latents, which are 8 pixels wide; 0: chosen by how much memory is free.",
        ),
    ] = 0
    fast_tiles: Annotated[
        bool,
        Param(
            "Fast tiles",
            infotext="Fast tiles",
            group="tiling",
            help="Take brightness and contrast of tiles from a shrunk copy: less memory, but the picture changes a little.",
        ),
    ] = False
