"""Colour words: what they mean as paint and as ground, how a picture is painted anew, and which word a pixel deserves."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

#: Paint of drawn shapes.
PAINT = {
    "red": (225, 35, 40),
    "orange": (245, 140, 25),
    "yellow": (250, 215, 40),
    "green": (50, 165, 70),
    "blue": (45, 110, 225),
    "purple": (140, 70, 190),
    "pink": (245, 130, 180),
    "brown": (135, 85, 55),
    "black": (25, 25, 28),
    "white": (250, 250, 250),
    "gray": (145, 148, 152),
}
#: Coloured grounds; paler, so that things stand out from them. No word means white.
GROUND = {
    "red": (240, 120, 120),
    "orange": (250, 185, 110),
    "yellow": (252, 236, 140),
    "green": (150, 215, 150),
    "blue": (140, 190, 245),
    "purple": (195, 160, 230),
    "pink": (250, 195, 215),
    "gray": (190, 192, 196),
    "black": (28, 28, 32),
}
#: What things are painted in: colours that differ in hue, or much in lightness.
THINGS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")

#: How bright red, green and blue are (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114])

Rgba = NDArray[np.uint8]


def to_hsv(rgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """RGB in 0…1, any leading shape → hue, saturation, value in 0…1."""
    high, low = rgb.max(-1), rgb.min(-1)
    spread = np.where(high > low, high - low, 1)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    sector = np.select(
        [high == red, high == green], [(green - blue) / spread, 2 + (blue - red) / spread], 4 + (red - green) / spread
    )
    hue = np.where(high > low, sector / 6 % 1, 0)
    return np.stack([hue, np.where(high > 0, (high - low) / np.where(high > 0, high, 1), 0), high], -1)


def to_rgb(hsv: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse of `to_hsv`."""
    hue, saturation, value = hsv[..., 0] * 6, hsv[..., 1], hsv[..., 2]
    turns = [(5, hue), (3, hue), (1, hue)]
    channels = []
    for offset, h in turns:
        k = (offset + h) % 6
        channels.append(value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(channels, -1)


def main_hue(picture: Rgba) -> tuple[float, NDArray[np.bool_]]:
    """The hue that covers most of a picture, and which pixels have it (within 35°, and coloured at all)."""
    hsv = to_hsv(picture[..., :3] / 255)
    coloured = (picture[..., 3] > 60) & (hsv[..., 1] > 0.16) & (hsv[..., 2] > 0.2)
    weights = (hsv[..., 1] * hsv[..., 2])[coloured]
    counts, edges = np.histogram(hsv[..., 0][coloured], 72, (0, 1), weights=weights)
    around = sum(np.roll(counts, shift) for shift in range(-5, 6))
    hue = float(edges[int(np.argmax(around))]) + 1 / 144
    near = np.abs((hsv[..., 0] - hue + 0.5) % 1 - 0.5) < 35 / 360
    return hue, coloured & near


def painted(picture: Rgba, colour: str) -> Rgba:
    """The picture with its main hue turned into that colour; light and shade stay.

    Args:
        picture: (height, width, 4).
        colour: a word of `THINGS`.
    """
    hue, mask = main_hue(picture)
    hsv = to_hsv(picture[..., :3] / 255)
    target = colorsys.rgb_to_hsv(*(channel / 255 for channel in PAINT[colour]))
    mean_saturation, mean_value = (max(float(hsv[..., i][mask].mean()), 0.05) for i in (1, 2))
    turned = np.stack(
        [
            (target[0] + 0.4 * ((hsv[..., 0] - hue + 0.5) % 1 - 0.5)) % 1,
            np.clip(hsv[..., 1] * target[1] / mean_saturation, 0, 1),
            np.clip(hsv[..., 2] * target[2] / mean_value, 0, 1),
        ],
        -1,
    )
    out = picture.copy()
    out[..., :3][mask] = np.round(to_rgb(turned)[mask] * 255).astype(np.uint8)
    return out


def tinted(picture: Rgba, colour: str) -> Rgba:
    """The picture in that colour throughout, for things of several colours; light and shade stay, and what tells its parts apart.

    Args:
        picture: (height, width, 4).
        colour: a word of `THINGS`.
    """
    light = (picture[..., :3] / 255) @ _LUMA
    opaque = picture[..., 3] > 60
    relative = (light / max(float(light[opaque].mean()), 0.05))[..., None]
    paint = np.array(PAINT[colour]) / 255
    darker = paint * (0.2 + 0.8 * np.minimum(relative, 1))
    paler = np.clip((relative - 1) * 0.7, 0, 0.6)
    out = picture.copy()
    out[..., :3] = np.round((darker + (1 - darker) * paler) * 255).astype(np.uint8)
    return out


def main_word(pixels: NDArray[np.floating]) -> str:
    """The colour word of most of these pixels, (number, 3) in 0…1; coloured ones count before gray ones."""
    words = list(PAINT)
    if not len(pixels):
        return "nothing"
    counts = np.bincount(word_of(pixels), minlength=len(words))
    hsv = to_hsv(pixels)
    coloured = (hsv[:, 1] > 0.3) & (hsv[:, 2] > 0.2)  # nearly black is black, whatever its tint
    if coloured.mean() > 0.25:  # wheels, eyes and outlines have no say in the colour of a car
        counts[[words.index(word) for word in ("black", "white", "gray")]] = 0
    return words[int(counts.argmax())]


def word_of(pixels: NDArray[np.floating]) -> NDArray[np.intp]:
    """For pixels in 0…1, (…, 3), the index in `PAINT` of the colour word that names them best.

    By hue where there is one, else by lightness; not by distance in RGB, which calls a dark blue "black".
    """
    words = list(PAINT)
    hue, saturation, value = np.moveaxis(to_hsv(pixels), -1, 0)
    degrees = hue * 360
    edges = [14, 41, 66, 170, 252, 292, 346]
    by_hue = np.array([words.index(w) for w in ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")])
    named = by_hue[np.digitize(degrees, edges)]
    named = np.where((named == words.index("red")) & (saturation < 0.5) & (value > 0.75), words.index("pink"), named)
    brown = (degrees > 10) & (degrees < 45) & (value < 0.68)
    named = np.where(brown, words.index("brown"), named)
    gray = np.select([value < 0.3, value > 0.85], [words.index("black"), words.index("white")], words.index("gray"))
    return np.where((saturation < 0.15) | (value < 0.2), gray, named)
