from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.library.conftest import Finish
from tests.library.test_previews import picture
from tests.library.weights import save, weights
from webui.checkpoints.catalog import Catalog
from webui.errors import InvalidRequest, ModelNotFound
from webui.library.models import ModelLibrary
from webui.library.notes import Notes
from webui.library.tasks import TaskBoard, TaskState
from webui.settings import BUNDLED_MODELS, Settings

STARTER = BUNDLED_MODELS / "Stable-diffusion" / "starter.safetensors"


def add(settings: Settings, name: str, content: bytes = b"", place: str = "Lora") -> Path:
    path = settings.models_dir / place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(library: ModelLibrary, **query: object) -> list[str]:
    return [entry.name for entry in library.page("lora", **query).entries]  # pyright: ignore[reportArgumentType]


def test_a_checkpoint_is_shown_with_what_is_known_of_it(library: ModelLibrary):
    page = library.page()
    [starter] = page.entries
    assert (page.total, page.folders) == (1, ())
    assert (starter.name, starter.kind, starter.family, starter.bundled) == ("starter", "checkpoint", "SD 1.x", True)
    assert (starter.size, starter.path, starter.problem) == (STARTER.stat().st_size, STARTER, None)
    assert (starter.sha256, starter.short, starter.title) == (None, None, "starter.safetensors")
    assert (starter.preview, starter.notes) == (None, Notes())
    assert starter.modified == STARTER.stat().st_mtime


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("lora", "models/Lora"),
        ("lora", "models/LyCORIS"),
        ("embedding", "embeddings"),
        ("upscaler", "models/ESRGAN"),
        ("vae", "models/VAE"),
    ],
)
def test_models_of_every_kind_are_listed(settings: Settings, library: ModelLibrary, kind: str, place: str):
    path = settings.data_dir / place / "sub" / "a.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 7)
    page = library.page(kind)
    assert [(entry.name, entry.size, entry.title) for entry in page.entries] == [("sub/a", 7, "sub/a.pt")]
    assert page.folders == ("sub",)


def test_a_broken_checkpoint_is_listed_with_its_problem(settings: Settings, library: ModelLibrary):
    add(settings, "broken.safetensors", place="Stable-diffusion")
    assert library.entry("checkpoint", "broken").problem == "is empty (0 bytes)"


def test_models_are_searched_by_words_in_name_notes_and_hash(settings: Settings, library: ModelLibrary, finish: Finish):
    for name in ("styles/Anime Eyes.safetensors", "styles/photo.safetensors", "plain.safetensors"):
        add(settings, name, name.encode())
    library.save_notes("lora", "plain", Notes(description="for eyes of animals", activation_text="zork"))
    assert names(library, search="eyes") == ["plain", "styles/Anime Eyes"]
    assert names(library, search="EYES anim") == ["plain", "styles/Anime Eyes"]
    assert names(library, search="styles eyes") == ["styles/Anime Eyes"]
    assert names(library, search="zork") == ["plain"]
    assert names(library, search="nothing") == []
    digest = finish(library.hash("lora", "styles/photo")).result
    assert names(library, search=digest[:10]) == ["styles/photo"]


def test_models_are_sorted_and_cut_into_pages(settings: Settings, library: ModelLibrary):
    for number, name in enumerate(["m2", "m10", "m1"]):
        os.utime(add(settings, f"{name}.safetensors", bytes(number + 1)), (number, number))
    assert names(library) == ["m1", "m2", "m10"]
    assert names(library, descending=True) == ["m10", "m2", "m1"]
    assert names(library, sort="date") == ["m2", "m10", "m1"]
    assert names(library, sort="size", descending=True) == ["m1", "m10", "m2"]
    assert names(library, start=1, count=1) == ["m2"]
    assert library.page("lora", start=5).total == 3
    with pytest.raises(InvalidRequest, match="name, date, created, size"):
        library.page("lora", sort="colour")


