"""What scripts make of a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from webui.core.prompt_lines import PromptLines, read_options
from webui.core.prompt_matrix import PromptMatrix, matrix_titles
from webui.core.request import GenerationRequest
from webui.core.series import SCRIPTS, requests_of, script_of, scripts_of, to_dict
from webui.errors import InvalidRequest

BASE = GenerationRequest(prompt="a cat", negative_prompt="blurred", seed=7, steps=3, batch_count=2)


def prompts(script, request: GenerationRequest = BASE) -> list[str]:
    return [made.request.prompt for made in requests_of(script, request)]


def lines(*texts: str, **options) -> list[GenerationRequest]:
    base = replace(BASE, prompt="", negative_prompt="")
    return [made.request for made in requests_of(PromptLines(lines="\n".join(texts), **options), base)]


def test_a_matrix_has_every_choice_of_the_parts_that_may_be_left_out():
    request = replace(BASE, prompt="a busy city|illustration|  cinematic lighting")
    assert prompts(PromptMatrix(), request) == [
        "a busy city",
        "a busy city, illustration",
        "a busy city, cinematic lighting",
        "a busy city, illustration, cinematic lighting",
    ]
    assert prompts(PromptMatrix(at_start=True, joiner="space"), request)[-1] == "illustration cinematic lighting a busy city"


def test_a_matrix_of_the_negative_prompt_leaves_the_other_alone():
    made = requests_of(PromptMatrix(prompt="negative"), replace(BASE, negative_prompt="blurred|dark"))
    assert [each.request.negative_prompt for each in made] == ["blurred", "blurred, dark"]
    assert {each.request.prompt for each in made} == {"a cat"}


def test_the_pictures_of_a_matrix_are_single_and_have_one_seed_unless_told_otherwise():
    request = replace(BASE, prompt="a|b|c")
    same, other = (requests_of(PromptMatrix(vary_seeds=vary), request) for vary in (False, True))
    assert [each.request.seed for each in same] == [7] * 4
    assert [each.request.seed for each in other] == [7, 8, 9, 10]
    assert {each.request.image_count for each in same} == {1}


@pytest.mark.parametrize("prompt", ["a cat", "a" + "|b" * 11])
def test_a_matrix_of_nothing_or_of_too_much_is_refused(prompt: str):
    with pytest.raises(InvalidRequest) as told:
        requests_of(PromptMatrix(), replace(BASE, prompt=prompt))
    assert told.value.field == "prompt"


def test_each_line_is_a_prompt_and_empty_ones_are_passed_over():
    assert [made.prompt for made in lines("one", "", "  two  ")] == ["one", "two"]


def test_a_lines_prompt_stands_before_or_behind_the_forms():
    assert prompts(PromptLines(lines="red")) == ["red a cat"]
    assert prompts(PromptLines(lines="red", place="end")) == ["a cat red"]


def test_options_of_a_line_set_fields():
    [made] = lines(
        '--prompt "a dog" in the rain --negative_prompt dark --steps 9 --cfg_scale 4.5 --width 128 --height 192 --seed 5'
    )
    assert (made.prompt, made.negative_prompt) == ("a dog in the rain", "dark")
    assert (made.steps, made.guidance_scale, made.width, made.seed) == (9, 4.5, 128, 5)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('--sampler_name "Euler Karras" --prompt x', {"sampler": "Euler", "scheduler": "Karras"}),
        ("--sd_model first --n_iter 3 --batch_size 2 --prompt x", {"checkpoint": "first", "batch_count": 3, "batch_size": 2}),
        ("--subseed 4 --subseed_strength 0.5 --prompt x", {"variation_seed": 4, "variation_strength": 0.5}),
        ("--outpath_samples /x --restore_faces false --prompt x", {"prompt": "x"}),
    ],
)
def test_a1111s_names_of_options_are_known(line: str, wanted: dict):
    [made] = lines(line)
    assert {name: getattr(made, name) for name in wanted} == wanted


@pytest.mark.parametrize("line", ["a cat --nonsense 5", "a cat --steps 5", '--prompt "unclosed', "well -- what"])
def test_a_line_that_is_none_of_options_is_a_prompt(line: str):
    assert read_options(line) is None
    assert [made.prompt for made in lines(line)] == [line]


@pytest.mark.parametrize("line", ["--steps many", "--width 100000", "--restore_faces true", "--sampler_name Nonsense"])
def test_a_value_that_cannot_be_is_told_with_its_line(line: str):
    with pytest.raises(InvalidRequest, match=r"^Line 2: ") as told:
        lines("fine", line)
    assert told.value.field == "lines"


def test_seeds_go_on_by_the_number_of_pictures_where_asked_for():
    assert [made.seed for made in lines("a", "b", "c", iterate_seeds=True)] == [7, 9, 11]
    assert [made.seed for made in lines("a", "b")] == [7, 7]


def test_pictures_of_a_line_are_not_saved_where_it_says_so():
    made = requests_of(PromptLines(lines="--prompt a --do_not_save_samples true"), BASE)
    assert [each.save for each in made] == [False]


def test_styles_of_a_line_are_put_in():
    def with_styles(request: GenerationRequest, names) -> GenerationRequest:
        return replace(request, prompt=f"{request.prompt}, {'+'.join(names)}")

    [made] = requests_of(PromptLines(lines="--prompt a --styles ink,night"), replace(BASE, prompt=""), with_styles)
    assert made.request.prompt == "a, ink+night"


def test_no_lines_are_refused():
    with pytest.raises(InvalidRequest, match="no prompts"):
        requests_of(PromptLines(lines=" \n "), BASE)


@pytest.mark.parametrize("values", [{}, {"script": "None"}, {"script": None}])
def test_without_a_script_there_is_none(values: dict):
    assert script_of(values) is None


@pytest.mark.parametrize("values", [{"script": "Dance"}, {"script": "Prompt matrix", "edges": 5}])
def test_an_unknown_script_or_option_is_named(values: dict):
    with pytest.raises(InvalidRequest):
        script_of(values)


def test_a_script_survives_json_and_those_of_pictures_are_listed_where_there_is_one():
    for name, kind in SCRIPTS.items():
        assert script_of(to_dict(kind())) == kind(), name
    assert scripts_of("txt2img") == ["Prompt matrix", "Prompts from file or textbox"]
    assert scripts_of("img2img")[2:] == ["Loopback", "SD upscale"]


def test_the_grid_of_a_matrix_has_the_first_half_of_the_parts_across():
    request = replace(BASE, prompt="city|ink|night|rain")
    columns, rows = matrix_titles(PromptMatrix(), request)
    assert columns == ("–", "ink", "night", "ink\nnight") and rows == ("–", "rain")
    made = prompts(PromptMatrix(), request)
    assert made[2 + 1 * len(columns)] == "city, night, rain"
    assert matrix_titles(PromptMatrix(), replace(BASE, prompt="a|b")) == (("–", "b"), ("",))
