from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.checkpoints.broken import BROKEN
from tests.tiny import write_tiny_checkpoint, write_tiny_folder, write_tiny_vae
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT, Catalog
from webui.core.request import GenerationRequest
from webui.errors import CheckpointNotFound, UnsupportedCheckpoint


@pytest.fixture(scope="module")
def tiny_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "a.safetensors").read_bytes()


class Models:
    """A folder of checkpoints and one of VAEs."""

    def __init__(self, root: Path, content: bytes) -> None:
        self.checkpoints, self.vaes, self._content = root / "Stable-diffusion", root / "VAE", content
        self.checkpoints.mkdir()
        self.vaes.mkdir()
        self.cache = root / "hashes.json"

    def add(self, *names: str) -> Models:
        for name in names:
            path = self.checkpoints / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._content)
        return self

    def catalog(self, **options) -> Catalog:
        return Catalog([self.checkpoints], [self.vaes], self.cache, **options)

    def names(self) -> list[str]:
        return [info.name for info in self.catalog().checkpoints()]


@pytest.fixture
def models(tmp_path: Path, tiny_bytes: bytes) -> Models:
    return Models(tmp_path, tiny_bytes)


def test_all_kinds_of_broken_files_are_listed_beside_a_good_one(models: Models):
    models.add("good.safetensors")
    for name, (write, _) in BROKEN.items():
        write(models.checkpoints / f"{name}.safetensors")
    (models.checkpoints / "old.ckpt").write_bytes(b"PK")
    listed = {info.name: info.problem for info in models.catalog().checkpoints()}
    assert listed.keys() == {*BROKEN, "good", "old"}
    assert [name for name, problem in listed.items() if problem is None] == ["good"]
    assert "is no PyTorch file of a kind that is read" in str(listed["old"])
    for name, (_, expected) in BROKEN.items():
        assert expected in str(listed[name])


def test_names_are_paths_without_suffix_in_natural_order(models: Models):
    models.add("v10.safetensors", "v2.safetensors", "anime/v1.safetensors", "B.safetensors")
    assert models.names() == ["anime/v1", "B", "v2", "v10"]


def test_dot_folders_other_files_and_loops_of_links_are_passed_over(models: Models):
    models.add("a.safetensors", ".cache/b.safetensors", "sub/.c.safetensors", "notes.txt")
    (models.checkpoints / "sub" / "loop").symlink_to(models.checkpoints)
    assert models.names() == ["a"]


def test_files_of_the_same_name_keep_names_of_their_own(models: Models, tmp_path: Path):
    models.add("a.safetensors", "a.ckpt")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.safetensors").write_bytes((models.checkpoints / "a.safetensors").read_bytes())
    names = [info.name for info in Catalog([models.checkpoints, other], []).checkpoints()]
    assert len(set(names)) == 3
    assert "a" in names


def test_missing_folders_are_no_error(tmp_path: Path):
    catalog = Catalog([tmp_path / "none"], [tmp_path / "neither"])
    assert (catalog.checkpoints(), catalog.vaes(), catalog.default_checkpoint()) == ([], [], None)


def test_vaes_are_found_among_checkpoints_and_in_their_own_folder(models: Models):
    models.add("model.safetensors")
    write_tiny_vae(models.checkpoints / "model.vae.safetensors")
    write_tiny_vae(models.vaes / "sub" / "bright.safetensors")
    (models.vaes / "old.pt").write_bytes(b"PK")
    (models.vaes / "bad.safetensors").write_bytes(b"")
    vaes = {info.name: info.problem for info in models.catalog().vaes()}
    assert vaes["model.vae"] is None
    assert vaes["sub/bright"] is None
    assert "is no PyTorch file of a kind that is read" in str(vaes["old"])
    assert "is empty" in str(vaes["bad"])
    assert models.names() == ["model"]


def test_diffusers_folder_is_one_checkpoint(models: Models):
    write_tiny_folder(models.checkpoints / "folder", prediction_type="v_prediction")
    (info,) = models.catalog().checkpoints()
    assert (info.name, info.family, info.problem, info.prediction_type) == ("folder", "SD 1.x", None, "v_prediction")
    assert info.size > 1_000_000