def test_a_folder_shows_what_lies_below_it(settings: Settings, library: ModelLibrary):
    for name in ("a/b/one.safetensors", "a/two.safetensors", "ab/three.safetensors", "four.safetensors"):
        add(settings, name)
    assert library.page("lora").folders == ("a", "a/b", "ab")
    assert names(library, folder="a") == ["a/b/one", "a/two"]
    assert names(library, folder="a/b") == ["a/b/one"]
    assert names(library, folder="..") == []


def test_new_files_are_seen_after_a_refresh(settings: Settings, library: ModelLibrary):
    assert names(library) == []
    add(settings, "new.safetensors")
    library.refresh()
    assert names(library) == ["new"]


def test_ten_thousand_files_are_listed_quickly(settings: Settings, library: ModelLibrary):
    folder = settings.models_dir / "Lora"
    folder.mkdir(parents=True)
    for number in range(10_000):
        (folder / f"{number}.safetensors").touch()
    library.page("lora")
    spent = []
    for _ in range(5):  # the quickest counts, for others may use the same cores
        began = time.process_time()
        assert len(library.page("lora", start=5_000).entries) == 60
        spent.append(time.process_time() - began)
    assert min(spent) < 0.3


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "starter/../starter", "STARTER", "", "nothing", "starter\x00"])
def test_only_names_from_the_list_are_known(settings: Settings, library: ModelLibrary, name: str):
    (settings.data_dir.parent / "secret.safetensors").touch()
    for act in (library.entry, library.hash, library.thumbnail, library.preview_etag):
        with pytest.raises(ModelNotFound, match="There is no checkpoint"):
            act("checkpoint", name)
    with pytest.raises(ModelNotFound):
        library.save_notes("checkpoint", name, Notes(notes="x"))
    with pytest.raises(ModelNotFound):
        library.set_preview("checkpoint", name, picture())


def test_the_nearest_name_is_suggested(library: ModelLibrary):
    with pytest.raises(ModelNotFound, match="Did you mean “starter”"):
        library.entry("checkpoint", "startr")


def test_notes_and_preview_lie_beside_the_model_as_a1111_has_them(settings: Settings, library: ModelLibrary):
    model = add(settings, "sub/style.v1.safetensors")
    entry = library.save_notes("lora", "sub/style.v1", Notes(notes="mine", preferred_weight=0.7))
    assert (entry.notes.notes, entry.notes.preferred_weight) == ("mine", 0.7)
    entry = library.set_preview("lora", "sub/style.v1", picture())
    assert sorted(path.name for path in model.parent.iterdir()) == [
        "style.v1.json", "style.v1.preview.png", "style.v1.safetensors",
    ]  # fmt: skip
    assert json.loads((model.parent / "style.v1.json").read_text()) == {"notes": "mine", "preferred weight": 0.7}
    assert entry.preview
    assert entry.preview.startswith("/api/v1/models/lora/sub/style.v1/preview?v=")
    assert library.thumbnail("lora", "sub/style.v1", 64)
    changed = library.set_preview("lora", "sub/style.v1", picture(9, 9))
    assert changed.preview != entry.preview


def test_a_model_without_a_preview_says_so(library: ModelLibrary):
    with pytest.raises(ModelNotFound, match="no preview"):
        library.thumbnail("checkpoint", "starter")


# ---- hashes


def test_a_hash_is_worked_out_and_kept(settings: Settings, library: ModelLibrary, finish: Finish):
    task = finish(library.hash("checkpoint", "starter"))
    assert task.state is TaskState.DONE
    entry = library.entry("checkpoint", "starter")
    assert entry.sha256 == task.result
    assert entry.title == f"starter.safetensors [{task.result[:10]}]"
    again = Catalog(settings.all_checkpoint_dirs, settings.all_vae_dirs, settings.state_dir / "hashes.json")
    assert again.hashes.get(STARTER) == task.result


def test_all_hashes_are_worked_out_but_known_ones(settings: Settings, library: ModelLibrary, finish: Finish):
    for number in range(3):
        add(settings, f"{number}.safetensors", bytes([number]) * 1000)
    finish(library.hash("lora", "1"))
    assert finish(library.hash_all()).result == "3"  # two LoRAs and the bundled checkpoint
    assert all(entry.sha256 for entry in library.page("lora").entries)
    assert finish(library.hash_all()).result == "0"


