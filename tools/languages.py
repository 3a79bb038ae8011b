"""What is missing or stale in the page's languages, and how it gets in.

`python -m tools.languages ru` prints what is to be translated as JSON, {"sentences": {key: English}, "words": [English]};
`python -m tools.languages ru --merge FILE` takes over {"sentences": {key: text}, "words": {English: text}}, drops what is gone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.params import FieldSpec, params_of
from webui.core.postprocessing import ExtrasRequest
from webui.core.series import SCRIPTS
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.preferences import Preferences
from webui.ui.form import specs_with
from webui.ui.texts import ASSETS, table

LOCALES = ASSETS / "locales"


def page_words() -> list[str]:
    """Labels, helps and choices of what is drawn from a table: fields, settings, options of the extensions that come along."""
    with tempfile.TemporaryDirectory() as folder:
        plugins = PluginManager.of(Settings(data_dir=Path(folder)))
        plugins.start()
        specs = [*specs_with(plugins.kinds).values(), *params_of(Preferences).values(), *plugins.settings.fields.values()]
    for kind in (ExtrasRequest, *SCRIPTS.values()):
        specs += params_of(kind).values()
    found = dict.fromkeys(word for spec in specs for word in _of(spec) if word and word not in table().values())
    return [*(found | dict.fromkeys(choice for spec in specs for choice in _choices(spec)))]


def _of(spec: FieldSpec) -> tuple[str, ...]:
    short = spec.param.label if spec.kind is bool else spec.param.infotext or spec.param.label
    return spec.param.label, spec.param.help, short


def _choices(spec: FieldSpec) -> tuple[str, ...]:
    """Those that are words; samplers and schedule types, which extensions add to, have names."""
    return spec.param.choices if isinstance(spec.param.choices, tuple) else ()


def read(code: str) -> dict[str, Any]:
    """The table of a language as it is."""
    return json.loads((LOCALES / f"{code}.json").read_text(encoding="utf-8"))


def missing(code: str) -> dict[str, Any]:
    """What has no translation, or one of another English."""
    content = read(code)
    sentences = {key: text for key, text in table().items() if content["sentences"].get(key, [""])[0] != text}
    return {"sentences": sentences, "words": [word for word in page_words() if word not in content["words"]]}


def merge(code: str, found: Mapping[str, Any]) -> None:
    """Write the table anew, in the order of the English one."""
    content = read(code)
    fresh = {key: [text, found["sentences"].get(key)] for key, text in table().items() if key in found["sentences"]}
    sentences = content["sentences"] | fresh
    words = content["words"] | dict(found["words"])
    content["sentences"] = {key: sentences[key] for key in table() if key in sentences}
    content["words"] = {word: words[word] for word in page_words() if word in words}
    text = json.dumps(content, ensure_ascii=False, indent=2)
    (LOCALES / f"{code}.json").write_text(text + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code")
    parser.add_argument("--merge", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.merge:
        merge(given.code, json.loads(given.merge.read_text(encoding="utf-8")))
    left = missing(given.code)
    json.dump(left, sys.stdout, ensure_ascii=False, indent=1)
    return 1 if left["sentences"] or left["words"] else 0


if __name__ == "__main__":
    sys.exit(main())
