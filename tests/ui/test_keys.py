"""The table of keys against the scripts that act on them."""

from __future__ import annotations

import re

from webui.ui.texts import ASSETS, table

SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in (ASSETS / "js").glob("*.js")}


def places() -> dict[str, list[str]]:
    listed = SCRIPTS["key-table.js"].split("export const KEYS = {")[1].split("\n};")[0]
    blocks = re.findall(r"^  (\w+): \{\n(.*?)^  \},", listed, re.MULTILINE | re.DOTALL)
    return {place: re.findall(r"^    (\w+): \[", block, re.MULTILINE) for place, block in blocks}


def test_every_key_has_its_words():
    keys = {f"keys.{place}.{action}" for place, actions in places().items() for action in actions}
    assert {key for key in table() if key.count(".") == 2 and key.startswith("keys.")} == keys
    assert all(f"keys.{place}" in table() for place in places())


def test_every_place_asks_the_table_what_a_key_means():
    asked = {place for text in SCRIPTS.values() for place in re.findall(r'\bpressed\([^)]*"(\w+)"\)', text)}
    assert asked == set(places())


def test_every_action_is_acted_on_by_a_script_of_its_place():
    closing = {"viewer.close"}  # a dialog's own
    for place, actions in places().items():
        acting = "\n".join(text for text in SCRIPTS.values() if re.search(rf'\bpressed\([^)]*"{place}"\)', text))
        unheard = [action for action in actions if not re.search(rf'"{action}"|\b{action}:', acting)]
        assert [f"{place}.{action}" for action in unheard if f"{place}.{action}" not in closing] == []
