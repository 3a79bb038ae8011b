"""Draws the program's icons: `python -m tools.icons` writes them into webui/ui/assets/icons.

One boat on the accent's blue: with round corners for windows and start pages, and one that fills its square, whose boat lies
within the inner four fifths that every mask of a phone leaves (W3C Web App Manifest, "maskable").
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from webui.ui.texts import ASSETS

SEA = (18, 98, 141)
SAIL, FAR_SAIL, HULL = (255, 255, 255), (186, 217, 233), (255, 255, 255)

#: Of a square of 64: two sails and the hull.
_SHAPES = (
    (((30, 14), (30, 39), (10, 39)), SAIL),
    (((34, 19), (50, 39), (34, 39)), FAR_SAIL),
    (((9, 44), (55, 44), (48, 53), (16, 53)), HULL),
)

#: Name, pixels each way, whether the sea fills the square, size of the boat as a share of the usual.
ICONS = (
    ("app-192.png", 192, False, 1.0),
    ("app-512.png", 512, False, 1.0),
    ("app-maskable-512.png", 512, True, 0.8),
    ("app-touch-180.png", 180, True, 0.9),
)

_FINER = 4


def draw(size: int, *, full: bool, share: float = 1.0) -> Image.Image:
    """The icon, RGBA, `size` pixels each way; drawn four times as large and made smaller, for smooth edges."""
    large = size * _FINER
    image = Image.new("RGBA", (large, large))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, large - 1, large - 1), 0 if full else large * 14 / 64, fill=SEA)
    for points, colour in _SHAPES:
        pen.polygon([(_place(x, share) * large, _place(y, share) * large) for x, y in points], fill=colour)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _place(at: float, share: float) -> float:
    """From the square of 64 to a share of the icon's side."""
    return 0.5 + (at / 64 - 0.5) * share


def write(folder: Path) -> None:
    for name, size, full, share in ICONS:
        draw(size, full=full, share=share).save(folder / name, optimize=True)


if __name__ == "__main__":
    write(ASSETS / "icons")
