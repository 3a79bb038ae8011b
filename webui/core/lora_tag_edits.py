"""Changing the `<lora:…>` tags of a prompt: another file, another weight. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping

from webui.core.lora_tags import KINDS, is_blocks

_TAG = re.compile(rf"<({'|'.join(KINDS)}):([^>:]{{1,500}})((?::[^>]{{0,500}})?)>")


def with_lora(prompt: str, name: str | None) -> str:
    """The first tag names another file, with the weight that it has; a prompt without tags gets one at its end. None: no tag."""
    if name is None:
        return _TAG.sub("", prompt, count=1)
    if _TAG.search(prompt) is None:
        return f"{prompt} <lora:{name}:1>" if prompt else f"<lora:{name}:1>"
    return _TAG.sub(lambda tag: f"<{tag[1]}:{name}{tag[3]}>", prompt, count=1)


def with_lora_weight(prompt: str, weight: float) -> str | None:
    """The first tag has this weight for text encoders and UNet; what else it says stays. None: there is no tag."""
    if _TAG.search(prompt) is None:
        return None

    def changed(tag: re.Match[str]) -> str:
        parts = tag[3].split(":")[1:]
        named = [part for part in parts if "=" in part and part.partition("=")[0] not in ("te", "unet")]
        blocks = [part for part in parts if "=" not in part and is_blocks(part)]
        numbers = [part for part in parts if "=" not in part and not is_blocks(part)]
        dyn = [f"dyn={part}" for part in numbers[2:3] if part.strip()]
        return f"<{':'.join([tag[1], tag[2], f'{weight:.10g}', *dyn, *blocks, *named])}>"

    return _TAG.sub(changed, prompt, count=1)


def renamed(prompt: str, names: Mapping[str, str]) -> str:
    """All tags that name one of the files name it as it is called now."""
    return _TAG.sub(lambda tag: f"<{tag[1]}:{names.get(tag[2], tag[2])}{tag[3]}>", prompt)
