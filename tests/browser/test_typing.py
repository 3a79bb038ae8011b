"""What the form answers to typing: token counters, sizes that snap, lists that are searched."""

from __future__ import annotations

import pytest
from playwright.sync_api import Request, expect

from tests.browser.conftest import Watch
from tests.browser.page import AT_ONCE, Studio


@pytest.fixture
def studio(lasting: Studio) -> Studio:
    return lasting


@pytest.fixture
def watch(lasting_watch: Watch) -> Watch:
    return lasting_watch


def test_the_counters_follow_the_prompts_after_a_pause(studio: Studio):
    studio.wait_for_count("prompt", "0/75")
    asked: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    studio.page.on("request", on_request)
    studio.field("prompt").focus()
    studio.field("prompt").evaluate(AT_ONCE, "a castle, [cat:big red dog:0.5]")
    studio.wait_for_count("prompt", "6/75")
    studio.page.remove_listener("request", on_request)
    assert sum("count_tokens" in address for address in asked) <= 2  # not one for each key
    studio.fill(negative_prompt="cat, " * 40)
    studio.wait_for_count("negative_prompt", "80/150")
    studio.reload()
    studio.wait_for_count("prompt", "6/75")
    studio.fill(prompt="", negative_prompt="")
    studio.wait_for_count("prompt", "0/75")


def test_typing_a_prompt_is_not_held_up_by_counting(studio: Studio):
    studio.page.route("**/run/count_tokens", lambda route: None)  # an answer that never comes
    try:
        studio.field("prompt").press_sequentially("a castle")
        studio.page.wait_for_timeout(700)
        studio.field("prompt").press_sequentially(" with a moat")
        assert studio.values("prompt") == {"prompt": "a castle with a moat"}
    finally:
        studio.page.unroute_all()


def test_a_bracket_without_a_partner_turns_the_counter_red_and_is_named(studio: Studio):
    studio.fill(prompt="a (cat, dog")
    studio.counter("prompt").get_by_text("( at character 3 is never closed").wait_for()
    assert studio.counter("prompt").get_attribute("title") == "( at character 3 is never closed"
    described = studio.field("prompt").get_attribute("aria-describedby")
    assert described == studio.counter("prompt").get_attribute("id")
    red = "element => getComputedStyle(element).color"
    assert studio.counter("prompt").evaluate(red) != studio.counter("negative_prompt").evaluate(red)
    studio.fill(prompt="a (cat), dog")
    studio.page.wait_for_function("() => !document.querySelector('#txt2img_prompt > .counter.problem')")
    assert studio.values("prompt") == {"prompt": "a (cat), dog"}


def test_a_size_that_fits_stays_without_a_word(studio: Studio):
    studio.fill(width="512", height="64", steps="33")
    assert studio.values("width", "height", "steps") == {"width": "512", "height": "64", "steps": "33"}
    assert studio.page.locator(".field-note").count() == 0


@pytest.mark.parametrize(("typed", "value", "words"), [("500", "504", "multiples of 8"), ("9999", "2048", "between 64 and 2048")])
def test_a_size_snaps_when_the_box_is_left_and_says_so(studio: Studio, typed, value, words):
    studio.fill(width=typed)
    assert studio.values("width") == {"width": value}
    note = studio.page.locator("#txt2img_width > .field-note").inner_text()
    assert value in note
    assert words in note


@pytest.mark.parametrize(
    ("name", "typed", "words", "value"),
    [
        ("steps", "0", "Sampling steps was 0; it must lie between 1 and 150. 1 is used.", "1"),
        ("guidance_scale", "0", "CFG scale was 0; it must lie between 1 and 30. 1 is used.", "1"),
        ("batch_count", "101", "Batch count was 101; it must lie between 1 and 100. 100 is used.", "100"),
        ("steps", "", "Sampling steps was empty; 20 is used.", "20"),
    ],
)
def test_a_number_that_is_limited_says_what_was_given_and_what_is_allowed(studio: Studio, name, typed, words, value):
    studio.fill(**{name: typed})
    assert studio.page.locator(f"#txt2img_{name} > .field-note").inner_text() == words
    assert studio.values(name) == {name: value}


def test_a_size_snaps_before_ctrl_enter_generates(studio: Studio, app):
    studio.fill(prompt="cat face", steps="2", batch_count="1")
    studio.field("width").fill("130")
    with studio.new_job():
        studio.field("width").press("Control+Enter")
    assert app.job(studio.job_id)["request"]["width"] == 128
    studio.wait_for("done", "failed")


@pytest.mark.parametrize(
    ("name", "typed", "found"), [("sampler", "2m sde h", "DPM++ 2M SDE Heun"), ("scheduler", "kl", "KL Optimal")]
)
def test_a_list_is_searched_by_typing_and_taken_with_enter(studio: Studio, name, typed, found):
    studio.field(name).click()
    studio.page.keyboard.type(typed)
    options = studio.page.locator("ul[role=listbox] [role=option]")
    expect(options).to_have_count(1)
    expect(options.first).to_contain_text(found)
    studio.page.keyboard.press("Enter")
    value = f"document.querySelector('#txt2img_{name} input').value"
    studio.page.wait_for_function(f"found => {value} === found", arg=found)
