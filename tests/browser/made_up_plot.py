"""A plot that nobody has computed: its JSON and pictures, answered in the browser in place of the server."""

from __future__ import annotations

import io
import itertools
import json
import re
from typing import Any

from PIL import Image
from playwright.sync_api import Page, Route

ID = "plot-made-up"


def made_up_plot(shape: tuple[int, ...], names: tuple[str, ...], size: tuple[int, int] = (512, 512)) -> dict[str, Any]:
    """A finished plot; the values of each axis are 1, 2, 3 …"""
    labels = [[f"{name}: {value + 1}" for value in range(length)] for name, length in zip(names, shape, strict=True)]
    cells = [_cell(index, size) for index in itertools.product(*map(range, shape))]
    return {
        "id": ID,
        "state": "done",
        "note": "",
        "created": 1_700_000_000.0,
        "base": {"prompt": "a plot that nobody has computed", "width": size[0], "height": size[1]},
        "axes": [{"type": name, "values": f"1-{length}", "fixed": ""} for name, length in zip(names, shape, strict=True)],
        "vary_seeds": [False, False, False],
        "shape": list(shape),
        "labels": labels,
        "done": len(cells),
        "failed": 0,
        "total": len(cells),
        "seconds_left": None,
        "cells": cells,
    }


def _cell(index: tuple[int, ...], size: tuple[int, int]) -> dict[str, Any]:
    place = ".".join(map(str, index))
    return {
        "index": list(index),
        "state": "done",
        "job_id": f"job-{place}",
        "url": f"/api/v1/plots/{ID}/cells/{place}.webp?size={max(size)}",
        "thumbnail": f"/api/v1/plots/{ID}/cells/{place}.webp",
        "width": size[0],
        "height": size[1],
        "seconds": 1.0 + sum(index),
        "seed": str(2**64 - 1),
        "sharpness": 100.0 / (1 + sum(index)),
        "favourite": False,
        "similarity": 1 / (1 + index[0]),
        "error": "",
        "settings": {"guidance_scale": index[0] + 1.0},
    }


def serve(page: Page, plot: dict[str, Any]) -> None:
    """Answer for the plot; whatever else is asked goes to the server."""

    def answer(route: Route) -> None:
        address = route.request.url
        if route.request.method == "PUT":
            return route.fulfill(body="{}", content_type="application/json")
        if found := re.search(r"/cells/([\d.]+)\.webp\?size=(\d+)", address):
            index = [int(part) for part in found[1].split(".")]
            route.fulfill(body=_picture(index, plot["shape"], int(found[2])), content_type="image/webp")
        elif address.endswith("/plots"):
            route.fulfill(body=json.dumps([plot]), content_type="application/json")
        elif address.endswith(ID):
            route.fulfill(body=json.dumps(plot), content_type="application/json")
        else:
            route.fallback()

    page.route("**/api/v1/plots**", answer)
    page.route("**/api/v1/plots/**", answer)


def _picture(index: list[int], shape: list[int], side: int) -> bytes:
    """A colour that tells the first two places in the grid."""
    red, green = (round(255 * at / max(1, length - 1)) for at, length in zip(index, shape[:2], strict=False))
    file = io.BytesIO()
    Image.new("RGB", (side, side), (red, green, 128)).save(file, "WEBP")
    return file.getvalue()
