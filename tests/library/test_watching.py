"""Files that come, go or change are noticed without being asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.library.conftest import wait_until
from tests.library.stub_loras import add_lora, data_url, write_lora
from webui.library.folders import Kind
from webui.library.models import ModelLibrary
from webui.library.notes import Notes
from webui.library.watching import Watch
from webui.settings import Settings


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(library: ModelLibrary, told: list[str]) -> Watch:
    watch = Watch(library, told.extend)
    watch.look()
    return watch


def test_the_first_look_tells_only_of_covers_and_reads_what_the_headers_tell(
    settings: Settings, library: ModelLibrary, told: list[str]
):
    add_lora(settings, "ink", {"ss_tag_frequency": {"1": {"sketchy": 1}}})
    Watch(library, told.extend).look()
    assert told == ["checkpoint"]  # the bundled one carries a cover, which nobody knew
    assert [entry.name for entry in library.page("lora", search="sketchy").entries] == ["ink"]
    kept = json.loads((settings.state_dir / "model_facts.json").read_text())
    assert [Path(path).name for path in kept] == ["starter.safetensors", "ink.safetensors"]


@pytest.mark.parametrize(
    ("act", "kinds"),
    [
        (lambda settings: add_lora(settings, "new"), ["lora"]),
        (lambda settings: (settings.models_dir / "Lora" / "old.safetensors").unlink(), ["lora"]),
        (lambda settings: (settings.models_dir / "Lora" / "old.preview.png").touch(), ["lora"]),
        (lambda settings: (settings.models_dir / "Stable-diffusion" / "x.ckpt").touch(), ["checkpoint"]),
        (lambda settings: (settings.models_dir / "Lora" / "notes.txt").touch(), []),
    ],
)
def test_what_changes_in_the_folders_is_told_once_by_kind(
    settings: Settings, library: ModelLibrary, told: list[str], act: Callable[[Settings], object], kinds: list[str]
):
    add_lora(settings, "old")
    (settings.models_dir / "Stable-diffusion").mkdir(parents=True)
    watch = Watch(library, told.extend)
    watch.look()
    told.clear()
    act(settings)
    watch.look()
    assert told == kinds
    watch.look()
    assert told == kinds
    if kinds == ["checkpoint"]:
        assert "x" in library.names("checkpoint")


def test_what_somebody_finds_by_listing_anew_is_told_to_the_others(settings: Settings, library: ModelLibrary):
    add_lora(settings, "old")
    library.refresh()
    assert library.changes() == []
    add_lora(settings, "new")
    library.refresh()
    assert library.changes() == ["lora"]
    assert library.names("lora") == ["new", "old"]
    assert library.changes() == []


def test_notes_saved_by_one_page_are_told_to_the_others(settings: Settings, library: ModelLibrary, watch: Watch, told: list[str]):
    add_lora(settings, "ink")
    watch.look()
    told.clear()
    library.save_notes("lora", "ink", Notes(description="pen"))
    watch.look()
    assert told == ["lora"]
    assert library.page("lora", search="pen").total == 1


def test_a_new_checkpoint_is_told_at_once_and_again_when_the_cover_in_it_is_known(settings: Settings, library: ModelLibrary):
    seen: list[tuple[Kind, bool]] = []

    def tell(kinds: Sequence[Kind]) -> None:
        seen.extend((kind, library.page(kind).entries[0].preview is not None) for kind in kinds)

    watch = Watch(library, tell)
    watch.look()
    seen.clear()
    cover: dict[str, object] = {"modelspec.thumbnail": data_url("PNG")}
    write_lora(settings.models_dir / "Stable-diffusion" / "a new one.safetensors", cover)
    add_lora(settings, "ink", cover)
    watch.look()
    assert seen == [("checkpoint", False), ("lora", True), ("checkpoint", True)]
    watch.look()
    assert len(seen) == 3


def test_a_description_beside_a_model_can_be_searched_for(settings: Settings, library: ModelLibrary, watch: Watch):
    beside = {name: add_lora(settings, name) for name in ("ink", "oil", "wash")}
    beside["ink"].with_suffix(".txt").write_text("Drawn with a QUILL")
    beside["oil"].with_suffix(".description.txt").write_text("quill, not")
    beside["wash"].with_suffix(".txt").write_text("quill")
    beside["wash"].with_suffix(".json").write_text(json.dumps({"description": "brush"}))
    watch.look()
    assert [entry.name for entry in library.page("lora", search="quill").entries] == ["ink", "oil"]
    beside["ink"].with_suffix(".txt").unlink()
    watch.look()
    assert [entry.name for entry in library.page("lora", search="quill").entries] == ["oil"]


def test_what_headers_tell_is_kept_until_a_file_changes(settings: Settings, library: ModelLibrary, watch: Watch):
    path = add_lora(settings, "ink", {"ss_output_name": "Ink"})
    watch.look()
    assert library.entry("lora", "ink").adds.name == "Ink"
    add_lora(settings, "ink", {"ss_output_name": "Pen"})
    os.utime(path, (1, 1))
    watch.look()
    assert library.entry("lora", "ink").adds.name == "Pen"


def test_a_thread_looks_by_itself_until_it_is_closed(settings: Settings, library: ModelLibrary, told: list[str]):
    watch = Watch(library, told.extend, pause=0.01)
    library.changes()
    watch.start()
    try:
        add_lora(settings, "new")
        wait_until(lambda: "lora" in told)
    finally:
        watch.close()
    assert [entry.name for entry in library.page("lora").entries] == ["new"]
