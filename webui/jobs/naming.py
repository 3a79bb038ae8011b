"""Where the pictures of jobs go: folders and names by the patterns that a person chose."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from webui.core import infotext
from webui.core.postprocessing import ExtrasSource
from webui.core.request import GenerationRequest
from webui.core.styles import Style, find_styles
from webui.errors import InvalidRequest
from webui.jobs.store import Job
from webui.storage.file_names import longest_name, safe_folders, safe_name
from webui.storage.name_patterns import NameFacts, expand
from webui.storage.saving_preferences import SavingPreferences

DAY = "[date]"
ARCHIVE = "[datetime]_[[model_name]]_[seed]-[seed_last]"

Styles = Callable[[], Sequence[Style]]


def facts_of(
    job: Job, index: int, styles: Styles = list, *, model_hash: str = "", pixels: Callable[[], bytes] = bytes
) -> NameFacts:
    """What the name of a job's picture may tell; `pixels` gives those of the picture, should the name want them."""
    if job.extras is not None:
        return _facts_of_extras(job, job.extras.source_of(index))
    request = job.request
    first = index - index % request.batch_size
    facts = NameFacts(
        request=request.single(index),
        seeds=[request.single(place).seed for place in range(first, first + request.batch_size)],
        batch_size=request.batch_size,
        position=index - first + 1 if request.batch_size > 1 else 0,
        number=index + 1 if request.image_count > 1 else 0,
        model_hash=model_hash,
        started=_moment(job),
        image_hash=lambda: hashlib.sha256(pixels()).hexdigest(),
    )
    return with_styles(facts, styles)


def archive_facts(job: Job, indexes: Sequence[int], styles: Styles = list, *, model_hash: str = "") -> NameFacts:
    """The same for several of its pictures together: numbers within the job and the batch say nothing then."""
    facts = facts_of(job, indexes[0] if indexes else 0, styles, model_hash=model_hash)
    seeds = [] if job.extras else [job.request.single(index).seed for index in indexes]
    return replace(facts, seeds=seeds, position=0, number=0)


def with_styles(facts: NameFacts, styles: Styles) -> NameFacts:
    """With the styles that stand in the prompts, and the prompt without them."""
    found, prompt, _ = find_styles(styles(), facts.request.prompt, facts.request.negative_prompt)
    return replace(facts, styles=tuple(style.name for style in found), prompt_without_styles=prompt)


def _facts_of_extras(job: Job, source: ExtrasSource) -> NameFacts:
    """Those of the picture that was worked on, where its file says how it was made."""
    values = infotext.restore(infotext.parse(source.infotext)).values if source.infotext else {}
    try:
        request = GenerationRequest(**{"vae": "None", **values})
    except InvalidRequest:
        request = GenerationRequest(vae="None")
    return NameFacts(request=request, base=source.name, started=_moment(job))


def _moment(job: Job) -> datetime:
    return datetime.fromtimestamp(job.started or job.created).astimezone()


def name_of(facts: NameFacts, chosen: SavingPreferences, folder: Path, *, subdirectory: bool) -> str:
    """A picture's name in a folder, without number and ending; "" where the pattern comes to nothing.

    Args:
        subdirectory: whether the folder is one of those that a pattern names.
    """
    pattern = chosen.samples_filename_pattern or ("[seed]" if subdirectory else "[seed]-[prompt_spaces]")
    return safe_name(expand(pattern, _settled(facts, chosen)), longest_name(folder))


def folder_of(root: Path, facts: NameFacts, chosen: SavingPreferences) -> Path:
    """The folder below `root` that the pattern names; never one outside."""
    return root.joinpath(*safe_folders(expand(chosen.directories_filename_pattern or DAY, _settled(facts, chosen))))


def archive_name(facts: NameFacts, chosen: SavingPreferences) -> str:
    """The name of a zip archive, without its ending."""
    return safe_name(expand(chosen.grid_zip_filename_pattern or ARCHIVE, _settled(facts, chosen))) or "pictures"


def _settled(facts: NameFacts, chosen: SavingPreferences) -> NameFacts:
    return replace(facts, words=chosen.directories_max_prompt_words)
