from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.tiny import write_tiny_checkpoint, write_tiny_vae
from webui.checkpoints import filling
from webui.checkpoints.filling import Piece, Reader
from webui.checkpoints.loader import load_checkpoint, load_vae
from webui.checkpoints.manager import PipelineManager
from webui.checkpoints.pipeline import Pipeline
from webui.checkpoints.residents import Budget
from webui.checkpoints.scan import CheckpointInfo, VaeInfo, inspect_checkpoint, inspect_vae
from webui.errors import UnsupportedCheckpoint

CPU = torch.device("cpu")


class Files:
    """Two checkpoints, one that is broken behind a good header, and two VAEs."""

    def __init__(self, root: Path) -> None:
        self.first = self._checkpoint(root, "first", seed=1)
        self.second = self._checkpoint(root, "second", seed=2)
        self.third = self._checkpoint(root, "third", seed=3)
        self.broken = self._checkpoint(root, "broken", drop=["model.diffusion_model.out.2.weight"])
        self.bright, self.dark = (self._vae(root, name, seed) for seed, name in enumerate(("bright", "dark"), start=7))

    def _checkpoint(self, root: Path, name: str, **options) -> CheckpointInfo:
        return inspect_checkpoint(write_tiny_checkpoint(root / f"{name}.safetensors", **options), name)

    def _vae(self, root: Path, name: str, seed: int) -> VaeInfo:
        return inspect_vae(write_tiny_vae(root / f"{name}.safetensors", seed), name)


