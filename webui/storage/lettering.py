"""Words drawn into pictures, in any script for which there is a font: Pillow's own, and those of this machine that are known."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

#: Fonts that cover much, the first that has a letter draws it.
_NAMES = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf", "Arial Unicode.ttf", "arial.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "msyh.ttc", "YuGothR.ttc", "meiryo.ttc", "malgun.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc",
    "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf", "NotoSansThai-Regular.ttf", "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf", "leelawui.ttf",
)  # fmt: skip

#: A letter that no font has, to know how a font draws one that it has not.
_NO_LETTER = "\U0010fffe"
_LINE = 1.3  # of the font's size
_LINES = 14  # of a label at most

Font = ImageFont.FreeTypeFont


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", home / "AppData/Local/Microsoft/Windows/Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"]


@cache
def font_files() -> tuple[Path, ...]:
    """The known fonts that are installed here, in the order in which they are tried."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for place, _, names in os.walk(folder):
            for name in set(names).intersection(_NAMES):
                found.setdefault(name, Path(place) / name)
    return tuple(found[name] for name in _NAMES if name in found)


@lru_cache(maxsize=16)
def _fonts(size: int) -> tuple[Font, ...]:
    fonts = []
    for path in font_files():
        try:
            fonts.append(ImageFont.truetype(str(path), size))
        except OSError:  # it is damaged: the others serve
            continue
    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont), "Pillow is built with FreeType"
    return (*fonts, own)


@lru_cache(maxsize=4096)
def _font_for(letter: str, size: int) -> Font:
    fonts = _fonts(size)
    if letter.isspace():
        return fonts[0]
    return next((font for font in fonts if _has(font, letter)), fonts[0])


def _has(font: Font, letter: str) -> bool:
    return _drawn(font, letter) != _drawn(font, _NO_LETTER)


def _drawn(font: Font, letter: str) -> bytes:
    size = round(font.size) * 2
    picture = Image.new("L", (size, size))
    ImageDraw.Draw(picture).text((0, 0), letter, font=font, fill=255)
    return picture.tobytes()


def _runs(text: str, size: int) -> Iterator[tuple[Font, str]]:
    for font, letters in groupby(text, lambda letter: _font_for(letter, size)):
        yield font, "".join(letters)


def width_of(text: str, size: int) -> int:
    """In pixels, of one line."""
    return round(sum(font.getlength(run) for font, run in _runs(text, size)))


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Lines that are at most so wide: broken at blanks, and within words that are too long for any line."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += _broken(paragraph, size, width)
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], lines[_LINES - 1].rstrip() + "…"]


def _broken(paragraph: str, size: int, width: int) -> list[str]:
    lines, line = [], ""
    for word in paragraph.split():
        longer = f"{line} {word}" if line else word
        if width_of(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, size, width)
        lines += whole
        if len(lines) > _LINES:
            break
    return [*lines, line]


def _pieces(word: str, size: int, width: int) -> list[str]:
    pieces, piece = [], ""
    for letter in word:
        if piece and width_of(piece + letter, size) > width:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]


def height_of(lines: list[str], size: int) -> int:
    """In pixels."""
    return round(len(lines) * size * _LINE)


def draw_lines(
    picture: Image.Image, lines: list[str], size: int, box: tuple[int, int, int, int], colour: tuple[int, int, int] = (0, 0, 0)
) -> None:
    """Write lines into the middle of a box (left, top, right, bottom)."""
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = box
    y = top + (bottom - top - height_of(lines, size)) / 2 + size * (_LINE - 1) / 2
    for line in lines:
        x = left + (right - left - width_of(line, size)) / 2
        for font, run in _runs(line, size):
            draw.text((x, y + size * 0.8), run, font=font, fill=colour, anchor="ls")
            x += font.getlength(run)
        y += size * _LINE
