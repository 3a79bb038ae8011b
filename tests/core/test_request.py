import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.errors import InvalidRequest


@given(
    seed=st.integers(0, SEED_LIMIT - 1),
    steps=st.integers(1, 150),
    prompt=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=50),
)
def test_a_request_survives_json_exactly(seed, steps, prompt):
    request = GenerationRequest(prompt=prompt, seed=seed, steps=steps)
    assert GenerationRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_from_dict_refuses_a_name_that_is_no_field():
    with pytest.raises(InvalidRequest, match="cfg_scale") as caught:
        GenerationRequest.from_dict({"cfg_scale": 7})
    assert caught.value.field == "cfg_scale"


def test_picture_k_is_the_single_request_of_seed_plus_k_and_seeds_wrap():
    request = GenerationRequest(seed=SEED_LIMIT - 2, batch_count=2, batch_size=2)
    assert request.image_count == 4
    assert [request.single(index).seed for index in range(4)] == [SEED_LIMIT - 2, SEED_LIMIT - 1, 0, 1]
    assert request.single(3).image_count == 1


def test_a_request_cannot_be_changed():
    with pytest.raises(AttributeError):
        GenerationRequest().steps = 5  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance_scale": 4, "steps": 7},
        {"steps": 0, "guidance_scale": "much", "prompt": "a"},
        {"sampler": "Oiler"},
        {"extras": ()},
        {},
    ],
)
def test_changed_is_what_replace_makes_or_refuses(changes: dict):
    request = GenerationRequest(prompt="red heart", steps=9)

    def outcome(make):
        try:
            return make().to_dict()
        except InvalidRequest as error:
            return error.field, str(error)

    assert outcome(lambda: request.changed(changes)) == outcome(lambda: replace(request, **changes))
    assert request == GenerationRequest(prompt="red heart", steps=9)


def test_changed_keeps_numbers_of_one_kind_and_refuses_a_name_that_is_no_field():
    request = GenerationRequest().changed({"guidance_scale": 4})
    assert (request, type(request.guidance_scale)) == (GenerationRequest(guidance_scale=4), float)
    assert hash(request) == hash(GenerationRequest(guidance_scale=4))
    with pytest.raises(InvalidRequest, match="stepz"):
        request.changed({"stepz": 3})
