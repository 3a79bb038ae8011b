from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.params import FieldSpec, params_of
from webui.core.plot_values import join_values, parse_values, split_values
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest

SPECS = params_of(GenerationRequest)
STEPS, CFG, SEED, SAMPLER = SPECS["steps"], SPECS["guidance_scale"], SPECS["seed"], SPECS["sampler"]
PROMPT, SWITCH = SPECS["prompt"], SPECS["discard_penultimate"]


@pytest.mark.parametrize(
    ("spec", "text", "values"),
    [
        (STEPS, "1, 2, 3", [1, 2, 3]),
        (STEPS, "1,,2,", [1, 2]),
        (STEPS, "1-5", [1, 2, 3, 4, 5]),
        (STEPS, "5-1", [5, 4, 3, 2, 1]),
        (STEPS, "1-10(+3)", [1, 4, 7, 10]),
        (STEPS, "1-9 (+ 3)", [1, 4, 7]),
        (STEPS, "10-1(-3)", [10, 7, 4, 1]),
        (STEPS, "1-10[5]", [1, 3, 5, 7, 10]),
        (STEPS, "20, 30-32", [20, 30, 31, 32]),
        (CFG, "1-5", [1.0, 2.0, 3.0, 4.0, 5.0]),
        (CFG, "1-2(+0.1)", [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]),
        (CFG, "1-2(+0.3)", [1.0, 1.3, 1.6, 1.9]),
        (CFG, "1-10[5]", [1.0, 3.25, 5.5, 7.75, 10.0]),
        (CFG, "7.5", [7.5]),
        (SEED, "18446744073709551615", [2**64 - 1]),
        (SEED, "-1, 5", [-1, 5]),
        (SAMPLER, "euler a, DPM++ 2M", ["Euler a", "DPM++ 2M"]),
        (PROMPT, 'red, "blue, dark", green', ["red", "blue, dark", "green"]),
        (PROMPT, "red,, blue", ["red", "", "blue"]),
        (SWITCH, "True, no", [True, False]),
    ],
)
def test_values_that_a_line_means(spec: FieldSpec, text: str, values: list[object]):
    found = parse_values(spec, text)
    assert found == values and [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("spec", "text", "told"),
    [
        (STEPS, "", "there are no values"),
        (STEPS, "x", "no number"),
        (STEPS, "1.5", "whole numbers"),
        (STEPS, "1-5(-1)", r"write 1-5\(\+1\)"),
        (STEPS, "1-5(+0)", "do not lead"),
        (STEPS, "0, 5", "between 1 and 150"),
        (SEED, "1-99999", "more than 10,000"),
        (CFG, "1-2[20000]", "more than 10,000"),
        (CFG, "nan", "finite"),
        (SAMPLER, "Eular", "Did you mean “Euler”"),
        (SWITCH, "perhaps", "neither True nor False"),
    ],
)
def test_what_is_no_value_is_refused_in_words(spec: FieldSpec, text: str, told: str):
    with pytest.raises(InvalidRequest, match=told) as caught:
        parse_values(spec, text)
    assert caught.value.field == spec.name


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12), min_size=2))
def test_any_list_of_items_survives_joining_and_splitting(items: list[str]):
    items = [item.strip() for item in items]
    assert split_values(join_values(items)) == items


@given(st.floats(1, 20), st.floats(1, 20), st.floats(0.05, 3))
def test_a_range_never_passes_its_end(low: float, high: float, step: float):
    low, high, step = (round(number, 3) for number in (min(low, high), max(low, high), step))
    values = parse_values(CFG, f"{low}-{high}(+{step})")
    assert values[0] == pytest.approx(low) and max(values) <= high + 1e-9 and high - max(values) < step + 1e-9  # pyright: ignore


@given(st.text(max_size=30))
def test_anything_typed_is_taken_or_refused(text: str):
    for spec in (STEPS, CFG, SAMPLER):
        with contextlib.suppress(InvalidRequest):
            assert all(type(value) is spec.kind for value in parse_values(spec, text))
