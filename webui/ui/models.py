"""What the header says of checkpoints and VAEs: choices, what a chosen file brings to the form, and its one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo, suited_values
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.errors import WebUIError
from webui.ui.form import FIELDS
from webui.ui.texts import t

Choices = list[tuple[str, str]]


def checkpoint_choices(catalog: Catalog) -> Choices:
    """(label, name), usable files first; a broken one says in its label what is wrong with it."""
    infos = sorted(catalog.checkpoints(), key=lambda info: info.problem is not None)
    return [(_label(info, info.family or "", _short_hash(catalog, info)), info.name) for info in infos]


def vae_choices(catalog: Catalog) -> Choices:
    infos = sorted(catalog.vaes(), key=lambda info: info.problem is not None)
    fixed = [(t("vae.automatic"), VAE_AUTOMATIC), (t("vae.none"), VAE_BUILT_IN)]
    return fixed + [(_label(info), info.name) for info in infos]


def _label(info: CheckpointInfo | VaeInfo, family: str = "", short_hash: str = "") -> str:
    if info.problem:
        return t("model.broken", name=info.name, problem=info.problem)
    return " · ".join(part for part in (info.name, family, size_in_words(info.size), short_hash) if part)


def _short_hash(catalog: Catalog, info: CheckpointInfo) -> str:
    """The first ten digits, as A1111 shows them; empty while it is not known."""
    return (catalog.sha256(info) or "")[:10]


def size_in_words(size: int) -> str:
    """A file's size as people say it: 24 MB, 6.9 GB, 900 B."""
    for least, unit, digits in ((1e9, "GB", 1), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size >= least:
            return f"{size / least:.{digits}f} {unit}"
    return f"{size} B"


def find(catalog: Catalog, name: str | None) -> CheckpointInfo | None:
    """The usable checkpoint of exactly that name; None where there is none."""
    return next((info for info in catalog.checkpoints() if info.name == name and info.problem is None), None)


def problem(catalog: Catalog, name: str | None) -> str:
    """Why the checkpoint of exactly that name cannot be used, in the words of the catalogue; empty if it can or is not there."""
    if not any(info.name == name and info.problem for info in catalog.checkpoints()):
        return ""
    try:
        catalog.find_checkpoint(name or "")
    except WebUIError as error:
        return str(error)
    return ""


def chosen_checkpoint(catalog: Catalog, *wishes: str | None) -> CheckpointInfo | None:
    """The first of `wishes` that is there and usable, else the default."""
    for wish in wishes:
        if info := find(catalog, wish):
            return info
    return catalog.default_checkpoint()


def values_on_choice(
    new: CheckpointInfo, old: CheckpointInfo | None, current: Mapping[str, Any], chosen: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What changes in the form when `new` is chosen after `old`; `chosen` are the person's own defaults.

    The defaults that a file brings are taken. Those that the old file brought and nobody has changed since are taken back,
    so that a 128×128 model does not leave its size to a model of 512×512.
    """
    values: dict[str, Any] = {}
    if old is not None and old.name != new.name:
        suited = suited_values(new) | dict(chosen or {})
        for name, value in suited_values(old).items():
            if current.get(name) == value:
                values[name] = suited.get(name, FIELDS[name].default)
    values.update({name: value for name, value in new.defaults.items() if name in FIELDS})
    return values


def note(info: CheckpointInfo | None) -> str:
    """The sentence under the header; empty for a model of which there is nothing to say."""
    if info is None:
        return t("model.none")
    return t("model.bundled", name=info.name) if info.bundled else ""
