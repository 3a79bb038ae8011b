from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.tiny import write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints.loader import load_checkpoint, load_vae
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.scan import CheckpointInfo, VaeInfo, inspect_checkpoint, inspect_vae
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")


class Files:
    """Two checkpoints, one that is broken behind a good header, and two VAEs."""

    def __init__(self, root: Path) -> None:
        self.first = self._checkpoint(root, "first", seed=1)
        self.second = self._checkpoint(root, "second", seed=2)
        self.broken = self._checkpoint(root, "broken", drop=["model.diffusion_model.out.2.weight"])
        self.bright, self.dark = (self._vae(root, name, seed) for seed, name in enumerate(("bright", "dark"), start=7))

    def _checkpoint(self, root: Path, name: str, **options) -> CheckpointInfo:
        return inspect_checkpoint(write_tiny_checkpoint(root / f"{name}.safetensors", **options), name)

    def _vae(self, root: Path, name: str, seed: int) -> VaeInfo:
        return inspect_vae(write_tiny_vae(root / f"{name}.safetensors", seed), name)


def fresh_weights(info: CheckpointInfo | VaeInfo) -> dict[str, dict[str, torch.Tensor]]:
    """As a load into new memory gives them."""
    if isinstance(info, VaeInfo):
        return {"vae": load_vae(info, CPU, torch.float32).state_dict()}
    modules = load_checkpoint(info, CPU, torch.float32).modules
    return {name: module.state_dict() for name, module in modules.items()}


def assert_fresh(pipeline: Pipeline, checkpoint: CheckpointInfo, vae: VaeInfo | None = None) -> None:
    """The pipeline's weights equal those of a fresh load, bit for bit."""
    expected = fresh_weights(checkpoint) | (fresh_weights(vae) if vae else {})
    for name, module in pipeline.modules.items():
        found = module.state_dict()
        assert found.keys() == expected[name].keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected[name].items()), name


def weak_references(pipeline: Pipeline) -> list[weakref.ref]:
    return [weakref.ref(tensor) for module in pipeline.modules.values() for tensor in module.parameters()]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("models"))


@pytest.fixture
def manager() -> PipelineManager:
    return PipelineManager(CPU, torch.float32)


@pytest.fixture
def loads() -> list[str]:
    return []


@pytest.fixture
def on_load(loads: list[str]) -> Callable[[str, int], None]:
    def tell(name: str, size: int) -> None:
        assert size > 0
        loads.append(name)

    return tell


def test_same_checkpoint_is_loaded_once(manager: PipelineManager, files: Files, loads: list[str], on_load):
    with manager.lease(files.first, None, on_load) as pipeline:
        unet = pipeline.unet
    with manager.lease(files.first, None, on_load) as pipeline:
        assert pipeline.unet is unet
    assert loads == ["first"]


def test_file_that_was_replaced_is_loaded_again(manager: PipelineManager, tmp_path: Path, loads: list[str], on_load):
    path = write_tiny_checkpoint(tmp_path / "a.safetensors", 1)
    with manager.lease(inspect_checkpoint(path, "a"), None, on_load) as pipeline:
        before = pipeline.unet.conv_in.weight.clone()
    path.unlink()
    write_tiny_checkpoint(path, 2)
    with manager.lease(inspect_checkpoint(path, "a"), None, on_load) as pipeline:
        assert not torch.equal(pipeline.unet.conv_in.weight, before)
    assert loads == ["a", "a"]


def addresses(pipeline: Pipeline) -> list[int]:
    return [tensor.data_ptr() for module in pipeline.modules.values() for tensor in module.parameters()]


def test_other_checkpoint_is_read_into_the_memory_of_the_first(manager: PipelineManager, files: Files):
    with manager.lease(files.first, None) as pipeline:
        before = addresses(pipeline)
    with manager.lease(files.second, None) as pipeline:
        assert pipeline.checkpoint == files.second
        assert addresses(pipeline) == before
        assert_fresh(pipeline, files.second)


def test_change_of_vae_loads_only_the_vae(manager: PipelineManager, files: Files, loads: list[str], on_load):
    with manager.lease(files.first, None, on_load) as plain:
        pass
    with manager.lease(files.first, files.bright, on_load) as bright:
        assert (bright.vae_name, bright.unet is plain.unet, bright.vae is plain.vae) == ("bright", True, False)
        assert_fresh(bright, files.first, files.bright)
    with manager.lease(files.first, files.dark, on_load) as dark:
        assert_fresh(dark, files.first, files.dark)
    with manager.lease(files.first, None, on_load) as restored:
        assert (restored.vae_name, restored.vae is plain.vae) == (None, True)
        assert_fresh(restored, files.first)
    assert loads == ["first", "bright", "dark"]


@pytest.mark.parametrize("what", ["checkpoint", "vae", "vae of another checkpoint"])
def test_failed_load_leaves_the_pipeline_in_place(
    what: str, manager: PipelineManager, files: Files, tmp_path: Path, loads: list[str], on_load
):
    with manager.lease(files.first, files.bright, on_load) as before:
        pass
    bad_vae = VaeInfo("bad", tmp_path / "bad.safetensors", 3)
    bad_vae.path.write_bytes(b"bad")
    wanted = {
        "checkpoint": (files.broken, None),
        "vae": (files.first, bad_vae),
        "vae of another checkpoint": (files.second, bad_vae),
    }[what]
    with pytest.raises(UnsupportedCheckpoint), manager.lease(*wanted):
        pytest.fail("a pipeline was lent")
    loads.clear()
    with manager.lease(files.first, files.bright, on_load) as after:
        assert after is before
    assert loads == []


def test_error_inside_a_lease_gives_the_pipeline_back(manager: PipelineManager, files: Files):
    with pytest.raises(ZeroDivisionError), manager.lease(files.first, None):
        raise ZeroDivisionError
    with manager.lease(files.second, None) as pipeline:
        assert pipeline.checkpoint == files.second


def test_pipeline_is_not_swapped_while_it_is_lent(manager: PipelineManager, files: Files):
    swapped = threading.Event()

    def swap() -> None:
        with manager.lease(files.second, None):
            swapped.set()

    other = threading.Thread(target=swap)
    with manager.lease(files.first, None) as pipeline:
        weight = pipeline.unet.conv_in.weight.clone()
        other.start()
        with manager.lease(files.first, None) as again:  # the same one may be lent twice
            assert again is pipeline
        assert not swapped.wait(0.2)
        assert torch.equal(pipeline.unet.conv_in.weight, weight)
    other.join(10)
    assert swapped.is_set()


def test_threads_that_want_different_checkpoints_each_get_theirs(manager: PipelineManager, files: Files):
    failures: list[str] = []

    def work(info: CheckpointInfo, vae: VaeInfo | None) -> None:
        for _ in range(5):
            with manager.lease(info, vae) as pipeline:
                if (pipeline.checkpoint, pipeline.vae_name) != (info, vae.name if vae else None):
                    failures.append(pipeline.checkpoint.name)

    wanted = [(files.first, None), (files.second, None), (files.first, files.bright), (files.second, files.dark)]
    threads = [threading.Thread(target=work, args=pair) for pair in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


def test_unload_frees_the_weights(manager: PipelineManager, files: Files, loads: list[str], on_load):
    with manager.lease(files.first, files.bright, on_load) as pipeline:
        weights = weak_references(pipeline)
    manager.unload()
    assert not any(weight() for weight in weights)
    assert manager.resident == ()
    with manager.lease(files.first, None, on_load) as pipeline:
        assert_fresh(pipeline, files.first)
    assert loads == ["bright", "first", "first"]
