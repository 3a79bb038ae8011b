"""Every sentence that is asked for is there, and none lies about unused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from webui.ui.texts import ASSETS, t, table

SOURCES = [*ASSETS.parent.glob("*.py"), *(ASSETS / "js").glob("*.js")]

#: Keys that are put together at run time begin with these.
COMPOSED = (
    "complete.",
    "engine.",
    "ordinal.",
    "queue.",
    "footer.theme.",
    "announce.",
    "state.",
    "models.view.",
    "models.sort.",
    "models.empty.",
    "get.kind.",
    "inner.",
    "notes.negative_text.help.",
    "header.",
    "tasks.",
    "memory.",
    "merger.",
    "plot.example.",
    "plot.option.",
    "plot.overlay.",
    "plot.cell.",
    "plot.state.",
    "plot.view.",
    "plot.go.",
    "canvas.",
    "img2img.",
    "extras.",
    "batch.view.",
    "send.",
    "ext.about.",
    "ext.view.",
    "ext.sort.",
    "ext.what.",
    "history.",
    "settings.group.",
    "nearby.",
    "keys.",
    "view.",
    "shape.",
)


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_key_that_a_file_asks_for_exists(path):
    asked = re.findall(r"\bt\(\s*[\"']([^\"']+)[\"']", source(path))
    assert [key for key in asked if key not in table()] == []


def test_no_sentence_is_unused():
    everything = "\n".join(map(source, SOURCES))
    unused = [key for key in table() if not re.search(f"[\"']{re.escape(key)}[\"']", everything) and not key.startswith(COMPOSED)]
    assert unused == []


def test_what_each_bundled_extension_does_can_be_said_in_every_language():
    manifests = [tomllib.loads(source(path)) for path in sorted(ASSETS.parents[2].glob("extensions/*/extension.toml"))]
    said = {key.removeprefix("ext.about."): text for key, text in table().items() if key.startswith("ext.about.")}
    assert said == {each["name"]: each["description"] for each in manifests}


def test_placeholders_are_filled_and_others_left():
    assert t("settings.saved", label="Live preview", value="on") == "Saved: Live preview is on."


def test_an_unknown_key_is_a_mistake():
    with pytest.raises(KeyError):
        t("no.such.key")
