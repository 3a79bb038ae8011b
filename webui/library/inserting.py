"""What a click on a model's card, or choosing its name while typing, puts into the prompts. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from webui.library.notes import Notes
from webui.library.shelves import Listed

_UNCALLABLE = frozenset("<>:")


@dataclass(frozen=True)
class Inserting:
    """How a person wants it.

    Args:
        aliases: call a LoRA by the name that its trainer gave it rather than by its file's.
        weight: of a LoRA for which none is noted.
        separator: goes before what is added.
    """

    aliases: bool = True
    weight: float = 1.0
    separator: str = " "


@dataclass(frozen=True)
class Insertion:
    """Texts for the two prompts. `tag` is the part of them that calls the model, `name` what the model is called there."""

    prompt: str = ""
    negative: str = ""
    tag: str = ""
    name: str = ""


def insertion(model: Listed, alias: str, notes: Notes, rules: Inserting) -> Insertion:
    """As A1111 builds it. `alias` is "" where the model cannot be called by one."""
    if model.kind == "lora":
        name = callable_name(model, alias, rules)
        tag = f"<lora:{name}:{notes.preferred_weight or rules.weight:g}>"
        return Insertion(" ".join(filter(None, (tag, notes.activation_text.strip()))), notes.negative_text.strip(), tag, name)
    if model.kind == "hypernetwork":
        tag = f"<hypernet:{model.stem}:{rules.weight:g}>"
        return Insertion(tag, "", tag, model.stem)
    if model.kind == "embedding":
        text = notes.negative_text.strip()
        if text:  # made for the negative prompt
            return Insertion(
                "", text if model.stem.casefold() in text.casefold() else f"{model.stem} {text}", model.stem, model.stem
            )
        return Insertion(" ".join(filter(None, (model.stem, notes.activation_text.strip()))), "", model.stem, model.stem)
    return Insertion()


def callable_name(model: Listed, alias: str, rules: Inserting) -> str:
    """A name that would end the tag is not used."""
    return alias if rules.aliases and alias and not _UNCALLABLE & set(alias) else model.stem
