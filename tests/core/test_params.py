import pytest

from webui.core.params import params_of, suggest
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest

SPECS = params_of(GenerationRequest)
RANGED = [spec for spec in SPECS.values() if spec.param.low is not None]


@pytest.mark.parametrize("spec", RANGED, ids=lambda spec: spec.name)
def test_every_ranged_field_takes_its_ends_and_refuses_what_lies_beyond(spec):
    low, high = spec.kind(spec.param.low), spec.kind(spec.param.high)
    step = spec.param.multiple_of or 1
    for value in (low, high):
        assert getattr(GenerationRequest.from_dict({spec.name: value}), spec.name) == value
    for value in (low - step, high + step):
        with pytest.raises(InvalidRequest, match=str(value).replace(".", r"\.")) as caught:
            GenerationRequest.from_dict({spec.name: value})
        assert caught.value.field == spec.name


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_every_field_refuses_values_of_another_type_by_name(spec):
    wrong = b"bytes" if spec.kind is str else "12"
    with pytest.raises(InvalidRequest) as caught:
        GenerationRequest.from_dict({spec.name: wrong})
    assert caught.value.field == spec.name
    assert spec.param.label in str(caught.value)


def test_true_is_no_number():
    with pytest.raises(InvalidRequest, match="whole number"):
        GenerationRequest(steps=True)


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_text_with_nul_or_half_a_surrogate_is_refused_with_its_place(name):
    with pytest.raises(InvalidRequest, match="NUL character at position 3"):
        GenerationRequest.from_dict({name: "ab\0c"})
    with pytest.raises(InvalidRequest, match="surrogate"):
        GenerationRequest.from_dict({name: "a\ud800"})


def test_a_prompt_of_50_kb_is_refused_with_its_length_and_the_limit():
    with pytest.raises(InvalidRequest, match=r"51,200 characters long; at most 20,000"):
        GenerationRequest(prompt="x" * 51_200)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_must_be_finite(value):
    with pytest.raises(InvalidRequest, match="finite"):
        GenerationRequest(guidance_scale=value)


def test_a_size_off_the_raster_names_the_nearest_ones():
    with pytest.raises(InvalidRequest, match="100; it must be divisible by 8, for example 96 or 104"):
        GenerationRequest(width=100)


def test_an_unknown_choice_suggests_the_nearest():
    with pytest.raises(InvalidRequest, match="Did you mean “Euler a”"):
        GenerationRequest(sampler="euler A2")


def test_suggest_lists_the_first_few_where_nothing_is_near():
    assert suggest("zzz", ("alpha", "beta")) == "Known are “alpha”, “beta”."
    assert suggest("zzz", ()) == "There is none."


def test_an_integer_guidance_scale_becomes_a_float_so_that_equal_requests_are_equal():
    assert GenerationRequest(guidance_scale=7) == GenerationRequest(guidance_scale=7.0)
    assert type(GenerationRequest(guidance_scale=7).guidance_scale) is float
