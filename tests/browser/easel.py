"""The canvas of a sub-tab as a person uses it: strokes with the mouse, tools, what is drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.page import Studio

#: Where the picture stands on the screen.
_PLACE = (
    "(c => { const {left, top} = c.screen.getBoundingClientRect(), {scale, x, y} = c.view;"
    "return [left + x, top + y, scale]; })({canvas})"
)

_CANVAS = "(await import('/webui-assets/js/img2img.js')).canvasOf('{name}')"

Point = tuple[float, float]


class Easel:
    """`name` is the sub-tab's: img2img, sketch, inpaint, inpaint_sketch. Points are in pixels of the picture."""

    def __init__(self, studio: Studio, name: str) -> None:
        self.studio = studio
        self.page = studio.page
        self.name = name

    def show(self) -> Easel:
        if not self.page.locator("#img2img_frame").is_visible():
            self.studio.show("img2img")
        self.page.click(f"#subtab_{self.name}_tab")
        self.page.locator(f"#canvas_{self.name}").wait_for()
        self.ask("(await import('/webui-assets/js/img2img.js')).restored('{name}')")
        return self

    def ask(self, expression: str) -> Any:
        """The value of JavaScript in which {canvas} is the canvas and {name} the sub-tab."""
        filled = expression.replace("{canvas}", _CANVAS).replace("{name}", self.name)
        return self.page.evaluate(f"async () => ({filled})")

    def choose(self, path: Path) -> None:
        self.page.set_input_files(f"#canvas_{self.name}_file", path)
        self.page.locator(f"#canvas_{self.name}:not(.empty)").wait_for()

    def new(self, width: int, height: int) -> None:
        self.page.click(f"#canvas_{self.name}_new")
        self.page.fill(f"#canvas_{self.name}_blank_width", str(width))
        self.page.fill(f"#canvas_{self.name}_blank_height", str(height))
        self.page.click(f"#canvas_{self.name}_blank_create")
        self.page.locator(f"#canvas_{self.name}:not(.empty)").wait_for()

    def set(self, **values: object) -> None:
        """size, opacity, colour."""
        for name, value in values.items():
            self.page.locator(f"#canvas_{self.name}_{name}").fill(str(value))

    def tool(self, name: str) -> None:
        self.page.click(f"#canvas_{self.name}_{name}")

    # ---- strokes

    def on_screen(self, point: Point) -> tuple[int, int]:
        self.page.locator(f"#canvas_{self.name}_screen").scroll_into_view_if_needed()
        left, top, scale = self.ask(_PLACE)
        return round(left + point[0] * scale), round(top + point[1] * scale)

    def in_picture(self, screen: tuple[int, int]) -> Point:
        """Where a point of the screen is in the picture, reckoned as the page does."""
        left, top, scale = self.ask(_PLACE)
        return (screen[0] - left) / scale, (screen[1] - top) / scale

    def stroke(self, *points: Point) -> list[Point]:
        """Draw from point to point with the mouse; returns where the pointer was."""
        screens = [self.on_screen(point) for point in points]
        self.page.mouse.move(*screens[0])
        self.page.mouse.down()
        for screen in screens[1:]:
            self.page.mouse.move(*screen, steps=6)
        self.page.mouse.up()
        return [self.in_picture(screen) for screen in screens]

    # ---- what is drawn

    def drawn(self) -> Image.Image:
        """The mask in the page's memory."""
        width, height, values = self.ask("(c => [c.layer.width, c.layer.height, [...c.layer.bytes]])({canvas})")
        return Image.frombytes("L", (width, height), bytes(values))

    def exported(self, what: str) -> Image.Image:
        """What would be handed in: "source" or "mask"."""
        data = self.ask("[...new Uint8Array(await (await {canvas}." + what + "()).arrayBuffer())]")
        return Image.open(io.BytesIO(bytes(data)))

    def keep(self) -> None:
        """Wait until the browser has kept what is drawn."""
        self.ask("(await import('/webui-assets/js/canvas-store.js')).written()")


def disc(size: tuple[int, int], middle: Point, diameter: float) -> Image.Image:
    """White where a pixel's middle is no further from `middle` than the radius."""
    width, height = size
    inside = (
        (x + 0.5 - middle[0]) ** 2 + (y + 0.5 - middle[1]) ** 2 <= diameter**2 / 4 for y in range(height) for x in range(width)
    )
    return Image.frombytes("L", size, bytes(255 if one else 0 for one in inside))
