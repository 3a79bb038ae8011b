"""Families of checkpoints: what all members of one have in common. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

SD1 = "SD 1.x"
SD2 = "SD 2.x"
SDXL = "SDXL"
REFINER = "SDXL refiner"
VAE = "VAE"

# Where the parts of a single file are, in the layout of the original programs.
UNET = "model.diffusion_model."
FIRST_CONV = UNET + "input_blocks.0.0.weight"
TEXT_SD1 = "cond_stage_model.transformer."
TEXT_SD2 = "cond_stage_model.model."
TEXT_SDXL = "conditioner.embedders.0.transformer."
TEXT_SDXL_2 = "conditioner.embedders.1.model."
TEXT_REFINER = "conditioner.embedders.0.model."
VAE_DECODER = "decoder.conv_in.weight"
VAE_SD = "first_stage_model."


@dataclass(frozen=True)
class EncoderFacts:
    """How a family reads one of its text encoders.

    Args:
        name: of the part, "text_encoder" or "text_encoder_2".
        kind: OpenAI's CLIP ViT-L/14, or OpenCLIP's ViT-H/14 or ViT-bigG/14.
        place: the prefix of its tensors in a single file.
        padding: the token that fills a chunk after the end token.
        layer: whose output is taken, counted from the last (1).
        normed: whether the norm that follows the last layer is applied to it.
        unused_layers: at the end of a single file's encoder; they are not built.
        follows_clip_skip: whether clip skip chooses the layer instead.
        pooled: whether the UNet is also given the projected end token.
    """

    name: str
    kind: Literal["clip-l", "openclip-h", "openclip-g"]
    place: str
    padding: int = 49407
    layer: int = 1
    normed: bool = True
    unused_layers: int = 0
    follows_clip_skip: bool = False
    pooled: bool = False


@dataclass(frozen=True)
class Family:
    """What all checkpoints of a family have in common.

    Args:
        encoders: in the order in which their vectors are put side by side.
        size: of the pictures it was trained for, in pixels; models of the family may differ.
        scaling_factor: latents are multiplied by it after encoding and divided before decoding. It belongs to the family: a VAE
            file of its own does not tell it.
        channels: that go into the UNet: 4 latents, and what the picture to be changed adds.
        sdxl: whether schedules use SDXL's tables, and an empty negative prompt is zeros.
        size_ids: the numbers told to the UNet beside the pooled vector: "" for none, "target" for original size, crop and
            target size, "aesthetic" for original size, crop and aesthetic score.
        velocity: whether some of its checkpoints predict the velocity without saying so.
    """

    name: str
    encoders: tuple[EncoderFacts, ...]
    size: int = 512
    scaling_factor: float = 0.18215
    channels: int = 4
    sdxl: bool = False
    size_ids: Literal["", "target", "aesthetic"] = ""
    velocity: bool = False

    @property
    def latents(self) -> str:
        """What its latents are: models of one kind can go on with each other's."""
        return "SDXL" if self.sdxl else "SD 1 and 2"

    @property
    def inpaints(self) -> bool:
        return self.channels == INPAINTING_CHANNELS


INPAINTING_CHANNELS = 9  # latents, mask, latents of the picture without what is masked
PIX2PIX_CHANNELS = 8  # latents, latents of the picture to be changed
_VARIANTS = {4: "", INPAINTING_CHANNELS: " inpainting", PIX2PIX_CHANNELS: " instruct-pix2pix"}

_CLIP_L = EncoderFacts("text_encoder", "clip-l", TEXT_SD1, follows_clip_skip=True)
# Its last layer is in the files but unused: the model was trained on the one before it.
_OPENCLIP_H = EncoderFacts("text_encoder", "openclip-h", TEXT_SD2, padding=0, unused_layers=1)
_CLIP_L_OF_SDXL = EncoderFacts("text_encoder", "clip-l", TEXT_SDXL, layer=2, normed=False)
_OPENCLIP_G = EncoderFacts("text_encoder_2", "openclip-g", TEXT_SDXL_2, padding=0, layer=2, normed=False, pooled=True)

_PLAIN = (
    Family(SD1, (_CLIP_L,)),
    Family(SD2, (_OPENCLIP_H,), size=768, velocity=True),
    Family(SDXL, (_CLIP_L_OF_SDXL, _OPENCLIP_G), size=1024, scaling_factor=0.13025, sdxl=True, size_ids="target"),
)
_REFINER = Family(
    REFINER,
    (replace(_OPENCLIP_G, place=TEXT_REFINER),),
    size=1024,
    scaling_factor=0.13025,
    sdxl=True,
    size_ids="aesthetic",
)


def _variant(family: Family, channels: int) -> Family:
    """Variants of SD 2.x were all made from the models of 512 pixels, which predict the noise."""
    size, velocity = (512, False) if family.velocity and channels != 4 else (family.size, family.velocity)
    return replace(family, name=family.name + _VARIANTS[channels], channels=channels, size=size, velocity=velocity)


#: By name.
FAMILIES = {
    family.name: family for family in (*(_variant(plain, channels) for plain in _PLAIN for channels in _VARIANTS), _REFINER)
}


def same_latents(one: str | None, other: str | None) -> bool:
    """Whether models of one family (by name, None: not known) can go on with the latents of the other."""
    known = [FAMILIES[name].latents if name in FAMILIES else None for name in (one, other)]
    return known[0] == known[1]


def variant_name(name: str, channels: int) -> str | None:
    """The family that is made from another by that many input channels; None: there is none."""
    return next((known for known in FAMILIES if known == name + _VARIANTS.get(channels, "?")), None)
