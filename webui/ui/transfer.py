"""Send to txt2img: from a picture's infotext to the form's values, with a remark for everything that could not be taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.core import infotext
from webui.core.extras import ExtraKinds
from webui.core.lora_tag_edits import renamed
from webui.core.lora_tags import HASHES
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.ui.texts import t

#: The name here of the LoRA that has a hash.
FindLora = Callable[[str], str | None]

_SIZES = (("width", "height"), ("seed_resize_width", "seed_resize_height"))


@dataclass(frozen=True)
class Transfer:
    """`values` by field name; `remarks` in words; whether the picture's model and VAE are here (None: it names none)."""

    values: dict[str, Any]
    remarks: list[str]
    checkpoint_here: bool | None = None
    vae_here: bool | None = None


def read(text: str, catalog: Catalog, kinds: ExtraKinds | None = None, find_lora: FindLora = lambda digest: None) -> Transfer:
    """What the form takes from an infotext. Nothing raises: a value that cannot be used becomes a remark."""
    told = infotext.parse(text)
    restored = infotext.restore(told, kinds)
    values = dict(restored.values)
    _rename_loras(values, told.settings.get(HASHES, ""), find_lora)
    remarks = list(restored.problems)
    checkpoint_here = _take_checkpoint(values, restored.checkpoint_hash, catalog, remarks)
    vae_here = _take_vae(values, restored.vae_hash, catalog, remarks)
    _take_files(values, kinds, catalog, remarks)
    for width, height in _SIZES:
        if (width in values) != (height in values):  # one was refused: a size of two halves of different pictures is none
            values = {name: value for name, value in values.items() if name not in (width, height)}
    if restored.unused:
        unused = ", ".join(f"{key}: {value}" for key, value in restored.unused.items())
        remarks.append(t("transfer.unused", entries=unused))
    return Transfer(values, remarks, checkpoint_here, vae_here)


def _rename_loras(values: dict[str, Any], hashes: str, find_lora: FindLora) -> None:
    """Tags of files that are here under another name call them by that."""
    names: dict[str, str] = {}
    for entry in hashes.split(","):
        name, _, digest = (part.strip() for part in entry.rpartition(":"))
        if name and (found := find_lora(digest)) is not None and name not in (found, found.rpartition("/")[2]):
            names[name] = found
    for field in ("prompt", "hires_prompt"):
        if names and field in values:
            values[field] = renamed(values[field], names)


def _take_checkpoint(values: dict[str, Any], digest: str | None, catalog: Catalog, remarks: list[str]) -> bool | None:
    name = values.pop("checkpoint", None)
    if not name and not digest:
        return None
    info = find_checkpoint(catalog, name, digest)
    if info is None:
        label = " ".join(part for part in (name, f"[{digest}]" if digest else "") if part)
        remarks.append(t("transfer.checkpoint_missing", name=label))
        return False
    values["checkpoint"] = info.name
    return True


def _take_files(values: dict[str, Any], kinds: ExtraKinds | None, catalog: Catalog, remarks: list[str]) -> None:
    """Options of extensions that name checkpoints, as A1111 writes them: "name [hash]"."""
    for full_name, spec in (kinds.fields if kinds else {}).items():
        if not spec.param.files or (text := values.get(full_name, spec.default)) == spec.default:
            continue
        name, _, digest = text.removesuffix("]").partition(" [")
        if (info := find_checkpoint(catalog, name, digest)) is not None:
            values[full_name] = info.name
        else:
            values[full_name] = spec.default
            remarks.append(t("transfer.file_missing", label=spec.param.infotext or spec.param.label, name=text))


def find_checkpoint(catalog: Catalog, name: str | None, digest: str | None) -> CheckpointInfo | None:
    """By hash, which survives renaming, then by exact name. A name that is merely alike would give another picture."""
    usable = [info for info in catalog.checkpoints() if info.problem is None]
    if digest:
        for info in usable:
            if (catalog.sha256(info) or "").startswith(digest.lower()):
                return info
    return next((info for info in usable if name and _is_called(info, name)), None)


def _is_called(info: CheckpointInfo | VaeInfo, name: str) -> bool:
    wanted = name.casefold()
    return wanted in {text.casefold() for text in (info.name, info.path.name, info.path.stem, info.name.rpartition("/")[2])}


def _take_vae(values: dict[str, Any], digest: str | None, catalog: Catalog, remarks: list[str]) -> bool | None:
    name = values.get("vae")
    if name in (None, VAE_AUTOMATIC, VAE_BUILT_IN):
        return None
    info = find_vae(catalog, name, digest)
    if info is None:
        values["vae"] = VAE_AUTOMATIC
        remarks.append(t("transfer.vae_missing", name=name))
        return False
    values["vae"] = info.name
    return True


def find_vae(catalog: Catalog, name: str, digest: str | None = None) -> VaeInfo | None:
    """By hash, then by exact name."""
    usable = [info for info in catalog.vaes() if info.problem is None]
    found = next((info for info in usable if digest and (catalog.sha256(info) or "").startswith(digest.lower())), None)
    return found or next((info for info in usable if _is_called(info, name)), None)
