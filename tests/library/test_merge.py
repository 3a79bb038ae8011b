from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.library.conftest import Finish, wait_until
from tests.library.weights import CONV, MIDDLE, VAE_CONV, save, weights
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.header import read_header
from webui.errors import InvalidRequest, ModelNotFound, UnsupportedCheckpoint, WebUIError
from webui.library import child, mix
from webui.library.merge import MergeRequest, automatic_name
from webui.library.mix_plan import ADD_DIFFERENCE, NO_INTERPOLATION
from webui.library.models import ModelLibrary
from webui.library.tasks import TaskBoard, TaskHandle, TaskState
from webui.settings import Settings


@pytest.fixture
def checkpoints(settings: Settings) -> Path:
    """A folder with the small models a, b, c, an inpainting model, and a VAE."""
    folder = settings.models_dir / "Stable-diffusion"
    for seed, name in enumerate("abc"):
        save(folder / f"{name}.safetensors", weights(seed), {"from": name, f"only {name}": "1"})
    save(folder / "sub" / "paint.safetensors", weights(4, channels=9))
    save(settings.models_dir / "VAE" / "better.safetensors", {"decoder.conv_in.weight": torch.full((4, 4, 3, 3), 2.0)})
    return folder


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge in this process: a child takes seconds to load torch, and only some tests are about it."""

    def run(module: str, job: Any, handle: TaskHandle, rubbish: Path) -> Any:
        assert module == "webui.library.mix"
        return mix._work(json.loads(json.dumps(job)), handle.report)

    monkeypatch.setattr(child, "run", run)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_models_are_merged_in_a_process_of_their_own_and_listed(library: ModelLibrary, checkpoints: Path, finish: Finish):
    task = library.merge(MergeRequest("a", "b", multiplier=0.25))
    assert task.title == "Merge 0.75(a) + 0.25(b)"
    done = finish(task)
    assert (done.state, done.error, done.result) == (TaskState.DONE, "", "0.75(a) + 0.25(b)")
    made = load_file(checkpoints / "0.75(a) + 0.25(b).safetensors")
    assert torch.equal(made[MIDDLE], 0.75 * weights(0)[MIDDLE] + 0.25 * weights(1)[MIDDLE])
    assert "0.75(a) + 0.25(b)" in [entry.name for entry in library.page().entries]
    assert not list(checkpoints.glob("*.writing"))


def test_a_merged_checkpoint_of_whole_models_can_be_used(settings: Settings, library: ModelLibrary, finish: Finish):
    folder = settings.models_dir / "Stable-diffusion"
    write_tiny_checkpoint(folder / "one.safetensors", 1)
    write_tiny_checkpoint(folder / "two.safetensors", 2)
    done = finish(library.merge(MergeRequest("one", "two", name="both", half=True)))
    assert done.error == ""
    entry = library.entry("checkpoint", "both")
    assert (entry.problem, entry.family) == (None, "SD 1.x")


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (MergeRequest("a", "b", multiplier=0.3), "0.7(a) + 0.3(b)"),
        (MergeRequest("a", "b", multiplier=0.05), "0.95(a) + 0.05(b)"),
        (MergeRequest("a", "b", multiplier=1.0), "0.0(a) + 1.0(b)"),
        (MergeRequest("a", "b", "c", method=ADD_DIFFERENCE, multiplier=0.5), "a + 0.5(b - c)"),
        (MergeRequest("a", method=NO_INTERPOLATION), "a"),
    ],
)
def test_names_tell_how_a_model_was_made(request_: MergeRequest, name: str):
    assert automatic_name(request_) == name


@pytest.mark.usefixtures("inline")
def test_an_automatic_name_that_is_taken_gets_a_number(library: ModelLibrary, checkpoints: Path, finish: Finish):
    done = finish(library.merge(MergeRequest("a", method=NO_INTERPOLATION)))
    assert done.result == "a (2)"
    assert sha256(checkpoints / "a.safetensors") != sha256(checkpoints / "a (2).safetensors")  # metadata were added


@pytest.mark.usefixtures("inline")
def test_an_inpainting_model_keeps_its_kind_in_the_name(library: ModelLibrary, checkpoints: Path, finish: Finish):
    done = finish(library.merge(MergeRequest("sub/paint", "a", multiplier=0.5)))
    assert done.result == "0.5(sub_paint) + 0.5(a).inpainting"
    recipe = json.loads(read_header(checkpoints / f"{done.result}.safetensors").metadata["sd_merge_recipe"])
    assert (recipe["is_inpainting"], recipe["is_instruct_pix2pix"]) == (True, False)


@pytest.mark.usefixtures("inline")
def test_a_vae_is_baked_in_and_weights_are_left_out(library: ModelLibrary, checkpoints: Path, finish: Finish):
    request = MergeRequest("a", method=NO_INTERPOLATION, name="baked", vae="better", discard="middle_block", half=True)
    assert finish(library.merge(request)).error == ""
    made = load_file(checkpoints / "baked.safetensors")
    assert MIDDLE not in made
    assert torch.equal(made[VAE_CONV], torch.full((4, 4, 3, 3), 2.0, dtype=torch.float16))


# ---- metadata


def merged_metadata(library: ModelLibrary, checkpoints: Path, finish: Finish, **options: Any) -> dict[str, str]:
    done = finish(library.merge(MergeRequest(name="made", **{"primary": "a", "secondary": "b", **options})))
    assert done.error == ""
    return read_header(checkpoints / "made.safetensors").metadata


@pytest.mark.usefixtures("inline")
def test_the_recipe_is_told_as_a1111_tells_it(library: ModelLibrary, checkpoints: Path, finish: Finish):
    metadata = merged_metadata(library, checkpoints, finish, multiplier=0.4, half=True, vae="better", discard="x")
    digests = {name: sha256(checkpoints / f"{name}.safetensors") for name in "ab"}
    assert json.loads(metadata["sd_merge_recipe"]) == {
        "type": "webui",
        "primary_model_hash": digests["a"],
        "secondary_model_hash": digests["b"],
        "tertiary_model_hash": None,
        "interp_method": "Weighted sum",
        "multiplier": 0.4,
        "save_as_half": True,
        "custom_name": "made",
        "config_source": 0,
        "bake_in_vae": "better.safetensors",
        "discard_weights": "x",
        "is_inpainting": False,
        "is_instruct_pix2pix": False,
    }
    models = json.loads(metadata["sd_merge_models"])
    assert set(models) == set(digests.values())
    assert models[digests["a"]]["name"] == "a.safetensors"
    assert len(models[digests["a"]]["legacy_hash"]) == 8
    assert metadata["format"] == "pt"


@pytest.mark.usefixtures("inline")
def test_metadata_are_copied_the_primary_models_first(library: ModelLibrary, checkpoints: Path, finish: Finish):
    metadata = merged_metadata(library, checkpoints, finish, metadata={"mine": {"x": 1}, "only b": "changed"})
    assert (metadata["from"], metadata["only a"], metadata["only b"], metadata["mine"]) == ("a", "1", "changed", '{"x": 1}')


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"save_metadata": False}, set()),
        ({"copy_metadata": False}, {"format", "sd_merge_recipe", "sd_merge_models"}),
        ({"add_recipe": False}, {"format", "from", "only a", "only b"}),
        ({"add_recipe": False, "copy_metadata": False}, {"format"}),
    ],
)
def test_metadata_are_left_out_as_asked(library: ModelLibrary, checkpoints: Path, finish: Finish, options: Any, keys: set[str]):
    assert set(merged_metadata(library, checkpoints, finish, **options)) == keys


@pytest.mark.usefixtures("inline")
def test_a_merge_of_merges_carries_the_earlier_recipes_along(library: ModelLibrary, checkpoints: Path, finish: Finish):
    finish(library.merge(MergeRequest("a", "b", name="first")))
    first = sha256(checkpoints / "first.safetensors")
    finish(library.merge(MergeRequest("first", "c", name="second")))
    models = json.loads(read_header(checkpoints / "second.safetensors").metadata["sd_merge_models"])
    assert set(models) == {first, *(sha256(checkpoints / f"{name}.safetensors") for name in "abc")}
    assert models[first]["sd_merge_recipe"]["custom_name"] == "first"


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("told", ["{", "[1]", '"x"', "null", "[" * 50_000, "3"])
def test_nonsense_in_the_metadata_of_a_source_does_no_harm(library: ModelLibrary, checkpoints: Path, finish: Finish, told: str):
    hostile = {"sd_merge_recipe": told, "sd_merge_models": told, "modelspec.hash_sha256": "0xold", "\u202e": "\x00"}
    save(checkpoints / "odd.safetensors", weights(9), hostile)
    metadata = merged_metadata(library, checkpoints, finish, primary="odd", secondary="a")
    assert "modelspec.hash_sha256" not in metadata
    assert json.loads(metadata["sd_merge_recipe"])["custom_name"] == "made"
    assert len(json.loads(metadata["sd_merge_models"])) == 2


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize(("source", "copied"), [("A, B or C", "of b"), ("B", "of b"), ("C", None), ("Don't", None)])
def test_the_yaml_beside_a_model_goes_along(
    library: ModelLibrary, checkpoints: Path, finish: Finish, source: str, copied: str | None
):
    (checkpoints / "b.yaml").write_text("of b")
    finish(library.merge(MergeRequest("a", "b", name="made", config_source=source)))
    config = checkpoints / "made.yaml"
    assert (config.read_text() if config.exists() else None) == copied


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"secondary": None}, "secondary"),
        ({"method": "Add difference"}, "tertiary"),
        ({"method": "Other"}, "method"),
        ({"multiplier": 1.5}, "multiplier"),
        ({"multiplier": float("nan")}, "multiplier"),
        ({"discard": "("}, "discard"),
        ({"name": "../up"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"config_source": "D"}, "config_source"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(options: dict[str, Any], field: str):
    with pytest.raises(InvalidRequest) as error:
        MergeRequest(**{"primary": "a", "secondary": "b", **options})
    assert error.value.field == field


def test_unknown_models_and_a_taken_name_are_refused_at_once(library: ModelLibrary, checkpoints: Path):
    for request in (MergeRequest("zzz", "b"), MergeRequest("a", "zzz"), MergeRequest("a", "b", vae="zzz")):
        with pytest.raises(ModelNotFound, match="zzz"):
            library.merge(request)
    with pytest.raises(InvalidRequest, match="is there already"):
        library.merge(MergeRequest("a", "b", name="c"))


@pytest.mark.usefixtures("inline")
def test_pickled_files_are_merged_as_others_without_running_what_is_in_them(
    library: ModelLibrary, checkpoints: Path, finish: Finish
):
    turned = weights(7) | {MIDDLE: weights(7)[MIDDLE].T.contiguous().T}
    torch.save({"state_dict": turned, "epoch": 3}, checkpoints / "old.ckpt")
    torch.save(
        {"state_dict": {"decoder.conv_in.weight": torch.full((4, 4, 3, 3), 3.0)}}, checkpoints.parent / "VAE" / "old.vae.pt"
    )
    library.refresh()
    done = finish(library.merge(MergeRequest("a", "old", name="one", multiplier=0.5, vae="old.vae")))
    assert done.error == ""
    made = load_file(checkpoints / "one.safetensors")
    assert torch.equal(made[MIDDLE], 0.5 * weights(0)[MIDDLE] + 0.5 * weights(7)[MIDDLE])
    assert torch.equal(made[VAE_CONV], torch.full((4, 4, 3, 3), 3.0))
    assert finish(library.merge(MergeRequest("old", "a", name="two", multiplier=0.0))).error == ""
    assert torch.equal(load_file(checkpoints / "two.safetensors")[MIDDLE], weights(7)[MIDDLE])


def test_folders_and_broken_or_harmful_files_are_refused_with_the_reason(library: ModelLibrary, checkpoints: Path):
    (checkpoints / "broken.safetensors").write_bytes(b"hello")
    torch.save({"state_dict": {"model.x": os.system}}, checkpoints / "bomb.ckpt")
    (checkpoints / "folder").mkdir()
    (checkpoints / "folder" / "model_index.json").write_text("{}")
    library.refresh()
    for name, reason in (
        ("broken", r"broken\.safetensors is too short"),
        ("bomb", r"bomb\.ckpt would run “posix\.system”"),
        ("folder", "folder is a diffusers folder"),
    ):
        with pytest.raises(UnsupportedCheckpoint, match=reason):
            library.merge(MergeRequest("a", name))


def test_a_tensor_that_shows_one_number_many_times_is_not_merged(library: ModelLibrary, checkpoints: Path, finish: Finish):
    torch.save({"model.x": torch.zeros(1).expand(1000)}, checkpoints / "wide.ckpt")
    save(checkpoints / "narrow.safetensors", {"model.x": torch.ones(1000)})
    library.refresh()
    assert "Convert the file first" in finish(library.merge(MergeRequest("narrow", "wide"))).error


@pytest.mark.usefixtures("inline")
def test_a_merge_that_fails_leaves_nothing_and_says_why(library: ModelLibrary, checkpoints: Path, finish: Finish):
    save(checkpoints / "other.safetensors", weights(1) | {MIDDLE: torch.ones(2, 2)})
    before = sorted(path.name for path in checkpoints.iterdir())
    failed = finish(library.merge(MergeRequest("a", "other")))
    assert failed.state is TaskState.FAILED
    assert f"The secondary model (B) is of another family: “{MIDDLE}”" in failed.error
    assert sorted(path.name for path in checkpoints.iterdir()) == before


def test_no_merge_is_begun_without_room_for_it(library: ModelLibrary, checkpoints: Path, finish: Finish, monkeypatch):
    monkeypatch.setattr("webui.library.merge._check_room", _no_room)
    assert finish(library.merge(MergeRequest("a", "b"))).error == "no room"


def _no_room(folder: Path, needed: int) -> None:
    raise WebUIError("no room")


# ---- cancelling, and what kills the process


@pytest.fixture
def large(checkpoints: Path) -> None:
    """Models that take a while: 1 GB each, with holes that take no room."""
    text = json.dumps({"model.x": {"dtype": "F32", "shape": [250_000_000], "data_offsets": [0, 1_000_000_000]}}).encode()
    for name in ("large", "huge"):
        path = checkpoints / f"{name}.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        os.truncate(path, 8 + len(text) + 1_000_000_000)


@pytest.mark.usefixtures("large")
def test_a_cancelled_merge_is_killed_and_its_half_file_removed(
    library: ModelLibrary, checkpoints: Path, board: TaskBoard, finish: Finish
):
    task = library.merge(MergeRequest("large", "huge", name="made", add_recipe=False))
    wait_until(lambda: (checkpoints / "made.safetensors.writing").exists(), seconds=60)
    began = time.monotonic()
    board.cancel(task.id)
    assert finish(task).state is TaskState.CANCELLED
    assert time.monotonic() - began < 5
    assert not list(checkpoints.glob("made*"))


@pytest.mark.usefixtures("large")
def test_a_child_that_is_killed_from_outside_is_an_error_in_words(
    library: ModelLibrary, checkpoints: Path, finish: Finish, monkeypatch: pytest.MonkeyPatch
):
    started: list[Any] = []
    monkeypatch.setattr(child.subprocess, "Popen", _remembering(child.subprocess.Popen, started))
    task = library.merge(MergeRequest("large", "huge", name="made", add_recipe=False))
    wait_until(lambda: (checkpoints / "made.safetensors.writing").exists(), seconds=60)
    started[0].kill()
    failed = finish(task)
    assert "ended from outside (signal 9)" in failed.error
    assert not list(checkpoints.glob("made*"))


def _remembering(popen: Any, started: list[Any]) -> Any:
    def start(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    return start


@pytest.mark.usefixtures("large")
def test_the_child_ends_with_the_front(library: ModelLibrary, checkpoints: Path, finish: Finish, monkeypatch: pytest.MonkeyPatch):
    """Its standard input is closed when the front is gone, however it went."""
    started: list[Any] = []
    monkeypatch.setattr(child.subprocess, "Popen", _remembering(child.subprocess.Popen, started))
    task = library.merge(MergeRequest("large", "huge", name="made", add_recipe=False))
    wait_until(lambda: (checkpoints / "made.safetensors.writing").exists(), seconds=60)
    closing = threading.Thread(target=started[0].stdin.close)
    closing.start()
    finish(task)
    closing.join(10)
    assert started[0].poll() == 1
    assert not list(checkpoints.glob("made*"))


@pytest.mark.usefixtures("inline")
def test_channels_of_a_merged_inpainting_model_stay_whole(library: ModelLibrary, checkpoints: Path, finish: Finish):
    done = finish(library.merge(MergeRequest("sub/paint", "a", "b", method=ADD_DIFFERENCE, name="mix")))
    made = load_file(checkpoints / f"{done.result}.safetensors")
    assert done.result == "mix.inpainting"
    assert made[CONV].shape == (8, 9, 3, 3)
