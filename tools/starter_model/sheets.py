"""Sheets of small pictures, to be looked at."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

_CAPTION = 12


def to_image(picture: Tensor) -> Image.Image:
    """(3, height, width) in −1…1 → RGB."""
    pixels = ((picture.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def cover_of(pictures: Tensor) -> str:
    """Six pictures, (6, 3, height, width) in −1…1, as one in the shape that cards have: the data URL that ModelSpec calls a
    thumbnail."""
    rows = [torch.cat(list(row), 2) for row in pictures.split(3)]
    encoded = io.BytesIO()
    to_image(torch.cat(rows, 1)).save(encoded, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(encoded.getvalue()).decode()}"


def save_sheet(
    pictures: Sequence[Tensor | Image.Image],
    path: Path,
    *,
    columns: int,
    captions: Sequence[str] = (),
    colours: int | None = None,
) -> None:
    """Write a PNG with the pictures in rows; `colours` reduces it to a palette, which makes it a third as large."""
    images = [picture if isinstance(picture, Image.Image) else to_image(picture) for picture in pictures]
    width = max(image.width for image in images) + 2
    height = max(image.height for image in images) + 2 + (_CAPTION if captions else 0)
    sheet = Image.new("RGB", (width * columns, height * -(-len(images) // columns)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        left, top = index % columns * width, index // columns * height
        sheet.paste(image, (left + 1, top + 1))
        if captions:
            draw.text((left + 3, top + height - _CAPTION), captions[index][: width // 6], fill=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    (sheet.quantize(colours) if colours else sheet).save(path, optimize=True)