def test_hashing_is_cancelled_in_the_middle_of_a_file(
    settings: Settings, library: ModelLibrary, board: TaskBoard, finish: Finish
):
    path = add(settings, "large.safetensors")
    os.truncate(path, 3_000_000_000)  # with holes: it takes no room
    task = library.hash("lora", "large")
    board.cancel(task.id)
    assert finish(task).state is TaskState.CANCELLED
    assert library.entry("lora", "large").sha256 is None


def test_a_file_that_is_gone_fails_the_task_with_its_name(settings: Settings, library: ModelLibrary, finish: Finish):
    path = add(settings, "gone.safetensors")
    library.page("lora")
    path.unlink()
    assert "gone.safetensors cannot be read" in finish(library.hash("lora", "gone")).error


# ---- conversion


def test_a_pickled_checkpoint_is_converted_beside_itself(settings: Settings, library: ModelLibrary, finish: Finish):
    tensors = weights(3)
    path = add(settings, "old.ckpt", place="Stable-diffusion")
    torch.save({"state_dict": tensors}, path)
    task = finish(library.convert("old"))
    assert (task.state, task.result, task.error) == (TaskState.DONE, "old.safetensors", "")
    written = load_file(path.with_suffix(".safetensors"))
    assert all(torch.equal(written[name], tensor) for name, tensor in tensors.items())
    assert path.exists()
    assert path.with_suffix(".safetensors") in [entry.path for entry in library.page().entries]
    with pytest.raises(InvalidRequest, match="is there already"):
        library.convert("old")


def test_a_bomb_fails_the_conversion_in_words(settings: Settings, library: ModelLibrary, finish: Finish):
    path = add(settings, "bomb.ckpt", b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.", "Stable-diffusion")
    task = finish(library.convert("bomb"))
    assert task.state is TaskState.FAILED
    assert "bomb.ckpt is" in task.error
    assert [file.name for file in path.parent.iterdir()] == ["bomb.ckpt"]


def test_what_is_no_pickled_file_is_not_converted(library: ModelLibrary):
    with pytest.raises(InvalidRequest, match="no pickled file"):
        library.convert("starter")


# ---- the shipped catalogue


def test_the_shipped_catalogue_tells_size_and_licence_of_each_model(settings: Settings, library: ModelLibrary):
    models = library.open_models()
    assert {model.id for model in models} == {
        "sd15", "sdxl-base", "sdxl-refiner", "sdxl-vae-fp16-fix", "vae-ft-mse", "realesrgan-x4plus",
    }  # fmt: skip
    for model in models:
        assert model.title
        assert model.what
        assert model.licence
        assert model.licence_url.startswith("https://")
        assert model.size > 10_000_000
        assert model.sha256 is None or len(model.sha256) == 64
        assert model.source.count("/") == 2
        assert model.file_name.endswith(".safetensors")
        assert not model.installed
    save(settings.models_dir / "VAE" / "sdxl-vae-fp16-fix.safetensors", weights(1))
    assert [model.id for model in library.open_models() if model.installed] == ["sdxl-vae-fp16-fix"]


def test_a_download_lands_in_the_folder_of_its_kind_and_is_listed(
    settings: Settings, library: ModelLibrary, finish: Finish, tmp_path_factory: pytest.TempPathFactory, monkeypatch
):
    from tests.library.standin import serving

    content = save(tmp_path_factory.mktemp("content") / "a.safetensors", weights(1)).read_bytes()
    with serving() as standin:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        standin.add("/a.safetensors", content)
        task = finish(library.download(standin.url("/a.safetensors"), "upscaler"))
    assert (task.state, task.error) == (TaskState.DONE, "")
    [entry] = library.page("upscaler").entries
    assert entry.path == settings.models_dir / "ESRGAN" / "a.safetensors"
