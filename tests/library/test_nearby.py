from __future__ import annotations

import os
from pathlib import Path

import pytest

from webui.errors import ModelNotFound
from webui.library.nearby import Neighbours, usual_places, with_neighbours
from webui.settings import Settings


def add(home: Path, *files: str) -> Path:
    for file in files:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).touch()
    return home


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "programs"


@pytest.fixture
def a1111(place: Path) -> Path:
    models = ("one.safetensors", "by style/two.ckpt", "Put Stable Diffusion checkpoints here.txt")
    files = (*(f"models/Stable-diffusion/{name}" for name in models), "models/Lora/a.safetensors", "embeddings/b.pt")
    return add(place / "stable-diffusion-webui", *files)


def test_installations_are_found_with_the_number_of_their_models(settings, place, a1111):
    comfy = add(place / "ComfyUI_portable" / "ComfyUI", "models/checkpoints/x.safetensors", "models/loras/y.safetensors")
    add(place / "empty" / "models" / "Stable-diffusion", "readme.txt")
    add(place / "other" / "models", "x.safetensors")
    found = Neighbours(settings, [place, place, place / "gone"]).find()
    assert [(each.home, each.program, each.counts) for each in found] == [
        (comfy, "ComfyUI", {"checkpoint": 1, "lora": 1}),
        (a1111, "A1111", {"checkpoint": 2, "lora": 1, "embedding": 1}),
    ]


def test_what_is_used_already_and_a_copy_of_this_program_are_not_offered(tmp_path, place, a1111):
    add(place / "periplus-copy", "models/Stable-diffusion/starter.safetensors")
    settings = Settings(data_dir=tmp_path, checkpoint_dirs=(a1111 / "models" / "Stable-diffusion",))
    assert Neighbours(settings, [place]).find() == []
    own = Settings(data_dir=a1111)
    assert Neighbours(own, [place]).find() == []


def test_a_folder_that_two_programs_share_is_offered_with_neither_but_their_own_are(tmp_path, place, a1111):
    comfy = add(place / "ComfyUI", "models/checkpoints/x.safetensors")
    (comfy / "extra_model_paths.yaml").write_text(f"a:\n  base_path: {a1111}\n  checkpoints: models/Stable-diffusion\n")
    settings = Settings(data_dir=tmp_path / "data", checkpoint_dirs=(a1111 / "models" / "Stable-diffusion",))
    assert [(each.home, each.counts) for each in Neighbours(settings, [place]).find()] == [(comfy, {"checkpoint": 1})]


def test_a_folder_of_another_user_is_passed_over(settings, place, a1111, monkeypatch):
    (place / "private").mkdir()
    look = os.stat

    def stat(path, *args, **kwargs):
        if "private" in Path(str(path)).parts[:-1]:
            raise PermissionError(13, "Permission denied")
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", stat)
    assert [each.home for each in Neighbours(settings, [place]).find()] == [a1111]


def test_models_are_used_where_they_lie_from_the_next_start_on(settings, place, a1111):
    neighbours = Neighbours(settings, [place])
    neighbours.answer(str(a1111), use=True)
    assert neighbours.find() == []
    again = with_neighbours(settings)
    assert again.checkpoint_dirs == (a1111 / "models" / "Stable-diffusion",)
    assert again.lora_dirs == (a1111 / "models" / "Lora",)
    assert again.embedding_dirs == (a1111 / "embeddings",)
    assert (Neighbours(again, [place]).used(), Neighbours(again, [place]).find()) == ([a1111], [])


def test_a_drive_that_is_not_there_at_the_start_is_passed_over_and_not_forgotten(settings, place, a1111):
    Neighbours(settings, [place]).answer(str(a1111), use=True)
    place.rename(place.with_name("elsewhere"))
    assert with_neighbours(settings) == settings
    place.with_name("elsewhere").rename(place)
    assert with_neighbours(settings).checkpoint_dirs


def test_an_answer_is_kept_and_can_be_changed(settings, place, a1111):
    Neighbours(settings, [place]).answer(str(a1111), use=False)
    later = Neighbours(settings, [place])
    assert (later.declined(), [each.home for each in later.find()]) == ([a1111], [a1111])
    later.answer(str(a1111), use=True)
    assert (later.declined(), later.used()) == ([], [a1111])


def test_only_what_was_found_can_be_used(settings, place, tmp_path):
    with pytest.raises(ModelNotFound, match="--a1111-home"):
        Neighbours(settings, [place]).answer(str(tmp_path), use=True)
    assert not (settings.data_dir / "other-programs.toml").exists()


def test_an_answer_that_cannot_be_read_is_no_answer(settings):
    settings.data_dir.mkdir()
    (settings.data_dir / "other-programs.toml").write_text('used = "x"\ndeclined = [1, "y"]')
    assert Neighbours(settings, []).used() == []
    assert with_neighbours(settings) == settings


def test_a_file_that_is_set_aside_is_told_of(settings, caplog):
    settings.data_dir.mkdir()
    (settings.data_dir / "other-programs.toml").write_text("used = [")
    assert with_neighbours(settings) == settings
    assert "other-programs.toml.broken-1" in caplog.text


def test_the_usual_places_are_beside_the_program_beside_the_data_and_at_home(settings, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    places = usual_places(settings)
    assert Path("/home/someone").absolute() in places
    assert settings.data_dir.parent in places