def test_header_tells_size_prediction_and_defaults(models: Models):
    told = {"steps": 12, "sampler": "Euler", "guidance_scale": 5, "scheduler": "No such", "width": 10**9, "seed": 4, "vae": "x"}
    notes = {"modelspec.resolution": "128x192", "modelspec.prediction_type": "v", "periplus.defaults": json.dumps(told)}
    write_tiny_checkpoint(models.checkpoints / "a.safetensors", metadata=notes)
    (info,) = models.catalog().checkpoints()
    assert (info.width, info.height, info.prediction_type) == (128, 192, "v_prediction")
    assert info.defaults == {"steps": 12, "sampler": "Euler", "guidance_scale": 5.0, "height": 192}
    GenerationRequest(**info.defaults)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("text", ["", "[1]", "{", "null", "[" * 100_000, '{"steps": 1e400}'])
def test_senseless_defaults_leave_only_the_size(models: Models, text: str):
    write_tiny_checkpoint(models.checkpoints / "a.safetensors", metadata={"periplus.defaults": text})
    (info,) = models.catalog().checkpoints()
    assert info.problem is None
    assert info.defaults == {"width": 512, "height": 512}


def test_v_pred_key_tells_the_prediction_type(models: Models):
    import torch

    write_tiny_checkpoint(models.checkpoints / "a.safetensors", extra={"v_pred": torch.zeros(1)})
    assert models.catalog().checkpoints()[0].prediction_type == "v_prediction"


def test_unknown_prediction_type_is_a_problem(models: Models):
    write_tiny_checkpoint(models.checkpoints / "a.safetensors", metadata={"modelspec.prediction_type": "flow"})
    assert "unknown prediction type" in str(models.catalog().checkpoints()[0].problem)


def test_default_is_the_first_usable_one_and_the_bundled_one_last(models: Models):
    models.add("b.safetensors", "zebra.safetensors")
    (models.checkpoints / "a.safetensors").write_bytes(b"broken")
    catalog = models.catalog(bundled=models.checkpoints / "b.safetensors")
    default = catalog.default_checkpoint()
    assert default is not None
    assert default.name == "zebra"
    (models.checkpoints / "zebra.safetensors").unlink()
    catalog.refresh()
    default = catalog.default_checkpoint()
    assert default is not None
    assert (default.name, default.bundled) == ("b", True)


def test_bundled_checkpoint_says_what_suits_it():
    (info,) = (info for info in Catalog([BUNDLED_CHECKPOINT.parent], []).checkpoints() if info.bundled)
    assert (info.name, info.problem, info.prediction_type) == ("starter", None, "v_prediction")
    assert info.defaults == {
        "steps": 20,
        "sampler": "DPM++ 2M",
        "scheduler": "Karras",
        "guidance_scale": 4.0,
        "width": 128,
        "height": 128,
    }


def test_look_up_by_every_spelling(models: Models):
    models.add("anime/Pastel Mix.safetensors")
    catalog = models.catalog()
    (info,) = catalog.checkpoints()
    catalog.hash_later(info)
    digest = hashlib.sha256(info.path.read_bytes()).hexdigest()
    assert catalog.title(info) == f"anime/Pastel Mix.safetensors [{digest[:10]}]"
    for text in (
        "anime/Pastel Mix",
        "ANIME/pastel mix",
        "Pastel Mix",
        "Pastel Mix.safetensors",
        "anime/Pastel Mix.safetensors",
        f"anime/Pastel Mix.safetensors [{digest[:10]}]",
        f"Pastel Mix [{digest[:10]}]",
        "anime_Pastel Mix",
        digest[:10],
        digest,
        digest.upper(),
        "stel mi",
        "Pastel Mix.safetensors [0123456789]",
    ):
        assert catalog.find_checkpoint(text) == info, text


def test_look_up_prefers_the_exact_name_and_then_the_shortest_title(models: Models):
    models.add("sub/model.safetensors", "model.safetensors", "model-inpaint.safetensors", "my-model-v2.safetensors")
    catalog = models.catalog()
    assert catalog.find_checkpoint("model").name == "model"
    assert catalog.find_checkpoint("my-mod").name == "my-model-v2"
    assert catalog.find_checkpoint("odel-").name == "my-model-v2" or catalog.find_checkpoint("odel-").name == "model-inpaint"


def test_look_up_sees_a_file_that_has_just_arrived_or_changed(models: Models):
    catalog = models.add("a.safetensors").catalog()
    assert catalog.find_checkpoint("a").prediction_type == "epsilon"
    models.add("late.safetensors")
    assert catalog.find_checkpoint("late").name == "late"
    write_tiny_checkpoint(models.checkpoints / "a.safetensors", metadata={"modelspec.prediction_type": "v"})
    assert catalog.find_checkpoint("a").prediction_type == "v_prediction"


