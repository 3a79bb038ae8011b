import pytest

from webui.core import infotext
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.ui import transfer

REQUEST = GenerationRequest(
    prompt='a "red" heart, <b>bold</b>\nsecond line',
    negative_prompt="blue",
    checkpoint="starter",
    vae="None",
    sampler="Euler a",
    scheduler="Karras",
    steps=7,
    width=192,
    height=128,
    guidance_scale=4.5,
    seed=SEED_LIMIT - 1,
)


def test_every_value_of_a_picture_comes_back(services):
    taken = transfer.read(infotext.format(REQUEST), services.catalog)
    expected = REQUEST.to_dict() | {"vae": "Automatic"}
    # A picture does not know of its batch, nor of the picture that it was made from, nor of what leaves it as it is.
    unknown = {"batch_count", "batch_size", "source", "mask", "hires_source", "denoising_strength", "extras"}
    unknown |= {"tiled_vae", "encoder_tile", "decoder_tile"}
    assert taken.values == {name: value for name, value in expected.items() if name not in unknown}
    assert taken.remarks == []
    assert taken.checkpoint_here is True


def test_a_renamed_checkpoint_is_found_by_its_hash(services):
    info = services.catalog.find_checkpoint("starter")
    digest = services.catalog.sha256(info)
    if digest is None:
        services.catalog.hash_later(info)
        digest = wait_for_hash(services.catalog, info)
    text = infotext.format(GenerationRequest(checkpoint="former name"), {"Model hash": digest[:10]})
    assert transfer.read(text, services.catalog).values["checkpoint"] == "starter"


def wait_for_hash(catalog, info) -> str:
    import time

    deadline = time.monotonic() + 20
    while (digest := catalog.sha256(info)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return digest


@pytest.mark.parametrize("name", ["start", "starter2", "my starter"])
def test_a_checkpoint_of_a_similar_name_is_not_taken_for_it(services, name):
    taken = transfer.read(infotext.format(GenerationRequest(checkpoint=name)), services.catalog)
    assert "checkpoint" not in taken.values
    assert taken.checkpoint_here is False
    assert f"“{name}”" in taken.remarks[0]


def test_a_missing_vae_becomes_automatic_with_a_remark(services):
    taken = transfer.read(infotext.format(GenerationRequest(vae="lost.vae")), services.catalog)
    assert taken.values["vae"] == "Automatic"
    assert taken.vae_here is False
    assert "lost.vae" in " ".join(taken.remarks)


def test_entries_without_a_field_are_named(services):
    text = infotext.format(GenerationRequest(), {"Face restoration": "GFPGAN", "Hypertile U-Net": True})
    remark = " ".join(transfer.read(text, services.catalog).remarks)
    assert "Face restoration: GFPGAN" in remark
    assert "Hypertile U-Net: True" in remark


@pytest.mark.parametrize("size", ["100x512", "512x100", "99999x512"])
def test_of_a_size_that_cannot_be_used_neither_half_is_taken(services, size):
    text = infotext.format(GenerationRequest()).replace("Size: 512x512", f"Size: {size}")
    taken = transfer.read(text, services.catalog)
    assert {"width", "height"} & set(taken.values) == set()
    assert len(taken.remarks) == 1


def test_a_value_out_of_range_is_told_and_left_out(services):
    text = infotext.format(GenerationRequest()).replace("Steps: 20", "Steps: 900")
    taken = transfer.read(text, services.catalog)
    assert "steps" not in taken.values
    assert "900" in " ".join(taken.remarks)


def test_tags_call_renamed_loras_as_they_are_called_here(services):
    here = {"0123456789ab": "styles/ink v2", "aaaaaaaaaaaa": "oil"}
    text = "a <lora:ink:0.5> <lora:oil:1> <lora:lost:1>\nSteps: 4, Sampler: Euler, Seed: 1, Hires prompt: <lora:ink:1>, "
    text += 'Lora hashes: "ink: 0123456789ab, oil: aaaaaaaaaaaa, lost: bbbbbbbbbbbb"'
    taken = transfer.read(text, services.catalog, find_lora=here.get)
    assert taken.values["prompt"] == "a <lora:styles/ink v2:0.5> <lora:oil:1> <lora:lost:1>"
    assert taken.values["hires_prompt"] == "<lora:styles/ink v2:1>"
    assert not any("Lora hashes" in remark for remark in taken.remarks)
