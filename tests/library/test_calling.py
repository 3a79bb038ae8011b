"""What prompts call models, what a click adds, and the words that go with it."""

from __future__ import annotations

import pytest

from tests.library.stub_loras import add_lora
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.lora.files import LoraFiles
from webui.library.inserting import Inserting
from webui.library.models import ModelLibrary
from webui.library.notes import Notes
from webui.library.tasks import TaskBoard
from webui.settings import Settings


@pytest.fixture
def rules() -> list[Inserting]:
    """The last one counts."""
    return [Inserting()]


@pytest.fixture
def library(settings: Settings, board: TaskBoard, rules: list[Inserting]) -> ModelLibrary:
    catalog = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs)
    return ModelLibrary(settings, catalog, board, lambda: rules[-1])


def added(library: ModelLibrary, name: str, kind: str = "lora") -> str:
    library.learn()
    return library.entry(kind, name).adds.prompt


def test_a_lora_is_called_by_its_trainers_name_with_weight_and_activation_text(
    settings: Settings, library: ModelLibrary, rules: list
):
    add_lora(settings, "sub/file", {"ss_output_name": "Ink"})
    assert added(library, "sub/file") == "<lora:Ink:1>"
    notes = Notes(activation_text=" ink, flat ", preferred_weight=0.65, negative_text="photo")
    adds = library.save_notes("lora", "sub/file", notes).adds
    assert (adds.prompt, adds.negative, adds.tag) == ("<lora:Ink:0.65> ink, flat", "photo", "<lora:Ink:0.65>")
    rules.append(Inserting(aliases=False, weight=0.8))
    assert added(library, "sub/file") == "<lora:file:0.65> ink, flat"
    library.save_notes("lora", "sub/file", Notes())
    assert added(library, "sub/file") == "<lora:file:0.8>"


@pytest.mark.parametrize("alias", ["a:b", "a>b", "<a", "a=b", "a#b", "a\nb", "", "Ink", "other"])
def test_a_name_that_is_not_the_files_alone_or_would_end_the_tag_is_not_used(
    settings: Settings, library: ModelLibrary, alias: str
):
    add_lora(settings, "file", {"ss_output_name": alias})
    add_lora(settings, "other", {"ss_output_name": "ink"})
    assert added(library, "file") == "<lora:file:1>"


def test_files_of_one_name_in_two_folders_are_called_by_their_paths(settings: Settings, library: ModelLibrary):
    for name, alias in (("a/ink", ""), ("b/Ink", ""), ("c/ink", "Pen"), ("pen/flat", "")):
        add_lora(settings, name, {"ss_output_name": alias})
    assert [added(library, name) for name in ("a/ink", "b/Ink", "c/ink", "pen/flat")] == [
        "<lora:a/ink:1>", "<lora:b/Ink:1>", "<lora:Pen:1>", "<lora:flat:1>"
    ]  # fmt: skip
    files = LoraFiles([settings.models_dir / "Lora"])
    for called in ("a/ink", "b/Ink", "Pen", "flat"):
        listed, meant = library.calling.called("lora", called), files.find(called)
        assert listed is not None and meant is not None and listed.path == meant.path


def test_embeddings_are_called_by_name_and_go_where_their_notes_say(settings: Settings, library: ModelLibrary):
    folder = settings.data_dir / "embeddings"
    folder.mkdir()
    (folder / "bad_hands.pt").touch()
    adds = library.entry("embedding", "bad_hands").adds
    assert (adds.prompt, adds.negative) == ("bad_hands", "")
    adds = library.save_notes("embedding", "bad_hands", Notes(negative_text="(Bad_Hands:1.2)")).adds
    assert (adds.prompt, adds.negative) == ("", "(Bad_Hands:1.2)")
    adds = library.save_notes("embedding", "bad_hands", Notes(negative_text="blurred")).adds
    assert adds.negative == "bad_hands blurred"


def test_names_are_completed_with_those_that_begin_so_first(settings: Settings, library: ModelLibrary):
    for name, alias in (("b/inkwell", ""), ("a/washed ink", ""), ("drinks", ""), ("zz", "Ink2"), ("none", "")):
        add_lora(settings, name, {"ss_output_name": alias})
    library.learn()
    found = library.calling.complete("lora", "INK", 20)
    assert [each.name for each in found] == ["inkwell", "washed ink", "Ink2", "drinks"]
    assert found[2].insert == "<lora:Ink2:1>"
    assert [each.name for each in library.calling.complete("lora", "ink", 2)] == ["inkwell", "washed ink"]
    assert len(library.calling.complete("lora", "", 3)) == 3
    assert library.calling.complete("lora", "nothing", 3) == []


def test_words_are_those_noted_for_a_model_and_the_tags_of_its_training(settings: Settings, library: ModelLibrary):
    tags = {"ss_tag_frequency": {"1_x": {"girl": 2, "ink": 9}}}
    add_lora(settings, "file", {"ss_output_name": "Ink", "modelspec.trigger_phrase": "trigger", **tags})
    library.learn()
    [words] = library.calling.words("lora", ["INK", "no such"])
    assert (words.name, words.activation_text, words.tags) == ("INK", "trigger", (("ink", 9), ("girl", 2)))
    library.save_notes("lora", "file", Notes(activation_text="mine", preferred_weight=0.5))
    [words] = library.calling.words("lora", ["file"])
    assert (words.activation_text, words.preferred_weight) == ("mine", 0.5)


def test_an_embedding_in_a_lora_is_a_word_of_it_and_can_be_searched_for(settings: Settings, library: ModelLibrary):
    add_lora(settings, "file", {"ss_output_name": "Ink"}, word="lungfish")
    add_lora(settings, "other")
    library.learn()
    [words] = library.calling.words("lora", ["file"])
    assert words.activation_text == "lungfish"
    assert [entry.name for entry in library.page("lora", search="lungfish").entries] == ["file"]
    [info] = library.calling.carried("a <lora:Ink:0.5><lora:other:1><lora:gone:1>")
    assert (info.name, info.vectors, info.widths, info.lora) == ("lungfish", 1, (768,), "file")
    again = ModelLibrary(settings, Catalog(settings.all_checkpoint_dirs, []), library._tasks)
    [file] = [model.file for model in again._shelves.all("lora") if model.stem == "file"]
    assert file is not None
    known = again._shelves.facts.known("lora", file)
    assert known is not None and known.carried == (("lungfish", 1, (768,)),)
    assert again.calling.carried("<lora:file:1>") == [info]


def test_embeddings_in_a_lora_are_added_to_the_words_noted_for_it(settings: Settings, library: ModelLibrary):
    for name, word in (("ink", "fish"), ("oil", "bird")):
        add_lora(settings, name, {"modelspec.trigger_phrase": "a catfish"}, word=word)
    library.learn()
    assert [words.activation_text for words in library.calling.words("lora", ["ink"])] == ["a catfish, fish"]
    library.save_notes("lora", "ink", Notes(activation_text="(Fish:1.2), blue"))
    assert [words.activation_text for words in library.calling.words("lora", ["ink"])] == ["(Fish:1.2), blue"]
    assert [info.name for info in library.calling.carried("<lora:ink:1><lora:oil:1><lora:ink:0.5>")] == ["fish", "bird"]


def test_a_file_that_is_no_lora_is_listed_and_tells_nothing(settings: Settings, library: ModelLibrary):
    path = settings.models_dir / "Lora" / "broken.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing of the kind")
    entry = library.page("lora").entries[0]
    assert entry.problem
    assert entry.adds.prompt == "<lora:broken:1>"
    assert library.header("lora", "broken").tags == ()
