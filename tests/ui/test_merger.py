"""The fields of the Checkpoint Merger are those that A1111's users know; what it would make is told before it is made."""

from __future__ import annotations

import json

import pytest

from tests.tiny import write_tiny_checkpoint
from webui.errors import ModelNotFound
from webui.ui import merger

FIRST = 1_000_000  # bytes: more than a tiny checkpoint has


@pytest.fixture
def two(services):
    folder = services.settings.models_dir / "Stable-diffusion"
    folder.mkdir(parents=True)
    write_tiny_checkpoint(folder / "a.safetensors", 1, metadata={"author": "one", "only": "a"})
    write_tiny_checkpoint(folder / "b.safetensors", 2, metadata={"author": "two"})
    services.catalog.refresh()
    return services


def values(**given) -> dict:
    defaults = {name: field["default"] for name, field in merger.describe().items()}
    return {**defaults, "vae": None, "metadata": {}, **given}


def test_labels_and_defaults_are_those_of_a1111():
    fields = {name: (field["label"], field["default"]) for name, field in merger.describe().items()}
    assert fields == {
        "primary": ("Primary (A)", ""),
        "secondary": ("Secondary (B)", ""),
        "tertiary": ("Tertiary (C)", ""),
        "name": ("Custom Name", ""),
        "multiplier": ("Multiplier (M)", 0.3),
        "method": ("Interpolation Method", "Weighted sum"),
        "half": ("Save as float16", False),
        "vae": ("Bake in VAE", ""),
        "discard": ("Discard weights with matching name", ""),
        "config_source": ("Copy config from", "A, B or C"),
        "save_metadata": ("Save metadata", True),
        "add_recipe": ("Add merge recipe metadata", True),
        "copy_metadata": ("Copy metadata from merged models", True),
        "metadata": ("Metadata in JSON format", "{}"),
    }


def test_each_method_says_how_many_checkpoints_it_takes():
    assert {value: taken for value, _, taken in merger.describe()["method"]["choices"]} == {
        "No interpolation": 1,
        "Weighted sum": 2,
        "Add difference": 3,
    }


def test_the_result_is_told_by_name_and_size(two):
    planned = merger.plan(two, values(primary="a", secondary="b"))
    assert planned["problem"] == ""
    assert planned["name"] == "0.7(a) + 0.3(b).safetensors"
    assert 0 < planned["size"] < FIRST


def test_a_merge_that_cannot_be_says_why(two):
    assert merger.plan(two, values())["problem"].startswith("Choose what is to be merged")
    assert "gone" in merger.plan(two, values(primary="a", secondary="gone"))["problem"]
    assert "secondary" in merger.plan(two, values(primary="a"))["problem"]


def test_metadata_of_the_chosen_files_with_the_first_ones_word_before_the_others(two):
    found = json.loads(merger.metadata_of(two, ["a", "b"]))
    assert (found["author"], found["only"]) == ("one", "a")
    assert json.loads(merger.metadata_of(two, ["b", "a"]))["author"] == "two"
    with pytest.raises(ModelNotFound):
        merger.metadata_of(two, ["gone"])
