"""What a reader finds in another program's texts: prompts, and settings under the keys of infotext."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.core.infotext import NEGATIVE, line_of
from webui.storage.chunks import BadFile

#: A last line of fewer entries would be taken for a part of the prompt; these change nothing.
_FILLING = {"Face restoration": "None", "Tiling": "False"}
_FEWEST_ENTRIES = 3


@dataclass
class Findings:
    """`program` is what Version will say. Entries that no field takes are what cannot be used here: Send to lists them.

    `notes` tell the steps of the work where they are many, such as a ComfyUI graph's nodes, one a line.
    """

    program: str
    prompt: str = ""
    negative_prompt: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: object) -> None:
        """Note an entry, unless the value says nothing. The first one of a key stays."""
        text = _as_text(value)
        if text:
            self.settings.setdefault(key, text)

    def put_all(self, source: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        """Note what stands in `source` under other names: `keys` is theirs → ours."""
        for theirs, ours in keys.items():
            self.put(ours, source.get(theirs))

    def put_size(self, width: object, height: object) -> None:
        if (wide := whole_number(width)) and (high := whole_number(height)):
            self.put("Size", f"{wide}x{high}")

    def put_rest(self, source: Mapping[str, Any], known: Mapping[str, Any] | set[str]) -> None:
        """Note everything else of `source` that is set to something, under its own name made readable."""
        for name, value in source.items():
            if name not in known and value not in (None, "", False, [], {}, "None"):
                self.put(readable(name), value)

    def infotext(self) -> str:
        """All of it in A1111's form; `core.infotext.parse` is the inverse."""
        entries = {**self.settings, "Version": self.program}
        for key, value in _FILLING.items():
            if len(entries) < _FEWEST_ENTRIES:
                entries.setdefault(key, value)
        negative = f"\n{NEGATIVE} {self.negative_prompt}" if self.negative_prompt else ""
        return f"{self.prompt}{negative}\n{line_of(entries)}".strip()


def _as_text(value: object) -> str:
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return " ".join(str(value).split()) if "\0" in str(value) else str(value).strip()


def readable(name: str) -> str:
    """A key of JSON as an entry of infotext: "mask_blur" → "Mask blur", cut to what infotext takes as one."""
    words = "".join(letter if letter.isalnum() or letter in "-/ " else " " for letter in name).split()
    text = " ".join(words)[:80] or "Other"
    return (text[0].upper() + text[1:]) if len(text) > 1 else f"Entry {text}"


def whole_number(value: object) -> int | None:
    """The number if it is a positive whole one, in whatever type."""
    try:
        number = int(str(value)) if not isinstance(value, float) else int(value)
    except (ValueError, OverflowError):
        return None
    return number if number > 0 else None


def number(value: object) -> float | None:
    """None for anything that is no number."""
    try:
        return None if isinstance(value, bool) or value is None else float(str(value))
    except ValueError:
        return None


def model_name(path: object) -> str:
    """A model as infotext names it: without folders and without the ending of a file of weights."""
    name = str(path or "").replace("\\", "/").rpartition("/")[2].strip()
    for ending in (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def lora_tag(name: object, strength: object = 1, text_strength: object = None) -> str:
    """A1111's tag; with two strengths the one of the text encoder is named first."""
    shown = [f"{given:g}" for given in (number(text_strength), number(strength)) if given is not None]
    if len(shown) == 2 and shown[0] == shown[1]:
        del shown[0]
    weights = shown[0] if len(shown) == 1 else ":".join(shown) or "1"
    return f"<lora:{model_name(name)}:{weights}>"


def with_tags(prompt: str, tags: list[str]) -> str:
    """The prompt with tags at its end that are not in it yet."""
    return " ".join(filter(None, [prompt, *(tag for tag in tags if tag not in prompt)]))


def read_object(text: str | None, what: str = "text") -> dict[str, Any] | None:
    """A JSON object, or None for a text that is none.

    Raises:
        BadFile: it is nested too deep to be anybody's settings.
    """
    if not text or not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    except RecursionError as error:
        raise BadFile(f"holds a {what} that is nested too deep to be settings") from error
    return found if isinstance(found, dict) else None
