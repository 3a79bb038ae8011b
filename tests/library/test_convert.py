from __future__ import annotations

import collections
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.library.weights import weights
from webui.errors import TaskFailed
from webui.library.convert import convert, main


def quietly(source: Path, target: Path) -> int:
    return convert(source, target, lambda fraction, text: None)


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def everything() -> dict[str, torch.Tensor]:
    return {
        **weights(0),
        "half": torch.randn(3, 4).half(),
        "brain": torch.randn(5).bfloat16(),
        "eight": torch.randn(6).to(torch.float8_e4m3fn),
        "double": torch.randn(2, dtype=torch.float64),
        "scalar": torch.tensor(3),
        "empty": torch.empty(0, 3),
        "transposed": torch.randn(3, 5).T,
        "mask": torch.tensor([True, False]),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap", [lambda t: t, lambda t: {"state_dict": t, "global_step": 3, "epoch": 1}, lambda t: {"params_ema": t}]
)
def test_every_tensor_keeps_its_name_type_and_numbers(tmp_path: Path, zipped: bool, wrap):
    tensors = everything()
    if not zipped:
        del tensors["eight"]  # younger than the old form of files, which cannot hold it
    source = saved(tmp_path / "model.ckpt", wrap(tensors), _use_new_zipfile_serialization=zipped)
    target = tmp_path / "model.safetensors"
    assert quietly(source, target) == len(tensors)
    written = load_file(target)
    assert set(written) == set(tensors)
    for name, tensor in tensors.items():
        assert written[name].dtype == tensor.dtype
        assert torch.equal(written[name].float(), tensor.float()), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ckpt", "model.safetensors"]


def test_the_training_state_of_the_first_stable_diffusion_files_is_no_obstacle(tmp_path: Path):
    module = type(sys)("pytorch_lightning.callbacks.model_checkpoint")
    kind = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = kind  # pyright: ignore[reportAttributeAccessIssue]
    names = ("pytorch_lightning", "pytorch_lightning.callbacks", module.__name__)
    for name in names:
        sys.modules[name] = module
    try:
        source = saved(tmp_path / "sd-v1-4.ckpt", {"state_dict": {"a": torch.ones(2)}, "callbacks": {kind: {"best": 1}}})
    finally:
        for name in names:
            del sys.modules[name]
    assert quietly(source, tmp_path / "out.safetensors") == 1


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path: Path, zipped: bool):
    mark = tmp_path / "it ran"
    content = {"state_dict": {"a": torch.ones(2), "b": _Bomb(mark)}}
    source = saved(tmp_path / "bomb.ckpt", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(TaskFailed, match=r"bomb\.ckpt is refused: it asks for code to be run.*mkdir"):
        quietly(source, tmp_path / "out.safetensors")
    assert not mark.exists()
    assert not (tmp_path / "out.safetensors").exists()


def test_a_bare_pickle_bomb_is_refused_too(tmp_path: Path):
    mark = tmp_path / "it ran"
    source = tmp_path / "bomb.pt"
    source.write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(TaskFailed, match=r"bomb\.pt is"):
        quietly(source, tmp_path / "out.safetensors")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"a": torch.ones(1), "b": "text"}, "“b” is of type str"),
        ({"a": torch.ones(1), 3: torch.ones(1)}, "“3” is of type Tensor"),
        ([torch.ones(1)], "no table of weights but list"),
        (torch.ones(3), "no table of weights but Tensor"),
        ({}, "no table of weights"),
        (collections.OrderedDict(a={"deep": torch.ones(1)}), "“a” is of type dict"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "safetensors files cannot hold"),
        ({"a": torch.ones(1).expand(2**30)}, "promises"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_plain_tensors_is_refused(tmp_path: Path, content: Any, problem: str):
    source = saved(tmp_path / "odd.ckpt", content)
    with pytest.raises(TaskFailed, match=r"odd\.ckpt|cannot hold") as error:
        quietly(source, tmp_path / "out.safetensors")
    assert problem in str(error.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_sparse_tensors_are_refused(tmp_path: Path):
    sparse = torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (3,), check_invariants=True)
    with pytest.raises(TaskFailed, match=r"cannot hold|no readable"):
        quietly(saved(tmp_path / "odd.ckpt", {"a": sparse}), tmp_path / "out.safetensors")


def _cut(path: Path) -> None:
    saved(path, weights(0))
    os.truncate(path, path.stat().st_size // 2)


def _not_torch(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


@pytest.mark.parametrize("write", [_cut, _not_torch, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"hello")])
def test_a_damaged_file_is_named(tmp_path: Path, write):
    source = tmp_path / "broken.ckpt"
    write(source)
    with pytest.raises(TaskFailed, match=r"broken\.ckpt is"):
        quietly(source, tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.ckpt"]


def test_an_existing_file_is_not_replaced(tmp_path: Path):
    source = saved(tmp_path / "a.ckpt", weights(0))
    (tmp_path / "a.safetensors").write_text("mine")
    with pytest.raises(TaskFailed, match="is there already"):
        quietly(source, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_text() == "mine"


def test_it_works_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, target = saved(tmp_path / "a.pt", {"a": torch.ones(2)}), tmp_path / "b.safetensors"
    assert main([str(source), str(target)]) == 0
    assert "1 tensors written" in capsys.readouterr().out
    assert main([str(tmp_path / "gone.pt"), str(tmp_path / "c.safetensors")]) == 1
    assert "gone.pt" in capsys.readouterr().err
    assert main(["one"]) == 2


def test_the_help_of_the_module_is_its_usage():
    run = subprocess.run([sys.executable, "-m", "webui.library.convert", "x"], capture_output=True, text=True)
    assert (run.returncode, "usage:" in run.stderr) == (2, True)
