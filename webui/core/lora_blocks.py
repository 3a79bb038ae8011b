"""Block weights: how much of a LoRA each block of a UNet takes, in the lists and presets that users of A1111 know.

A list begins with BASE, the text encoders; its length tells the blocks. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from webui.core.lora_tags import WEIGHT_LIMIT
from webui.errors import InvalidRequest

BASE = "BASE"


def _numbered(kind: str, numbers: range) -> tuple[str, ...]:
    return tuple(f"{kind}{number:02}" for number in numbers)


#: Of SD 1.x and 2.x: the blocks with attention, and all of them.
_SMALL = (BASE, "IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "M00", *_numbered("OUT", range(3, 12)))
_SMALL_ALL = (BASE, *_numbered("IN", range(12)), "M00", *_numbered("OUT", range(12)))
#: The same of SDXL.
_LARGE = (BASE, "IN04", "IN05", "IN07", "IN08", "M00", *_numbered("OUT", range(6)))
_LARGE_ALL = (BASE, *_numbered("IN", range(9)), "M00", *_numbered("OUT", range(9)))

_SMALL_DEEP = {"IN": range(5, 9), "OUT": range(3, 7)}
_LARGE_DEEP = {"IN": range(7, 9), "OUT": range(3)}
_SMALL_SHALLOW = {"IN": range(3), "OUT": range(7, 12)}
_LARGE_SHALLOW = {"IN": range(7), "OUT": range(3, 9)}


def block_weights(name: str, text: str, *, sdxl: bool) -> Mapping[str, float]:
    """The weight of each block by its name; one that is not in it takes nothing.

    Args:
        name: of the LoRA, for messages.
        text: a preset or numbers with commas between.

    Raises:
        InvalidRequest: it is neither, or of another length than the model's lists.
    """
    found = _presets(sdxl=sdxl).get(text.strip().upper())
    if found is not None:
        return found
    if "," not in text:
        known = ", ".join(_presets(sdxl=sdxl))
        raise InvalidRequest("prompt", f"<lora:{name:.80}>: there are no block weights “{text.strip():.40}”. Known are {known}.")
    items = [item.strip() for item in text.split(",")]
    lists = (_LARGE, _LARGE_ALL) if sdxl else (_SMALL, _SMALL_ALL)
    blocks = next((blocks for blocks in lists if len(blocks) == len(items)), None)
    if blocks is None:
        expected = " or ".join(str(len(blocks)) for blocks in lists)
        raise InvalidRequest(
            "prompt",
            f"<lora:{name:.80}>: {len(items)} block weights were found, {'SDXL' if sdxl else 'SD 1.x and 2.x'} has {expected}.",
        )
    return {block: _weight(name, item) for block, item in zip(blocks, items, strict=True)}


def _weight(name: str, item: str) -> float:
    try:
        weight = float(item)
    except ValueError:
        weight = math.nan
    if not abs(weight) <= WEIGHT_LIMIT:
        hint = " Random ones are not taken: such a picture could not be made again." if item.upper() in ("R", "U") else ""
        limits = f"a number from -{WEIGHT_LIMIT:g} to {WEIGHT_LIMIT:g} was expected"
        raise InvalidRequest("prompt", f"<lora:{name:.80}>: the block weight is “{item:.20}”, {limits}.{hint}")
    return weight


def _presets(*, sdxl: bool) -> dict[str, dict[str, float]]:
    blocks = _LARGE_ALL if sdxl else _SMALL_ALL
    deep, shallow = (_LARGE_DEEP, _LARGE_SHALLOW) if sdxl else (_SMALL_DEEP, _SMALL_SHALLOW)

    def chosen(kind: str, numbers: range = range(12)) -> set[str]:
        return {f"{kind}{number:02}" for number in numbers}

    sides = {
        "NONE": set[str](),
        "ALL": set(blocks),
        "INS": chosen("IN", shallow["IN"]),
        "IND": chosen("IN", deep["IN"]),
        "INALL": chosen("IN"),
        "MIDD": chosen("IN", deep["IN"]) | {"M00"} | chosen("OUT", deep["OUT"]),
        "OUTD": chosen("OUT", deep["OUT"]),
        "OUTS": chosen("OUT", shallow["OUT"]),
        "OUTALL": chosen("OUT"),
    }
    made = {
        preset: {block: float(block in taken or (block == BASE and preset != "NONE")) for block in blocks}
        for preset, taken in sides.items()
    }
    return {**made, "ALL0.5": dict.fromkeys(blocks, 0.5)}


def block_of(key: str) -> str:
    """The block of a UNet's tensor by its name in the original layout ("input_blocks.4.1…"); BASE for what is in none."""
    kind, _, rest = key.partition(".")
    number = rest.partition(".")[0]
    match kind:
        case "input_blocks":
            return f"IN{int(number):02}"
        case "middle_block":
            return "M00"
        case "output_blocks":
            return f"OUT{int(number):02}"
    return BASE
