import json
from functools import cache
from typing import Any

import gradio as gr
import pytest
from gradio.components import Component

from tests.ui.drawing import a_page
from webui.core.params import FieldSpec, params_of
from webui.core.request import SEED_LIMIT, GenerationRequest
from webui.ui.form import FIELDS, Form, collect, shown, stored_values, typed

SPECS = list(params_of(GenerationRequest).values())


@cache
def controls() -> dict[str, Component]:
    """Those of all fields, on one page: each page takes long."""
    form = Form("txt2img")
    with a_page():
        return {spec.name: form.draw(spec.name) for spec in SPECS}


def drawn(spec: FieldSpec) -> Any:
    return controls()[spec.name]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_field_is_drawn_with_its_label_range_and_choices(spec):
    component = drawn(spec)
    assert component.label == spec.param.label
    assert component.elem_id == f"txt2img_{spec.name}"
    assert component.value == shown(spec.name, spec.default)
    if isinstance(component, gr.Slider):
        assert (component.minimum, component.maximum) == (spec.param.low, spec.param.high)
        assert component.step == spec.param.step
    if spec.param.choices:
        assert isinstance(component, gr.Dropdown)
        assert [value for _, value in component.choices] == list(spec.param.choices)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_what_a_control_shows_of_a_default_comes_back_as_the_default(spec):
    payload = json.loads(json.dumps(shown(spec.name, spec.default)))
    assert typed(spec.name, payload) == spec.default


@pytest.mark.parametrize("name", ["seed", "variation_seed"])
@pytest.mark.parametrize("seed", [-1, 0, 2**53 + 1, SEED_LIMIT - 1])
def test_a_seed_is_text_and_keeps_every_digit(name, seed):
    assert isinstance(drawn(FIELDS[name]), gr.Textbox)
    assert shown(name, seed) == str(seed)
    assert typed(name, str(seed)) == seed


def test_what_may_be_left_out_or_has_a_wide_range_is_a_box_for_typing():
    boxes = {spec.name for spec in SPECS if isinstance(drawn(spec), gr.Number)}
    assert boxes == {
        "eta",
        "eta_noise_seed_delta",
        "sigma_churn",
        "sigma_tmax",
        "schedule_high",
        "schedule_rho",
        "hires_guidance_scale",
    }


@pytest.mark.parametrize(("name", "bad"), [("eta", 7), ("steps", 151), ("sampler", "Eulre")])
def test_a_control_that_gradio_makes_anew_for_a_visitor_still_leaves_judging_to_the_request(name, bad):
    control = drawn(FIELDS[name])
    anew = control.__class__(**control.constructor_args)
    assert anew.preprocess(bad) == bad
    assert anew.get_block_name() == type(control).mro()[1].__name__.lower()
    assert name in collect({name: bad})[1]


@pytest.mark.parametrize("payload", [None, ""])
def test_an_option_left_empty_is_left_to_the_sampler(payload):
    assert collect({"eta": payload}) == ({"eta": None}, {})


@pytest.mark.parametrize(("text", "seed"), [("", -1), (None, -1), (" 12 ", 12), ("−1", -1), ("abc", "abc"), ("1.5", "1.5")])
def test_seed_text_is_read_kindly_and_never_guessed(text, seed):
    assert typed("seed", text) == seed


def test_a_slider_out_of_range_reaches_the_request_instead_of_a_toast():
    slider = drawn(FIELDS["steps"])
    assert slider.preprocess(151) == 151
    assert slider.preprocess(None) is None


def test_every_wrong_field_gets_its_own_message():
    values, errors = collect({"width": 130, "steps": None, "seed": "abc", "guidance_scale": 4, "sampler": "Eulre"})
    assert values == {"guidance_scale": 4.0}
    assert set(errors) == {"width", "steps", "seed", "sampler"}
    assert "divisible by 8" in errors["width"]
    assert "“Euler”" in errors["sampler"]


def test_a_handlers_answer_changes_only_the_named_controls():
    form = Form("txt2img")
    with a_page():
        for name in ("prompt", "seed", "steps"):
            form.draw(name)
    updates = form.updates({"seed": SEED_LIMIT - 1})
    assert list(updates) == [form.components["seed"]]
    assert updates[form.components["seed"]]["value"] == str(SEED_LIMIT - 1)


def test_names_stand_in_the_order_in_which_gradio_hands_a_set_over():
    form = Form("txt2img")
    with a_page():
        for name in ("steps", "prompt", "seed"):
            form.draw(name)
    assert form.names == ["steps", "prompt", "seed"]


@pytest.mark.parametrize("text", [None, "", "null", "[]", "{broken", '"text"'])
def test_a_stored_form_that_is_no_form_is_none(text):
    assert stored_values(text) == {}


def test_of_a_stored_form_only_usable_values_are_taken():
    stored = json.dumps({"prompt": "cat", "steps": 999, "seed": str(SEED_LIMIT - 1), "gone": 1})
    assert stored_values(stored) == {"prompt": "cat", "seed": SEED_LIMIT - 1}
