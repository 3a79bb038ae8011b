"""The first minute: what is offered to a newcomer, the simple view of the form, and the sheet of keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from tests.browser.page import Studio

HOME = "/home/someone/stable-diffusion-webui"
USED = "/home/someone/ComfyUI"
FOUND = {"home": HOME, "program": "A1111", "counts": {"checkpoint": 12, "lora": 3}, "declined": False}


@pytest.fixture(scope="module")
def nearby(shared_context) -> Iterator[list[dict]]:
    """The page is told of an installation; what is answered about it."""
    answers: list[dict] = []

    def tell(route: Route) -> None:
        if route.request.method == "POST":
            answers.append(json.loads(route.request.post_data or ""))
            route.fulfill(json=None)
        else:
            route.fulfill(json={"found": [FOUND], "used": [USED]})

    shared_context.route("**/api/v1/models/nearby", tell)
    yield answers
    shared_context.unroute("**/api/v1/models/nearby")


def test_models_of_another_program_are_offered_under_get_models(nearby, lasting: Studio):
    page = lasting.page
    lasting.show("txt2img")
    page.locator(".model-note-link:visible").click()  # one press from the sentence about the model that comes along
    offer = page.locator(".get .nearby-line", has_text=HOME)
    expect(offer).to_contain_text("Checkpoints: 12, LoRAs: 3")
    expect(page.locator(".open-models li").first).to_contain_text("licence")
    page.locator(".get .nearby-line", has_text=USED).get_by_role("button").click()
    page.locator(".notice", has_text="next start").first.wait_for()
    assert nearby[-1] == {"home": USED, "use": False}
    lasting.show("txt2img")


def test_the_simple_view_is_the_same_form_with_the_rest_out_of_sight(nearby, lasting: Studio):
    page = lasting.page
    page.select_option("#view", "full")
    lasting.fill(steps="5", seed="77", width="104", height="160")
    page.select_option("#view", "simple")
    for name in ("steps", "seed", "negative_prompt", "vae", "clip_skip", "width", "guidance_scale"):
        expect(page.locator(f"#txt2img_{name}")).to_be_hidden()
    for name in ("prompt", "styles", "batch_count", "generate"):
        expect(page.locator(f"#txt2img_{name}")).to_be_visible()
    expect(page.locator("#txt2img_batch_count [data-simple]")).to_have_css("font-size", "0px")  # its simple name is seen instead
    square, portrait, landscape = (
        page.locator(f"#txt2img_shape [data-shape={name}]") for name in ("square", "portrait", "landscape")
    )
    expect(page.locator("#txt2img_shape .shape-size")).to_have_text("104 × 160")
    expect(portrait).to_be_hidden()  # the bundled model was taught squares only
    expect(landscape).to_be_hidden()
    square.click()
    expect(square).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#txt2img_shape .shape-size")).to_have_text("128 × 128")
    lasting.field("prompt").fill("red heart")
    lasting.press_generate()
    lasting.wait_for("done")
    expect(page.locator(".output .infotext")).to_contain_text("Seed: 77, Size: 128x128")
    expect(page.locator(".output .infotext")).to_contain_text("Steps: 5")
    page.click("#txt2img_full_view")
    expect(page.locator("#txt2img_steps")).to_be_visible()
    assert lasting.values("steps", "seed", "width") == {"steps": "5", "seed": "77", "width": "128"}


def test_the_simple_view_offers_the_shapes_that_a_checkpoint_can_draw(nearby, lasting: Studio):
    page = lasting.page
    page.select_option("#view", "simple")
    suit = "async shapes => (await import('/webui-assets/js/simple.js')).setSuited(shapes)"
    page.evaluate(suit, {"square": [128, 128], "portrait": [104, 160], "landscape": [160, 104]})
    page.locator("#txt2img_shape [data-shape=portrait]").click()
    expect(page.locator("#txt2img_shape [data-shape=portrait]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#txt2img_shape .shape-size")).to_have_text("104 × 160")
    page.evaluate(suit, {"square": [128, 128]})
    expect(page.locator("#txt2img_shape [data-shape=landscape]")).to_be_hidden()
    page.locator("#txt2img_shape [data-shape=square]").click()
    expect(page.locator("#txt2img_shape .shape-size")).to_have_text("128 × 128")


#: A box that is out of sight.
EMPTY = """id => {
    const box = document.querySelector(`#${id} :is(input, textarea)`);
    box.value = "";
    box.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_the_simple_view_tells_that_results_are_resized_by_a_factor(nearby, lasting: Studio):
    page = lasting.page
    page.select_option("#view", "full")
    lasting.show("img2img")
    page.click("#img2img_resize_by")
    page.fill("#img2img_scale", "1.5")
    page.select_option("#view", "simple")
    told = page.locator("#img2img_unseen")
    expect(told).to_contain_text("Resize by 1.5")
    lasting.reload()
    expect(told).to_contain_text("Resize by 1.5")
    page.select_option("#view", "full")
    page.click("#img2img_resize_to")
    page.select_option("#view", "simple")
    expect(told).not_to_contain_text("Resize by")
    page.select_option("#view", "full")
    lasting.show("txt2img")


def test_the_simple_view_tells_what_is_set_where_it_cannot_be_seen(nearby, lasting: Studio):
    page = lasting.page
    told = page.locator("#txt2img_unseen")
    page.select_option("#view", "full")
    lasting.fill(steps="20", seed="-1")  # as the bundled model begins
    page.select_option("#view", "simple")
    expect(told).to_be_hidden()
    page.select_option("#view", "full")
    expect(told).to_be_hidden()
    lasting.fill(steps="5", seed="78", negative_prompt="a text that is longer than what is told")
    page.locator("#txt2img_hr input[type=checkbox]").first.check()
    send = "async text => (await import('/webui-assets/js/form.js')).sendInfotext(text)"
    page.select_option("#view", "simple")
    expect(told).to_contain_text("Negative prompt a text that is longer than wha…, Sampling steps 5, Seed 78, Hires. fix")
    page.evaluate(send, "a cat\nSteps: 20, Seed: 79, RNG: CPU, Refiner: starter, Refiner switch at: 0.7")
    expect(told).to_contain_text("Seed 79, Refiner · starter at 0.7")
    expect(told).not_to_contain_text("Sampling steps")
    lasting.page.evaluate(EMPTY, "txt2img_seed")
    expect(told).to_contain_text("Refiner")
    expect(told).not_to_contain_text("Seed")  # an empty box is a random seed, as at the beginning
    page.click("#txt2img_full_view")
    expect(told).to_be_hidden()
    page.evaluate(send, "a cat\nSteps: 20, Seed: -1, RNG: CPU")
    expect(lasting.field("seed")).to_have_value("-1")


def test_what_the_simple_view_hides_is_refused_in_words_all_the_same(nearby, lasting: Studio):
    page = lasting.page
    page.select_option("#view", "full")
    lasting.fill(seed="nonsense")
    page.select_option("#view", "simple")
    page.click("#txt2img_generate")
    expect(page.locator(".notice-error", has_text="Seed")).to_be_visible()
    page.click("#txt2img_full_view")
    expect(page.locator("#txt2img_seed > .field-error")).to_be_visible()
    lasting.fill(seed="-1")


def test_a_question_mark_opens_the_sheet_of_all_keys_unless_one_types(nearby, lasting: Studio):
    page = lasting.page
    lasting.field("prompt").press("End")
    page.keyboard.type("?")
    assert lasting.field("prompt").input_value().endswith("?")
    page.locator("#brand").click()
    page.evaluate("() => document.activeElement?.blur()")
    page.keyboard.press("?")
    sheet = page.locator("#key_sheet")
    expect(sheet).to_be_visible()
    table = page.evaluate(
        "async () => { const { url } = performance.getEntriesByType('resource').map(({ name }) => ({ url: name }))"
        ".find(({ url }) => url.endsWith('/js/key-table.js')); return (await import(url)).KEYS }"
    )
    actions = sheet.locator("[data-action]").evaluate_all("rows => rows.map(row => row.dataset.action)")
    assert actions == [f"{place}.{action}" for place, named in table.items() for action in named]
    expect(sheet.locator("[data-action='page.generate'] kbd")).to_have_text("Ctrl + Enter")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.click("#show_keys")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
