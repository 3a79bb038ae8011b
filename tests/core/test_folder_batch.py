"""What each picture of a batch takes from its own metadata."""

from __future__ import annotations

from webui.core.folder_batch import FolderBatch
from webui.core.request import GenerationRequest

TOLD = (
    "a boat\nNegative prompt: fog\n"
    "Steps: 9, Sampler: Heun, Schedule type: Karras, CFG scale: 3, Seed: 77, Model hash: abc, Model: sea"
)
FORM = GenerationRequest(prompt="oil painting", negative_prompt="text", steps=4, seed=5)


def test_prompts_are_put_behind_the_forms_and_settings_take_their_place():
    made, model = FolderBatch(png_info=True).with_settings(FORM, TOLD)
    assert (made.prompt, made.negative_prompt) == ("oil painting a boat", "text fog")
    assert (made.seed, made.steps, made.guidance_scale, made.sampler, made.scheduler) == (77, 9, 3.0, "Heun", "Karras")
    assert model == (None, None)


def test_only_what_is_ticked_is_taken():
    script = FolderBatch(png_info=True, take_prompt=False, take_seed=False, take_sampler=False, take_model=True)
    made, model = script.with_settings(FORM, TOLD)
    assert (made.prompt, made.seed, made.sampler, made.steps) == ("oil painting", 5, FORM.sampler, 9)
    assert model == ("sea", "abc")


def test_a_picture_without_settings_or_without_the_wish_leaves_the_form_alone():
    assert FolderBatch(png_info=True).with_settings(FORM, "")[0] == FORM
    assert FolderBatch().with_settings(FORM, TOLD)[0] == FORM
    assert FolderBatch(png_info=True).with_settings(FORM, "only words")[0].seed == 5


def test_results_are_as_many_times_as_large_as_asked_for():
    assert FolderBatch(scale=0.5).sized(FORM, (400, 300)).width == 200
    assert FolderBatch(scale=0.5).sized(FORM, (400, 300)).height == 152
    assert FolderBatch().sized(FORM, (400, 300)) == FORM
