from __future__ import annotations

import json

import pytest

from webui.library.header_facts import MOST_TAGS, header_facts

KOHYA = {
    "ss_output_name": "Ink",
    "ss_sd_model_name": "v1-5-pruned.safetensors",
    "ss_network_dim": "32",
    "ss_network_alpha": "16.0",
    "ss_num_epochs": "10",
    "ss_epoch": "8",
    "ss_resolution": "(512, 768)",
    "ss_num_train_images": "40",
    "ss_clip_skip": "None",
    "ss_training_finished_at": "1700000000.5",
    "ss_tag_frequency": json.dumps({"5_ink": {"ink ": 40, "girl": 12}, "1_more": {"girl": 30, "ink": 1, "x": "no number"}}),
}


def test_what_kohyas_trainer_wrote_is_told_in_words():
    told = header_facts(KOHYA)
    facts = dict(told.facts)
    assert facts["base"] == "v1-5-pruned.safetensors"
    assert (facts["rank"], facts["alpha"], facts["epochs"], facts["pictures"]) == ("32", "16.0", "8", "40")
    assert (facts["resolution"], facts["trained"]) == ("512×768", "2023-11-14")
    assert "clip_skip" not in facts
    assert told.tags == (("girl", 42), ("ink", 41))


def test_the_most_frequent_buckets_tell_the_resolution():
    buckets = {str(place): {"resolution": [size, 512], "count": size} for place, size in enumerate((448, 512, 576, 640))}
    facts = dict(header_facts({"ss_bucket_info": json.dumps({"buckets": buckets})}).facts)
    assert facts["resolution"] == "640×512, 576×512, 512×512"


def test_modelspec_tells_what_kohyas_keys_do_not():
    told = {
        "modelspec.title": "Ink",
        "modelspec.resolution": "1024x1024",
        "modelspec.trigger_phrase": "ink",
        "modelspec.date": "2024-05-06T1",
    }
    assert header_facts(told).facts == (
        ("title", "Ink"),
        ("trigger", "ink"),
        ("resolution", "1024×1024"),
        ("trained", "2024-05-06"),
    )


def test_a_merged_model_tells_what_it_was_merged_from():
    recipe = {"primary_model_hash": "a" * 64, "secondary_model_hash": "b" * 64, "tertiary_model_hash": None}
    recipe |= {"interp_method": "Weighted sum", "multiplier": 0.3}
    models = {"a" * 64: {"name": "first.safetensors"}}
    told = {"sd_merge_recipe": json.dumps(recipe), "sd_merge_models": json.dumps(models)}
    assert dict(header_facts(told).facts) == {"merged": "first.safetensors + bbbbbbbbbb (Weighted sum, 0.3)"}
    alone = {"sd_merge_recipe": json.dumps({"primary_model_hash": "a" * 64, "interp_method": "No interpolation"})}
    assert dict(header_facts(alone).facts) == {"merged": "aaaaaaaaaa"}
    assert header_facts({"modelspec.merged_from": "None"}).facts == ()
    assert dict(header_facts({"modelspec.merged_from": "first, second"}).facts) == {"merged": "first, second"}


@pytest.mark.parametrize("text", ["", "no json", "[]", "3", '{"a": 3}', '{"a": {"b": []}}', "[" * 100_000])
def test_metadata_that_makes_no_sense_tell_nothing(text: str):
    metadata = dict.fromkeys(("ss_tag_frequency", "ss_bucket_info", "sd_merge_recipe"), text)
    metadata |= {"ss_training_finished_at": "1e999"}
    assert header_facts(metadata).tags == ()
    assert header_facts(metadata).facts == ()


def test_no_more_tags_are_told_than_a_page_shows():
    assert (
        len(header_facts({"ss_tag_frequency": json.dumps({"a": {str(number): number for number in range(5_000)}})}).tags)
        == MOST_TAGS
    )


def test_an_architecture_is_no_base_model():
    told = {"modelspec.architecture": "stable-diffusion-v1/lora", "ss_base_model_version": "sd_v1"}
    assert dict(header_facts(told).facts) == {"base": "sd_v1", "architecture": "stable-diffusion-v1/lora"}
    assert dict(header_facts({"modelspec.architecture": "stable-diffusion-v1"}).facts) == {"architecture": "stable-diffusion-v1"}
