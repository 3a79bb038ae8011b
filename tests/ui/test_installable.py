"""The page can be kept as an app: its manifest is served as one, and names icons that are there."""

from __future__ import annotations

import json
from math import hypot

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tools import icons
from webui.ui.blocks import Assets
from webui.ui.texts import ASSETS

MANIFEST = json.loads((ASSETS / "periplus.webmanifest").read_text(encoding="utf-8"))


def test_the_manifest_is_served_as_one_and_leads_to_the_page_wherever_that_lies():
    client = TestClient(Starlette(routes=[Mount("/below/webui-assets", Assets(directory=ASSETS))]))
    answer = client.get("/below/webui-assets/periplus.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    address = answer.request.url
    assert address.join(MANIFEST["start_url"]).path == address.join(MANIFEST["scope"]).path == "/below/"
    for icon in MANIFEST["icons"]:
        assert client.get(str(address.join(icon["src"]))).headers["content-type"] == "image/png"


@pytest.mark.parametrize("icon", MANIFEST["icons"], ids=lambda icon: icon["src"])
def test_every_icon_has_the_size_that_the_manifest_says(icon: dict[str, str]):
    with Image.open(ASSETS / icon["src"]) as image:
        assert f"{image.width}x{image.height}" == icon["sizes"]


def test_what_a_phone_cuts_off_of_the_maskable_icon_is_only_sea():
    size, sea = 128, (*icons.SEA, 255)
    image = icons.draw(size, full=True, share=0.8)
    boat = [(x, y) for x in range(size) for y in range(size) if image.getpixel((x, y)) != sea]
    assert boat
    assert max(hypot(x + 0.5 - size / 2, y + 0.5 - size / 2) for x, y in boat) < 0.4 * size


def test_the_script_draws_every_icon_that_is_there(tmp_path):
    icons.write(tmp_path)
    there = ASSETS / "icons"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in there.glob("app-*.png")}
    for path in tmp_path.iterdir():
        with Image.open(path) as drawn, Image.open(there / path.name) as kept:
            assert drawn.size == kept.size