def test_look_up_that_fails_names_the_nearest(models: Models):
    models.add("dreamshaper.safetensors")
    with pytest.raises(CheckpointNotFound, match="“dreamshaper”") as caught:
        models.catalog().find_checkpoint("dreamshapr")
    assert caught.value.field == "checkpoint"
    with pytest.raises(CheckpointNotFound, match="There is none"):
        models.catalog().find_vae("bright")
    with pytest.raises(CheckpointNotFound):
        models.catalog().find_checkpoint("  ")


def test_look_up_of_a_broken_file_says_what_is_wrong(models: Models):
    (models.checkpoints / "bad.safetensors").write_bytes(b"")
    (models.checkpoints / "old.ckpt").write_bytes(b"PK")
    with pytest.raises(UnsupportedCheckpoint, match=r"bad\.safetensors is empty \(0 bytes\)\."):
        models.catalog().find_checkpoint("bad")
    with pytest.raises(UnsupportedCheckpoint, match=r"old\.ckpt is no PyTorch file of a kind"):
        models.catalog().find_checkpoint("old")


def test_automatic_vae_is_the_one_named_after_the_checkpoint(models: Models):
    models.add("sub/Model.safetensors", "other.safetensors")
    write_tiny_vae(models.vaes / "model-bright.safetensors")
    write_tiny_vae(models.vaes / "bright.safetensors")
    catalog = models.catalog()
    model, other = catalog.find_checkpoint("Model"), catalog.find_checkpoint("other")
    assert catalog.resolve_vae(model, "Automatic") == "model-bright"
    assert catalog.resolve_vae(other, "Automatic") == "None"
    assert catalog.resolve_vae(model, "None") == "None"
    assert catalog.resolve_vae(model, "BRIGHT") == "bright"
    with pytest.raises(CheckpointNotFound):
        catalog.resolve_vae(model, "no such")


@pytest.mark.parametrize(
    ("rule", "noted", "chosen"),
    [
        ("the VAE in the user metadata goes before the one named after the checkpoint", "bright", "bright"),
        ("it is named as A1111 does, by its file", "Bright.safetensors", "bright"),
        ("None is the built-in one", "None", "None"),
        ("Automatic is no preference", "Automatic", "model-dark"),
        ("a name that is not there is passed over", "gone", "model-dark"),
        ("a part of a name names nothing", "brig", "model-dark"),
        ("a broken file is passed over", "broken", "model-dark"),
        ("nothing noted", "", "model-dark"),
    ],
)
def test_automatic_takes_the_vae_that_is_noted_for_the_checkpoint(rule: str, noted: str, chosen: str, models: Models):
    models.add("model.safetensors")
    for name in ("bright", "model-dark"):
        write_tiny_vae(models.vaes / f"{name}.safetensors")
    (models.vaes / "broken.safetensors").write_bytes(b"")
    catalog = models.catalog(preferred_vae={models.checkpoints / "model.safetensors": noted}.__getitem__)
    model = catalog.find_checkpoint("model")
    assert catalog.resolve_vae(model, "Automatic") == chosen, rule
    assert catalog.resolve_vae(model, "None") == "None"
    assert catalog.resolve_vae(model, "model-dark") == "model-dark"


def test_hash_is_kept_until_the_file_changes(models: Models):
    catalog = models.add("a.safetensors").catalog()
    info = catalog.find_checkpoint("a")
    assert catalog.sha256(info) is None
    assert catalog.title(info) == "a.safetensors"
    catalog.hash_later(info)
    digest = hashlib.sha256(info.path.read_bytes()).hexdigest()
    assert catalog.sha256(info) == digest
    assert models.catalog().sha256(info) == digest  # read from the cache file
    os.utime(info.path, ns=(1, 1))
    assert catalog.sha256(info) is None


def test_large_file_is_hashed_by_a_thread(models: Models, monkeypatch: pytest.MonkeyPatch):
    import time

    monkeypatch.setattr("webui.checkpoints.hashes.AT_ONCE", 0)
    catalog = models.add("a.safetensors").catalog()
    info = catalog.find_checkpoint("a")
    catalog.hash_later(info)
    deadline = time.monotonic() + 10
    while catalog.sha256(info) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert catalog.sha256(info) == hashlib.sha256(info.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 3}', b'{"a": [1, "x"]}'])
def test_broken_hash_cache_is_begun_anew(models: Models, content: bytes):
    models.cache.write_bytes(content)
    catalog = models.add("a.safetensors").catalog()
    info = catalog.find_checkpoint("a")
    catalog.hash_later(info)
    assert catalog.sha256(info) is not None