@functools.cache
def _fresh_weights(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    if path.stem in ("bright", "dark"):
        return {"vae": load_vae(inspect_vae(path, path.stem), CPU, torch.float32).state_dict()}
    modules = load_checkpoint(inspect_checkpoint(path, path.stem), CPU, torch.float32).modules
    return {name: module.state_dict() for name, module in modules.items()}


def fresh_weights(info: CheckpointInfo | VaeInfo) -> dict[str, dict[str, torch.Tensor]]:
    """As a load into new memory gives them."""
    return _fresh_weights(info.path)


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


@pytest.fixture(scope="module")
def small(files: Files, tmp_path_factory: pytest.TempPathFactory) -> CheckpointInfo:
    """A checkpoint whose modules are built otherwise: the other way of counting heads."""
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    return inspect_checkpoint(write_tiny_checkpoint(path, 4, embed_config=False), "small")


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


# ---- files that fail in the middle


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have a file lose its end once half of what is wanted of it has been read, by one thread: another could be in the midst of
    a page that goes."""
    monkeypatch.setattr(filling, "threads", lambda: 1)
    truncated: set[Path] = set()

    def read(reader: Reader, piece: Piece) -> torch.Tensor:
        if piece.path in truncated and piece.offset > piece.path.stat().st_size // 2:
            os.truncate(piece.path, piece.offset)
        return original(reader, piece)

    original = Reader.read
    monkeypatch.setattr(Reader, "read", read)
    return truncated.add


@pytest.mark.parametrize("eager", [True, False], ids=["into fresh memory", "in place"])
def test_file_that_ends_while_it_is_copied_leaves_the_old_weights_serving(
    eager: bool, files: Files, tmp_path: Path, cut_short, loads: list[str], on_load
):
    manager = PipelineManager(CPU, torch.float32, Budget(1 << 40 if eager else 0, eager))
    bad = inspect_checkpoint(write_tiny_checkpoint(tmp_path / "bad.safetensors", 5), "bad")
    with manager.lease(files.first, files.bright):
        pass
    cut_short(bad.path)
    with pytest.raises(UnsupportedCheckpoint, match=r"^bad\.safetensors ended before its end"), manager.lease(bad, None):
        pytest.fail("a pipeline was lent")
    with manager.lease(files.first, files.bright, on_load) as pipeline:
        assert_fresh(pipeline, files.first, files.bright)
    assert loads == []
    with manager.lease(files.second, None) as pipeline:
        assert_fresh(pipeline, files.second)


def test_nothing_is_served_where_the_old_file_is_gone_too(manager: PipelineManager, files: Files, tmp_path: Path, cut_short):
    old, bad = (
        inspect_checkpoint(write_tiny_checkpoint(tmp_path / f"{name}.safetensors", seed), name)
        for seed, name in enumerate(("old", "bad"))
    )
    with manager.lease(old, None):
        pass
    old.path.unlink()
    cut_short(bad.path)
    with pytest.raises(UnsupportedCheckpoint, match="bad"), manager.lease(bad, None):
        pytest.fail("a pipeline was lent")
    assert (manager.latest, manager.resident) == ((None, None), ())
    with manager.lease(files.first, None) as pipeline:
        assert_fresh(pipeline, files.first)


def test_module_that_was_taken_over_has_no_weights_of_another_while_it_waits(
    manager: PipelineManager, files: Files, small: CheckpointInfo
):
    """One of another make goes: who still holds its modules finds them empty."""
    with manager.lease(files.first, None) as pipeline:
        weights = weak_references(pipeline)
    with manager.lease(small, None) as other:
        assert_fresh(other, small)
    assert not any(weight() for weight in weights)
    assert all(parameter.is_meta for parameter in pipeline.unet.parameters())
    with manager.lease(files.first, None) as again:
        assert_fresh(again, files.first)


# ---- what is kept


def size_of(info: CheckpointInfo) -> int:
    return sum(tensor.nbytes for state in fresh_weights(info).values() for tensor in state.values())


def test_longest_unused_goes_first_when_the_budget_is_used_up(files: Files, loads: list[str], on_load):
    manager = PipelineManager(CPU, torch.float32, Budget(size_of(files.first) * 5 // 2, eager=True))
    for info in (files.first, files.second, files.first, files.third):
        with manager.lease(info, None, on_load) as pipeline:
            assert_fresh(pipeline, info)
    assert manager.resident == ("first", "third")
    with manager.lease(files.first, None, on_load) as pipeline:
        assert_fresh(pipeline, files.first)
    assert loads == ["first", "second", "third"]


def test_kept_checkpoint_costs_nothing_and_is_the_same_pipeline(files: Files):
    manager = PipelineManager(CPU, torch.float32, Budget(1 << 40, eager=True))
    with manager.lease(files.first, None) as first:
        before = addresses(first)
    with manager.lease(files.second, files.bright):
        pass
    with manager.lease(files.first, None) as again:
        assert again is first
        assert addresses(again) == before


def test_no_more_is_kept_than_leaves_a_quarter_of_what_is_free(files: Files):
    size = size_of(files.first)
    manager = PipelineManager(CPU, torch.float32, Budget(1 << 40, eager=True, free=lambda: size * 5 // 4))
    for info in (files.first, files.second):
        with manager.lease(info, None):
            pass
    assert manager.resident == ("second",)


def test_vae_that_is_no_longer_used_gives_its_memory_back_without_a_budget(manager: PipelineManager, files: Files):
    with manager.lease(files.first, files.bright) as pipeline:
        weights = [weakref.ref(tensor) for tensor in pipeline.vae.parameters()]
    del pipeline
    with manager.lease(files.first, None):
        assert manager.resident == ("first",)
        assert not any(weight() for weight in weights)


def test_only_what_is_lent_stays_when_memory_is_short(files: Files):
    manager = PipelineManager(CPU, torch.float32, Budget(1 << 40, eager=True))
    with manager.lease(files.first, None), manager.lease(files.first, None):
        pass
    with manager.lease(files.second, files.dark) as pipeline:
        assert manager.keep_only_lent()
        assert not manager.keep_only_lent()
        assert_fresh(pipeline, files.second, files.dark)
    assert set(manager.resident) == {"second", "dark"}


# ---- reading ahead


@pytest.fixture
def roomy() -> PipelineManager:
    """Keeps what was read ahead, but reads in place what was not."""
    return PipelineManager(CPU, torch.float32, Budget(1 << 40))


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_what_was_read_ahead_is_there_without_a_load(roomy: PipelineManager, files: Files, loads: list[str], on_load):
    with roomy.lease(files.first, None) as pipeline:
        in_thread(lambda: roomy.read_ahead(files.second, files.bright)).join(30)
        assert_fresh(pipeline, files.first)
    with roomy.lease(files.second, files.bright, on_load) as pipeline:
        assert_fresh(pipeline, files.second, files.bright)
    with roomy.lease(files.first, None, on_load) as pipeline:
        assert_fresh(pipeline, files.first)
    assert loads == []


def test_without_room_the_file_is_read_and_nothing_else_happens(
    manager: PipelineManager, files: Files, monkeypatch: pytest.MonkeyPatch
):
    warmed: list[Path] = []
    monkeypatch.setattr("webui.checkpoints.manager.warm", lambda paths, go_on: warmed.extend(paths) if go_on() else None)
    with manager.lease(files.first, None) as pipeline:
        in_thread(lambda: manager.read_ahead(files.second, None)).join(30)
        assert_fresh(pipeline, files.first)
    assert (warmed, manager.resident) == ([files.second.path], ("first",))


class Gate:
    """Holds the reading of one file back until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        original = Reader.read

        def read(reader: Reader, piece: Piece) -> torch.Tensor:
            if piece.path == path:
                self.reached.set()
                assert self._open.wait(30)
            return original(reader, piece)

        monkeypatch.setattr(Reader, "read", read)

    def open(self) -> None:
        self._open.set()


def test_lease_waits_for_what_is_being_read_ahead_and_reads_it_no_second_time(
    roomy: PipelineManager, files: Files, monkeypatch: pytest.MonkeyPatch, loads: list[str], on_load
):
    gate = Gate(monkeypatch, files.second.path)
    with roomy.lease(files.first, None):
        ahead = in_thread(lambda: roomy.read_ahead(files.second, None))
        assert gate.reached.wait(30)

    def use() -> None:
        with roomy.lease(files.second, None, on_load) as pipeline:
            assert_fresh(pipeline, files.second)
            lent.set()

    lent = threading.Event()
    user = in_thread(use)
    assert not lent.wait(0.2)
    gate.open()
    user.join(30)
    ahead.join(30)
    assert (lent.is_set(), loads, roomy.resident) == (True, ["second"], ("first", "second"))


def test_lease_of_something_else_stops_the_reading(roomy: PipelineManager, files: Files, monkeypatch: pytest.MonkeyPatch):
    gate = Gate(monkeypatch, files.second.path)
    with roomy.lease(files.first, None):
        ahead = in_thread(lambda: roomy.read_ahead(files.second, None))
        assert gate.reached.wait(30)
    threading.Timer(0.2, gate.open).start()
    with roomy.lease(files.third, None) as pipeline:
        assert_fresh(pipeline, files.third)
    ahead.join(30)
    assert "second" not in roomy.resident


def test_lent_checkpoint_is_lent_again_while_another_is_read_ahead(
    roomy: PipelineManager, files: Files, monkeypatch: pytest.MonkeyPatch
):
    with roomy.lease(files.first, None):
        pass
    gate = Gate(monkeypatch, files.second.path)
    ahead = in_thread(lambda: roomy.read_ahead(files.second, None))
    assert gate.reached.wait(30)
    with roomy.lease(files.first, None) as pipeline:
        assert_fresh(pipeline, files.first)
    gate.open()
    ahead.join(30)
    assert "second" in roomy.resident


def test_what_is_wrong_with_a_file_is_told_by_the_lease_alone(roomy: PipelineManager, files: Files, tmp_path: Path):
    missing = VaeInfo("missing", tmp_path / "missing.safetensors", 3)
    with roomy.lease(files.first, None):
        in_thread(lambda: roomy.read_ahead(files.broken, missing)).join(30)
    assert roomy.resident == ("first",)
    with pytest.raises(UnsupportedCheckpoint, match=r"broken\.safetensors has no"), roomy.lease(files.broken, None):
        pytest.fail("a pipeline was lent")


# ---- whatever happens

CHECKPOINTS = ("first", "second", "third", "small", "broken", "cut")
VAES = (None, "bright", "dark", "bad")
lendings = st.tuples(st.just("lease"), st.sampled_from(CHECKPOINTS), st.sampled_from(VAES))
readings = st.tuples(st.just("read ahead"), st.sampled_from(CHECKPOINTS), st.sampled_from(VAES))
others = st.sampled_from([("unload", "", None), ("make room", "", None)])


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a load takes too long to look for the shortest failure
)
@given(
    steps=st.lists(st.one_of(lendings, lendings, readings, others), min_size=2, max_size=7),
    limit=st.sampled_from([0, 5_000_000, 1 << 40]),
    eager=st.booleans(),
)
def test_whatever_is_lent_has_the_weights_of_a_fresh_load(
    steps: list[tuple[str, str, str | None]],
    limit: int,
    eager: bool,
    files: Files,
    small: CheckpointInfo,
    cut_short,
    tmp_path: Path,
):
    manager = PipelineManager(CPU, torch.float32, Budget(limit, eager))
    named = {info.name: info for info in (files.first, files.second, files.third, files.broken, files.bright, files.dark, small)}
    named["bad"] = VaeInfo("bad", tmp_path / "bad.safetensors", 3)
    for what, checkpoint, vae in steps:
        if checkpoint == "cut":
            path = write_tiny_checkpoint(tmp_path / "cut.safetensors", 9)
            named["cut"] = inspect_checkpoint(path, "cut")
            cut_short(path)
        wanted: Any = named.get(checkpoint), named[vae] if vae else None
        if what == "unload":
            manager.unload()
        elif what == "make room":
            manager.keep_only_lent()
        elif what == "read ahead":
            in_thread(lambda wanted=wanted: manager.read_ahead(*wanted)).join(30)
        elif vae == "bad" or checkpoint in ("broken", "cut"):
            before = manager.latest
            with pytest.raises(UnsupportedCheckpoint), manager.lease(*wanted):
                pytest.fail("a pipeline was lent")
            if before[0] is not None:
                still: Any = named[before[0]]
                own: Any = named[before[1]] if before[1] else None
                with manager.lease(still, own, lambda name, size: pytest.fail(f"{name} was loaded again")) as pipeline:
                    assert_fresh(pipeline, still, own)
        else:
            with manager.lease(*wanted) as pipeline:
                assert_fresh(pipeline, *wanted)
