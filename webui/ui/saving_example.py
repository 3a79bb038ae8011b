"""What the patterns for files and folders come to, shown below them while they are typed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from html import escape
from pathlib import Path

from webui.core.request import GenerationRequest
from webui.jobs.naming import archive_name, folder_of, name_of
from webui.settings import Settings
from webui.storage.name_patterns import NameFacts, unknown_patterns
from webui.storage.preferences import Preferences
from webui.ui.texts import t

#: Preferences that decide a name; the example is drawn anew when one of them changes.
DECIDING = (
    *("samples_format", "samples_filename_pattern", "save_images_add_number", "grid_zip_filename_pattern"),
    *("save_to_dirs", "directories_filename_pattern", "directories_max_prompt_words"),
)

_REQUEST = GenerationRequest(
    prompt="red heart, on a blue background",
    negative_prompt="blurry",
    seed=1234567890,
    checkpoint="starter",
    vae="None",
    width=128,
    height=128,
    batch_size=2,
)


def example(chosen: Preferences, settings: Settings, now: datetime | None = None) -> str:
    """HTML: where the second picture of a batch of two would go, the name of their archive, and what is no pattern."""
    facts = _facts(now or datetime.now().astimezone())
    root = settings.outputs_dir / "txt2img-images"
    folder = folder_of(root, facts, chosen) if chosen.save_to_dirs else root
    name = name_of(facts, chosen, folder, subdirectory=chosen.save_to_dirs)
    stem = "-".join(part for part in ("00012", name) if part) if chosen.save_images_add_number or not name else name
    shown = Path(folder, f"{stem}.{chosen.samples_format}").relative_to(settings.data_dir)
    lines = [t("settings.example", picture=shown.as_posix())]
    both = replace(facts, request=replace(_REQUEST, seed=facts.seeds[0]), position=0, number=0)
    lines.append(t("settings.example.archive", archive=f"{archive_name(both, chosen)}.zip"))
    patterns = (chosen.samples_filename_pattern, chosen.directories_filename_pattern, chosen.grid_zip_filename_pattern)
    problems = [sentence for pattern in patterns for sentence in unknown_patterns(pattern)]
    marked = [f"<p>{escape(line)}</p>" for line in lines] + [f"<p class='warning'>{escape(line)}</p>" for line in problems]
    return "".join(marked)


def _facts(now: datetime) -> NameFacts:
    return NameFacts(
        request=_REQUEST,
        seeds=[_REQUEST.seed - 1, _REQUEST.seed],
        batch_size=2,
        position=2,
        number=2,
        model_hash="0123456789",
        styles=["Film"],
        prompt_without_styles=_REQUEST.prompt,
        now=now,
        started=now,
        image_hash=lambda: hashlib.sha256(b"example").hexdigest(),
    )
