"""Plots: what their axes mean, the request of each cell, the order and what it shares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from webui.core.plot_axis_list import A1111_AXES, axis_types
from webui.core.plot_cells import Expanded, InvalidAxes, expand, settled
from webui.core.plot_forecast import Rates, estimate
from webui.core.plot_plan import idle_axes, plan, sample_of
from webui.core.request import GenerationRequest
from webui.core.stage_keys import first_pass_key, latents_key, names
from webui.core.styles import Style
from webui.core.xyz import MAX_CELLS, Axis, PlotRequest, extended, grid_facts
from webui.errors import InvalidRequest

STYLES = (Style("Ink", "ink drawing", "photo"), Style("Oil, thick", "{prompt} in oil"))
TYPES = axis_types(checkpoints=("one", "two", "sub/three"), vaes=("bright", "dark"), styles=STYLES)
BASE = GenerationRequest(prompt="a red cat", negative_prompt="blue dog", checkpoint="one", seed=5, width=64, height=64, steps=4)


def expanded(*axes: tuple[str, object], **others: object) -> Expanded:
    given = tuple(Axis(name, values) for name, values in axes)  # pyright: ignore[reportArgumentType]
    base = others.pop("base", BASE)
    return expand(PlotRequest(base=base, axes=given, **others), TYPES)  # pyright: ignore[reportArgumentType]


def requests(found: Expanded) -> list[GenerationRequest]:
    made = [cell.request for cell in found.cells]
    assert all(request is not None for request in made), [cell.error for cell in found.cells]
    return made  # pyright: ignore[reportReturnType]


def errors(*axes: tuple[str, object], **others: object) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidAxes) as caught:
        expanded(*axes, **others)
    return [(error.axis, error.field, error.message) for error in caught.value.errors]


# ---- axes


def test_every_name_of_a1111_that_has_a_field_is_there_and_comes_first():
    missing = {"Face restore", "Token merging ratio", "Token merging ratio high-res", "Refiner checkpoint"}
    missing |= {"Refiner switch at"}
    wanted = [name for name, _, _ in A1111_AXES if name not in missing - TYPES.keys()]
    assert list(TYPES)[: len(wanted)] == wanted


def test_other_fields_are_axes_by_their_label():
    assert TYPES["Hires CFG Scale"].field == "hires_guidance_scale"
    assert TYPES["Width"].kind == "int"
    assert TYPES["Emphasis mode"].choices == ("Original", "No norm", "Ignore", "None")
    assert not {"source", "mask", "batch_size"} & {axis.field for axis in TYPES.values()}


@pytest.mark.parametrize("name", TYPES)
def test_every_axis_reads_a_value_and_changes_the_request_with_it(name: str):
    axis = TYPES[name]
    spec = axis.spec
    low = spec.param.low if spec and spec.param.low is not None else 1
    typed = {"int": f"{low:g}", "float": f"{low:g}", "bool": "true", "text": "red", "none": ""}
    typed["choice"] = (axis.choices or ("x",))[-1].join('""')
    text = {"Size": "64x128", "Prompt order": "red, cat", "Negative prompt S/R": "blue, green"}.get(name, typed[axis.kind])
    base = replace(BASE, prompt=f"{BASE.prompt} <lora:ink:1>")
    found = expand(PlotRequest(base=base, axes=(Axis("Steps", "3"), Axis(name if name != "Steps" else "Nothing", text))), TYPES)
    assert len(requests(found)) == found.shape[1]


def test_prompt_sr_replaces_the_first_value_in_both_prompts():
    base = GenerationRequest(prompt="a cat", negative_prompt="no cat")
    made = requests(expanded(("Prompt S/R", "cat, dog, "), base=base))
    assert [(each.prompt, each.negative_prompt) for each in made] == [("a cat", "no cat"), ("a dog", "no dog"), ("a ", "no ")]


def test_a_lora_axis_replaces_the_first_tag_adds_one_or_takes_it_out():
    base = replace(BASE, prompt="a cat <lora:ink:0.5:1:dyn=4><lora:oil:1>")
    made = requests(expanded(("LoRA", "sketch, None"), base=base))
    assert [each.prompt for each in made] == ["a cat <lora:sketch:0.5:1:dyn=4><lora:oil:1>", "a cat <lora:oil:1>"]
    assert requests(expanded(("LoRA", "ink")))[0].prompt == "a red cat <lora:ink:1>"


def test_a_lora_is_picked_from_the_list_in_any_case():
    axis = axis_types(loras=("Ink", "v2/oil"))["LoRA"]
    assert axis.choices == ("None", "Ink", "v2/oil")
    assert axis.parse("ink, none, V2/OIL") == ["Ink", "None", "v2/oil"]
    with pytest.raises(InvalidRequest, match=r"There is no LoRA “Inc”. Did you mean “Ink”\?"):
        axis.parse("Inc")


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [("LoRA", "ink, none", ("Ink", "None")), ("Hires upscaler", "latent, LANCZOS", ("Latent", "Lanczos"))],
)
def test_names_in_any_case_stay_those_of_the_list_where_there_is_no_list_any_more(name: str, typed: str, meant: tuple[str, ...]):
    plot = settled(PlotRequest(base=BASE, axes=(Axis(name, typed),)), axis_types(loras=("Ink",)), lambda: 1)
    [reading] = expand(plot, axis_types(find_upscaler=str)).readings
    assert (reading.values, plot.axes[0].text) == (meant, typed)


def test_lora_weights_go_with_names_and_stay_what_else_the_tag_says():
    base = replace(BASE, prompt="<lora:ink:0.5:1:hr=0:te=1> a cat")
    made = requests(expanded(("LoRA weight", "0-1 (+0.5)"), ("LoRA", "ink, oil"), base=base))
    assert [each.prompt for each in made] == [
        f"<lora:{name}:{weight}:hr=0> a cat" for name in ("ink", "oil") for weight in ("0", "0.5", "1")
    ]


def test_a_weight_without_a_tag_is_told_in_the_cell():
    [cell] = expanded(("LoRA weight", "1")).cells
    assert cell.request is None
    assert "there is no <lora:…> in the prompt" in cell.error


def test_prompt_sr_without_its_text_in_the_prompt_is_told_at_the_axis():
    [(axis, field, message)] = errors(("Steps", "3"), ("Prompt S/R", "horse, cow"))
    assert (axis, field) == (1, "values")
    assert "“horse” is not in the prompt" in message


def test_a_second_prompt_sr_may_replace_what_the_first_brought():
    made = requests(expanded(("Prompt S/R", "cat, horse"), ("Prompt S/R", "red, green")))
    assert [each.prompt for each in made] == ["a red cat", "a red horse", "a green cat", "a green horse"]


def test_negative_prompt_sr_leaves_the_prompt_alone():
    made = requests(
        expanded(
            ("Negative prompt S/R", "dog, red cat"),
        )
    )
    assert [each.negative_prompt for each in made] == ["blue dog", "blue red cat"]
    assert {each.prompt for each in made} == {"a red cat"}


def test_prompt_order_puts_the_texts_in_every_order_at_their_places():
    made = requests(expanded(("Prompt order", "red, cat")))
    assert [each.prompt for each in made] == ["a red cat", "a cat red"]


def test_styles_are_put_in_after_texts_are_replaced():
    made = requests(expanded(("Styles", ["None", "Ink", "Oil, thick"]), ("Prompt S/R", "cat, in")))
    assert made[1].prompt == "a red cat, ink drawing"
    assert made[4].prompt == "a red in, ink drawing"
    assert made[2].prompt == "a red cat in oil"


def test_size_changes_both_sides_and_unipc_order_stays_below_the_steps():
    assert [(each.width, each.height) for each in requests(expanded(("Size", "64x128, 96×64")))] == [(64, 128), (96, 64)]
    made = requests(expanded(("UniPC Order", "1-3"), ("Steps", "2")))
    assert [each.unipc_order for each in made] == [1, 1, 1]


def test_labels_are_numbers_with_their_axis_and_names_alone():
    found = expanded(("CFG Scale", "5, 7.5"), ("Checkpoint name", ["sub/three", "two"]), ("Nothing", ""))
    assert found.labels == (("CFG Scale: 5", "CFG Scale: 7.5"), ("three", "two"), ("",))


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([("Stepz", "1")], (0, "type", "Did you mean “Steps”")),
        ([("Steps", "")], (0, "values", "no values")),
        ([("Steps", "5, 200")], (0, "values", "between 1 and 150")),
        ([("Checkpoint name", "onne")], (0, "values", "Did you mean “one”?")),
        ([("Sampler", "Euler b")], (0, "values", "Euler")),
        ([("Styles", "Inc")], (0, "values", "Did you mean “Ink”")),
        ([("Size", "12")], (0, "values", "512x768")),
        ([("Nothing", "")], (0, "type", "choose what X is to be")),
        ([("Steps", "1-3"), ("Steps", "4")], (1, "type", "is the axis X already")),
        ([("Prompt order", "a,b,c,d,e,f,g,h")], (0, "values", "too many orders")),
        ([("Seed", f"1-{MAX_CELLS // 2}"), ("Steps", "1-3")], (0, "values", "cells are more than")),
    ],
)
def test_what_cannot_be_plotted_is_told_at_its_field(axes: list[tuple[str, object]], expected: tuple[int, str, str]):
    [(axis, field, message)] = errors(*axes)
    assert (axis, field) == expected[:2]
    assert expected[2] in message


def test_all_wrong_axes_are_told_at_once():
    assert [(axis, field) for axis, field, _ in errors(("Stepz", "1"), ("Steps", "x"))] == [(0, "type"), (1, "values")]


def test_a_value_that_is_wrong_in_one_cell_only_fails_that_cell():
    base = GenerationRequest(prompt="a red cat", steps=4)
    found = expanded(("Prompt S/R", "red, cat"), ("Prompt order", "red, cat"), base=base)
    assert [cell.request is None for cell in found.cells] == [False, True, False, True]
    assert "is not in the prompt" in found.cells[1].error


# ---- seeds


def test_open_seeds_are_drawn_once_for_the_whole_plot():
    drawn = iter(range(100, 200))
    plot = PlotRequest(base=GenerationRequest(), axes=(Axis("Seed", "-1, 7, -1"), Axis("Steps", "2, 3")))
    fixed = settled(plot, TYPES, lambda: next(drawn))
    made = requests(expand(fixed, TYPES))
    assert [each.seed for each in made] == [100, 7, 101] * 2
    assert fixed.axes[0].text == "-1, 7, -1"
    assert fixed.base.seed == 102
    assert grid_facts(fixed) == {
        "Script": "X/Y/Z plot", "X Type": "Seed", "X Values": "-1, 7, -1", "Fixed X Values": "100, 7, 101",
        "Y Type": "Steps", "Y Values": "2, 3",
    }  # fmt: skip


def test_seeds_may_stay_open():
    plot = PlotRequest(base=GenerationRequest(), axes=(Axis("Seed", "-1, 7"),), keep_random=True)
    assert [each.seed for each in requests(expand(settled(plot, TYPES, lambda: 1), TYPES))] == [-1, 7]


def test_varied_seeds_count_along_their_axes():
    found = expanded(("Steps", "1-2"), ("CFG Scale", "1-3"), ("Nothing", ""), vary_seeds=(True, True, False))
    assert [each.seed for each in requests(found)] == [5, 6, 7, 8, 9, 10]
    found = expanded(("Steps", "1-2"), ("CFG Scale", "1-3"), vary_seeds=(False, True))
    assert [each.seed for each in requests(found)] == [5, 5, 6, 6, 7, 7]


# ---- the whole


def test_a_plot_comes_back_from_its_json():
    plot = PlotRequest(
        base=BASE, axes=(Axis("Seed", "1, -1", "1, 9"), Axis("Styles", ("Ink",))), margin=4, vary_seeds=(True,), styles=STYLES
    )
    assert PlotRequest.from_dict(plot.to_dict()) == plot


def test_cells_are_numbered_with_x_running_fastest():
    found = expanded(("Steps", "1-2"), ("Nothing", ""), ("Seed", "1-3"))
    assert [cell.index for cell in found.cells][:3] == [(0, 0, 0), (1, 0, 0), (0, 0, 1)]
    assert [cell.number for cell in found.cells] == list(range(6))
    assert found.cell((1, 0, 2)).number == 5


def test_adding_values_leaves_the_cells_that_are_there():
    before = PlotRequest(base=BASE, axes=(Axis("Steps", "1-2"), Axis("CFG Scale", ("5", "7"))))
    after = expand(extended(before, 1, "9"), TYPES)
    assert after.shape == (2, 3)
    assert all(after.cell(cell.index).request == cell.request for cell in expand(before, TYPES).cells)


# ---- the plan


def test_each_checkpoint_and_vae_has_its_turn_once():
    found = expanded(("Checkpoint name", "one, two, sub/three"), ("Sampler", "Euler, Heun"), ("VAE", "bright, dark"))
    planned = plan(found)
    order = [(found.cells[number].request.checkpoint, found.cells[number].request.vae) for number in planned.order]  # pyright: ignore[reportOptionalMemberAccess]
    assert [pair for pair, before in zip(order, [None, *order], strict=False) if pair != before] == list(planned.vaes)
    assert (len(planned.loads), len(planned.vaes), planned.texts, planned.samplings) == (3, 6, 6, 6)
    assert "3 model loads" in planned.words


def test_cells_of_a_vae_axis_share_their_sampling():
    planned = plan(expanded(("VAE", "None, bright, dark"), ("Seed", "1-2")))
    assert (planned.samplings, len(planned.order)) == (2, 6)
    assert sum(bool(work.passes) for work in planned.work) == 2


def test_cells_with_a_second_pass_share_the_first():
    base = GenerationRequest(prompt="a", hires=True, seed=1)
    planned = plan(expanded(("Hires upscaler", "Latent, Lanczos, Nearest"), ("Denoising", "0.3, 0.5"), base=base))
    assert (planned.first_passes, planned.samplings) == (1, 6)


def test_a_plot_that_is_too_large_is_judged_by_cells_from_all_over():
    found = expanded(("Seed", "1-100"), ("Checkpoint name", "one, two, sub/three"), ("Steps", "1-20"))
    cells = sample_of(found, 500)
    assert 300 < len(cells) <= 500
    assert {cell.index[1] for cell in cells} == {0, 1, 2}
    assert len({cell.index[2] for cell in cells}) == 20
    assert all(found.cell(cell.index) == cell for cell in cells[:10])


def test_what_reaches_a_stage_is_in_its_key():
    hires = GenerationRequest(seed=1, hires=True)
    assert first_pass_key(hires) == latents_key(GenerationRequest(seed=1, vae="bright"))
    pixels = GenerationRequest(seed=1, hires=True, hires_upscaler="Lanczos", vae="a")
    assert names(latents_key(pixels), "vae", pixels)
    assert not names(first_pass_key(pixels), "vae", pixels)
    source = GenerationRequest(seed=1, source="0" * 64, vae="a", denoising_strength=0.5)
    assert names(latents_key(source), "vae", source)
    assert names(latents_key(source), "denoising_strength", source)
    plain = GenerationRequest(vae="a")
    assert [names(latents_key(plain, encodes=encodes), "vae", plain) for encodes in (False, True)] == [False, True]
    assert latents_key(GenerationRequest(steps=3)) != latents_key(GenerationRequest(steps=4))


def test_what_a_second_pass_would_be_told_reaches_no_picture_that_has_a_source():
    source = GenerationRequest(seed=1, source="0" * 64, hires=True)
    assert first_pass_key(source) == latents_key(source) == latents_key(GenerationRequest(seed=1, source="0" * 64, hires=False))
    assert first_pass_key(source) != first_pass_key(GenerationRequest(seed=1, source="1" * 64, hires=True))


def test_axes_that_change_nothing_are_found():
    found = expanded(("Hires upscaler", "Latent, Lanczos"), ("VAE", "bright, dark"), ("Var. seed", "1-3"), ("Steps", "3"))
    assert idle_axes(found) == [0, 2]
    assert idle_axes(expanded(("Hires upscaler", "Latent, Lanczos"), base=GenerationRequest(seed=1, hires=True))) == []


def test_the_checkpoints_of_second_passes_and_refiners_are_loaded_too():
    base = GenerationRequest(prompt="a", checkpoint="one", hires=True)
    found = expanded(("Hires checkpoint", "two, sub/three"), ("Seed", "1, 2"), base=base)
    planned = plan(found)
    assert planned.loads == ("one", "two", "sub/three")
    assert [found.cells[number].index[0] for number in planned.order] == [0, 0, 1, 1]


def test_the_time_follows_the_work_and_says_how_sure_it_is():
    found = expanded(("Steps", "2, 4"), ("CFG Scale", "7"))
    planned = plan(found)
    assert estimate(planned.work, Rates()).seconds is None
    [sampled] = planned.work[0].passes
    rates = Rates({sampled.kind: 10.0}, {planned.work[0].ending: 1.0}, load=2.0, overhead=0.25)
    foreseen = estimate(planned.work, rates)
    units, pixels = 6 * 2 * 64 * 64 / 1e6, 2 * 64 * 64 / 1e6
    assert foreseen.seconds == pytest.approx(2 + 10 * units + pixels + 2 * 0.25)
    assert estimate(planned.work, rates, times=3).seconds == pytest.approx(2 + 3 * (10 * units + pixels + 2 * 0.25))
    assert 0 < (foreseen.uncertainty or 0) < (foreseen.seconds or 0)
    assert foreseen.bytes == round(2 * 64 * 64 * 1.5 * 2)
