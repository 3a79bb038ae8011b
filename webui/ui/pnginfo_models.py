"""Which of the models that a picture names are here, and what is nearest to those that are not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from webui.checkpoints.catalog import Catalog
from webui.core import infotext
from webui.core.prompt_parts import parse_networks
from webui.library.models import ModelLibrary
from webui.storage.metadata.findings import model_name
from webui.ui import transfer

_CHECKPOINTS = ("Model", "Refiner", "Hires checkpoint")
_ALL = 1_000_000
_ALIKE = 0.5


def models_of(text: str, catalog: Catalog, library: ModelLibrary | None) -> list[dict[str, Any]]:
    """For each: `kind` in the words of infotext, `name`, whether it is `here`, and the `nearest` name if it is not ("" for none).

    Checkpoints are looked for by hash, then by name; VAEs and LoRAs by name.
    """
    told = infotext.parse(text)
    found = []
    for kind in _CHECKPOINTS:
        name, _, digest = told.settings.get(kind, "").removesuffix("]").partition(" [")
        digest = digest or (told.settings.get("Model hash", "") if kind == "Model" else "")
        if (name or digest) and name not in ("None", "Use same checkpoint"):
            info = transfer.find_checkpoint(catalog, name, digest)
            found.append(_entry(kind, name or digest, info is not None, (each.name for each in catalog.checkpoints())))
    if vae := told.settings.get("VAE"):
        found.append(_entry("VAE", vae, transfer.find_vae(catalog, vae) is not None, (each.name for each in catalog.vaes())))
    loras = _loras(library)
    for name in _lora_names(f"{told.prompt}\n{told.settings.get('Hires prompt', '')}"):
        here = model_name(name).casefold() in {model_name(each).casefold() for each in loras}
        found.append(_entry("LoRA", name, here, loras))
    return found


def _entry(kind: str, name: str, here: bool, names: Iterable[str]) -> dict[str, Any]:
    return {"kind": kind, "name": name, "here": here, "nearest": "" if here else _nearest(name, names)}


def _nearest(name: str, names: Iterable[str]) -> str:
    by_stem = {model_name(each).casefold(): each for each in names}
    near = get_close_matches(model_name(name).casefold()[:200], by_stem, n=1, cutoff=_ALIKE)
    return by_stem[near[0]] if near else ""


def _loras(library: ModelLibrary | None) -> list[str]:
    return [entry.name for entry in library.page("lora", count=_ALL).entries] if library else []


def _lora_names(prompt: str) -> list[str]:
    _, networks = parse_networks(prompt)
    return list(dict.fromkeys(each.positional[0] for each in networks if each.kind in ("lora", "lyco") and each.positional))
