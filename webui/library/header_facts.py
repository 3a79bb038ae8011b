"""What its makers wrote into a model's header, in words for people. Standard library only.

The keys are those of kohya's sd-scripts (`ss_…`) and of ModelSpec (`modelspec.…`), as most trainers write them, and of A1111's
Checkpoint Merger (`sd_merge_…`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: No more tags are told, of whatever number a data set has.
MOST_TAGS = 200


@dataclass(frozen=True)
class HeaderFacts:
    """`facts` by names that the page has words for; `tags` with how often each occurs, most frequent first."""

    facts: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, int], ...] = ()


#: The page's name of a fact, and the keys that may tell it; the first that says something counts.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "title": ("modelspec.title", "ss_output_name"),
    "author": ("modelspec.author",),
    "licence": ("modelspec.license",),
    "description": ("modelspec.description", "ss_training_comment"),
    "hint": ("modelspec.usage_hint",),
    "merged": ("modelspec.merged_from",),
    "trigger": ("modelspec.trigger_phrase",),
    "base": ("ss_sd_model_name", "ss_base_model_version"),
    "architecture": ("modelspec.architecture",),
    "module": ("ss_network_module",),
    "rank": ("ss_network_dim",),
    "alpha": ("ss_network_alpha",),
    "epochs": ("ss_epoch", "ss_num_epochs"),
    "steps": ("ss_steps", "ss_max_train_steps"),
    "pictures": ("ss_num_train_images",),
    "clip_skip": ("ss_clip_skip",),
    "learning_rate": ("ss_learning_rate",),
    "optimizer": ("ss_optimizer",),
}
_LONGEST = 2_000  # characters of a value


def header_facts(metadata: Mapping[str, str]) -> HeaderFacts:
    """Never raises: what cannot be read is left out."""
    facts = {name: value for name, keys in _KEYS.items() if (value := _first(metadata, keys))}
    if resolution := _resolution(metadata):
        facts["resolution"] = resolution
    ended = metadata.get("ss_training_finished_at") or metadata.get("ss_training_started_at", "")
    if trained := _day(ended) or metadata.get("modelspec.date", "")[:10]:
        facts["trained"] = trained
    if merged := _merged(metadata):
        facts["merged"] = merged  # which tells more than what ModelSpec has
    return HeaderFacts(tuple(facts.items()), _tags(metadata))


def _first(metadata: Mapping[str, str], keys: tuple[str, ...]) -> str:
    values = (metadata.get(key, "").strip() for key in keys)
    return next((value[:_LONGEST] for value in values if value not in ("", "None", "null")), "")


def _resolution(metadata: Mapping[str, str]) -> str:
    """Of the pictures: as told, or of the buckets that most of them were in."""
    if pair := re.fullmatch(r"\(?\s*(\d{1,5})\s*[,x×]\s*(\d{1,5})\s*\)?", metadata.get("ss_resolution", "").lower()):
        return f"{pair[1]}×{pair[2]}"
    buckets = Counter[str]()
    for bucket in _values(_json(metadata.get("ss_bucket_info", "")), "buckets"):
        size, count = bucket.get("resolution"), bucket.get("count")
        if isinstance(size, list) and len(size) == 2 and isinstance(count, int):
            buckets[f"{size[0]}×{size[1]}"] += count
    return (
        ", ".join(size for size, _ in buckets.most_common(3)) or metadata.get("modelspec.resolution", "").replace("x", "×")[:40]
    )


def _day(text: str) -> str:
    try:
        return datetime.fromtimestamp(float(text), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _merged(metadata: Mapping[str, str]) -> str:
    """`A + B (Weighted sum, 0.3)`, by the names that the files had then; of a model that is not known, its hash."""
    recipe, models = (_json(metadata.get(f"sd_merge_{key}", "")) for key in ("recipe", "models"))
    if not isinstance(recipe, dict):
        return ""
    hashes = [recipe.get(f"{which}_model_hash") for which in ("primary", "secondary", "tertiary")]
    parts = [_name_in(models, digest) for digest in hashes if isinstance(digest, str) and digest]
    how = [str(recipe[key]) for key in ("interp_method", "multiplier") if isinstance(recipe.get(key), (str, int, float))]
    told = " + ".join(parts)
    return (f"{told} ({', '.join(how)})" if len(parts) > 1 and how else told)[:_LONGEST]


def _name_in(models: Any, digest: str) -> str:
    told = models.get(digest) if isinstance(models, dict) else None
    name = told.get("name") if isinstance(told, dict) else None
    return name if isinstance(name, str) and name else digest[:10]


def _tags(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Of all folders of the data set together."""
    counted = Counter[str]()
    folders = _json(metadata.get("ss_tag_frequency", ""))
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if (name := str(tag).strip()) and type(count) is int:
                counted[name[:200]] += count
    return tuple(counted.most_common(MOST_TAGS))


def _values(table: Any, key: str) -> list[dict[str, Any]]:
    inner = table.get(key) if isinstance(table, dict) else None
    return [value for value in inner.values() if isinstance(value, dict)] if isinstance(inner, dict) else []


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
