"""Grids: everything in its place, any size in little memory, words in any script."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from webui.storage import lettering
from webui.storage.figures import grey_of, sharpness, similarity
from webui.storage.grids import LARGEST_SIDE, Layout, grid_chunks
from webui.storage.metadata import read_infotext

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200), (200, 0, 200)]


def grid(layout: Layout, load, infotext: str = "") -> Image.Image:
    picture = Image.open(io.BytesIO(b"".join(grid_chunks(layout, load, infotext))))
    picture.load()
    return picture


def plain(index: tuple[int, ...]) -> Image.Image:
    number = index[0] + 2 * (index[1] if len(index) > 1 else 0)
    return Image.new("RGB", (20, 10), COLOURS[number % 6])


def test_cells_stand_in_rows_and_columns_with_margins_between():
    made = grid(Layout((2, 3), (("", ""), ("",) * 3), (20, 10), margin=4, legend=False), plain)
    assert made.size == (2 * 20 + 4, 3 * 10 + 2 * 4)
    assert [made.getpixel((24 * x + 10, 14 * y + 5)) for y in range(3) for x in range(2)] == COLOURS
    assert made.getpixel((21, 5)) == made.getpixel((5, 12)) == (255, 255, 255)


def test_values_of_z_stand_side_by_side_and_those_beyond_below():
    seen = []

    def load(index: tuple[int, ...]) -> Image.Image:
        seen.append(index)
        return plain(index)

    layout = Layout((1, 2, 3, 2), (("",), ("", ""), ("",) * 3, ("", "")), (20, 10), legend=False)
    assert grid(layout, load).size == (60, 40)
    assert seen == [(0, row, z, w) for w in range(2) for row in range(2) for z in range(3)]


def test_cells_of_other_sizes_are_centred_and_missing_ones_say_why():
    def load(index: tuple[int, ...]) -> Image.Image | str:
        return "It failed." if index[0] else Image.new("RGB", (40, 20), COLOURS[0])

    made = grid(Layout((2,), (("", ""),), (100, 60), legend=False), load)
    assert made.getpixel((50, 30)) == COLOURS[0]
    assert made.getpixel((20, 30)) == made.getpixel((50, 10)) == (255, 255, 255)
    assert len(made.crop((100, 0, 200, 60)).getcolors() or []) > 2


def test_titles_stand_above_columns_and_beside_rows():
    layout = Layout((2, 2), (("Steps: 1", "Steps: 2"), ("", "CFG Scale: 7")), (120, 80))
    made = grid(layout, lambda index: Image.new("RGB", (120, 80), (0, 0, 255)))
    assert made.size == (layout.left + 240, made.height)
    assert made.height > 160
    top = made.height - 160
    assert _is_written(made.crop((layout.left, 0, layout.left + 120, top)))
    assert not _is_written(made.crop((0, top, layout.left, top + 80)))
    assert _is_written(made.crop((0, top + 80, layout.left, top + 160)))


def _is_written(picture: Image.Image) -> bool:
    return picture.convert("L").getextrema()[0] < 128  # pyright: ignore[reportOperatorIssue]


def test_very_long_titles_are_wrapped_and_never_wider_than_their_cells():
    title = "a very long prompt " * 30 + "x" * 400
    lines = lettering.wrapped(title, 12, 100)
    assert max(lettering.width_of(line, 12) for line in lines[:-1]) <= 100
    assert lines[-1].endswith("…")
    layout = Layout((2, 1), ((title, "b"), (title,)), (100, 100))
    assert layout.width <= 300


def test_letters_are_drawn_by_the_first_font_that_has_them():
    fonts = {lettering._font_for(letter, 20).getname() for letter in "aя猫"}
    assert fonts <= {font.getname() for font in lettering._fonts(20)}
    if any(path.name == "DejaVuSans.ttf" for path in lettering.font_files()):
        assert lettering._has(lettering._font_for("я", 20), "я")


@pytest.mark.parametrize("text", ["Steps: 1, X Type: Seed", "кошка 猫, X Type: Seed"])
def test_the_infotext_is_in_the_file(text: str, tmp_path: Path):
    path = tmp_path / "grid.png"
    path.write_bytes(b"".join(grid_chunks(Layout((1,), (("",),), (20, 10)), plain, text)))
    assert read_infotext(path, "grid").infotext == text


def test_a_grid_that_no_viewer_would_open_is_shrunk():
    layout = Layout((200, 1), (("",) * 200, ("",)), (512, 512), legend=False)
    assert layout.width <= LARGEST_SIDE
    assert layout.size[0] < 512


def test_a_grid_of_thirty_by_thirty_takes_little_memory(tmp_path: Path):
    """Of 128², so that it is quick; the benchmark does 512²."""
    code = (
        "import resource, sys\n"
        "from PIL import Image\n"
        "from webui.storage.grids import Layout, grid_chunks\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "noise = Image.effect_noise((128, 128), 60).convert('RGB')\n"
        "layout = Layout((30, 30), (('x',) * 30, ('y',) * 30), (128, 128))\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    for chunk in grid_chunks(layout, lambda index: noise.copy()): file.write(chunk)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    if sys.platform != "linux":
        pytest.skip("counts memory as Linux does")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "g.png")], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 80 * 1024  # kB
    with Image.open(tmp_path / "g.png") as made:
        assert made.width > 30 * 128


# ---- figures


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_noise_is_sharper_than_a_blur_of_it_and_like_itself_alone():
    noise = Image.effect_noise((128, 128), 80)
    sharp, soft = grey_of(encoded(noise)), grey_of(encoded(noise.resize((16, 16)).resize((128, 128))))
    assert sharpness(sharp) > 10 * sharpness(soft) > 0
    assert similarity(sharp, sharp) == pytest.approx(1)
    assert (similarity(sharp, soft) or 0) < 0.6
    assert similarity(sharp, grey_of(encoded(noise.crop((0, 0, 64, 128))))) is None
