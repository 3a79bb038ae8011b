"""What a click on a model's card, or choosing its name while typing, puts into the prompts. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from webui.library.notes import Notes
from webui.library.shelves import Listed

_UNCALLABLE = frozenset("<>:=#\n")


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
    """Texts for the two prompts, and what goes before them. `tag` is the part that calls the model, `name` its name there."""

    prompt: str = ""
    negative: str = ""
    tag: str = ""
    name: str = ""
    separator: str = " "


def insertion(model: Listed, own: str, alias: str, notes: Notes, rules: Inserting) -> Insertion:
    """As A1111 builds it, of a kind that prompts call.

    Args:
        own: calls a LoRA or a hypernetwork by its file.
        alias: "" where the model cannot be called by one.
    """
    name, activation, negative = model.stem, notes.activation_text.strip(), notes.negative_text.strip()
    if model.kind == "lora":
        name = callable_name(own, alias, rules)
        tag = f"<lora:{name}:{notes.preferred_weight or rules.weight:g}>"
    elif model.kind == "hypernetwork":
        name = own
        tag, negative = f"<hypernet:{name}:{rules.weight:g}>", ""
    elif negative:  # made for the negative prompt
        text = negative if name.casefold() in negative.casefold() else f"{name} {negative}"
        return Insertion("", text, name, name, rules.separator)
    else:
        tag = name
    return Insertion(" ".join(filter(None, (tag, activation))), negative, tag, name, rules.separator)


def callable_name(own: str, alias: str, rules: Inserting) -> str:
    """An alias that would end the tag, or not be read as its name, is not used."""
    return alias if rules.aliases and alias and not _UNCALLABLE & set(alias) else own
