"""Which of the models that a picture names are here, and what is nearest to those that are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from webui.checkpoints.catalog import Catalog
from webui.core import infotext
from webui.core.infotext import Infotext
from webui.core.lora_tags import HASHES, lora_networks
from webui.library.models import ModelLibrary
from webui.storage.metadata.findings import model_name
from webui.ui import transfer

_CHECKPOINTS = ("Model", "Refiner", "Hires checkpoint")
_ALIKE = 0.5
_DIGEST = re.compile("[0-9a-f]{8,64}|", re.IGNORECASE)


def models_of(text: str, catalog: Catalog, library: ModelLibrary | None) -> list[dict[str, Any]]:
    """What a picture was made with.

    For each: `kind` in the words of infotext, `name`, whether it is `here`, and if it is not the `nearest` name ("" for none).
    `called` is its name here, where it was found by its hash and is called otherwise. Checkpoints, VAEs and LoRAs are looked for
    by hash, then by name; embeddings by name.
    """
    told = infotext.parse(text)
    found = [entry for kind in _CHECKPOINTS if (entry := _checkpoint(told, kind, catalog))]
    if vae := told.settings.get("VAE"):
        info = transfer.find_vae(catalog, vae, told.settings.get("VAE hash"))
        found.append(_entry("VAE", vae, info and info.name, (each.name for each in catalog.vaes())))
    return [*found, *_loras(told, library), *_embeddings(told, library)]


def _checkpoint(told: Infotext, kind: str, catalog: Catalog) -> dict[str, Any] | None:
    name, _, digest = told.settings.get(kind, "").removesuffix("]").partition(" [")
    digest = digest or (told.settings.get("Model hash", "") if kind == "Model" else "")
    if not (name or digest) or name in ("None", "Use same checkpoint"):
        return None
    info = transfer.find_checkpoint(catalog, name, digest)
    return _entry(kind, name or digest, info and info.name, (each.name for each in catalog.checkpoints()))


def _loras(told: Infotext, library: ModelLibrary | None) -> list[dict[str, Any]]:
    hashes, listed = _hashes(told, HASHES), _listed(library, "lora")
    found = []
    for name in _lora_names(told):
        by_hash = library.find_lora(hashes[name]) if library and name in hashes else None
        found.append(_entry("LoRA", name, by_hash or _called(name, listed), listed))
    return found


def _embeddings(told: Infotext, library: ModelLibrary | None) -> list[dict[str, Any]]:
    """Without those from LoRAs, which are told of themselves: their names stand where the hashes would."""
    listed, hashes = _listed(library, "embedding"), _hashes(told, "TI hashes")
    loras = {model_name(name).casefold() for name in _lora_names(told)}  # of which some are called as hashes are
    own = [name for name, digest in hashes.items() if _DIGEST.fullmatch(digest) and digest.casefold() not in loras]
    return [_entry("Embedding", name, _called(name, listed), listed) for name in own]


def _hashes(told: Infotext, key: str) -> dict[str, str]:
    """Of an entry such as "ink: 0123456789ab, oil: ba9876543210" the hashes by name."""
    pairs = (part.rpartition(":") for part in told.settings.get(key, "").split(","))
    return {name.strip(): digest.strip() for name, _, digest in pairs if name.strip()}


def _called(name: str, listed: Sequence[str]) -> str | None:
    wanted = model_name(name).casefold()
    return next((each for each in listed if model_name(each).casefold() == wanted), None)


def _entry(kind: str, name: str, found: str | None, names: Iterable[str]) -> dict[str, Any]:
    same = found is None or model_name(found).casefold() == model_name(name).casefold()
    nearest = "" if found is not None else _nearest(name, names)
    return {"kind": kind, "name": name, "here": found is not None, "called": "" if same else found, "nearest": nearest}


def _nearest(name: str, names: Iterable[str]) -> str:
    by_stem = {model_name(each).casefold(): each for each in names}
    near = get_close_matches(model_name(name).casefold()[:200], by_stem, n=1, cutoff=_ALIKE)
    return by_stem[near[0]] if near else ""


def _listed(library: ModelLibrary | None, kind: str) -> list[str]:
    return library.names(kind) if library else []


def _lora_names(told: Infotext) -> list[str]:
    called = (each.positional[0] for each in lora_networks(f"{told.prompt}\n{told.settings.get('Hires prompt', '')}"))
    return list(dict.fromkeys([*called, *_hashes(told, HASHES)]))
