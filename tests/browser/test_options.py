"""What stands behind "Extra" and in "Sampling options": shown, remembered, restored, set back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.page import Studio
from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.ui.options import OPTIONS

BIG = "18446744073709551610"

#: A picture of another program, with something in each part of the form.
FOREIGN = """a cat
Steps: 7, Sampler: Euler a, Schedule type: Karras, CFG scale: 5, Seed: 3, Size: 192x128, Variation seed: 18446744073709551610, \
Variation seed strength: 0.25, Clip skip: 2, Eta: 0.5, NGMS: 1.2, RNG: NV, Version: v1.10.1""".replace("\\\n", "")


def send(studio: Studio, text: str) -> None:
    studio.page.evaluate("async text => (await import('/webui-assets/js/form.js')).sendInfotext(text)", text)
    studio.page.locator(".notice", has_text="The picture's settings are in the form.").last.wait_for()


def test_options_are_not_rendered_before_they_are_opened_and_then_show_what_has_an_effect(studio: Studio):
    rendered = "names => names.filter(name => document.getElementById('txt2img_' + name)).length"
    assert studio.page.evaluate(rendered, list(OPTIONS)) == 0
    studio.choose("sampler", "Euler")
    studio.open_options()
    assert studio.page.evaluate(rendered, list(OPTIONS)) == len(OPTIONS)
    expect(studio.page.locator("#txt2img_sigma_churn")).to_be_visible()
    expect(studio.page.locator("#txt2img_unipc_order")).to_be_hidden()
    expect(studio.page.locator("#txt2img_options_unused")).to_contain_text("UniPC order")
    studio.choose("sampler", "UniPC")
    studio.page.locator("#txt2img_unipc_order").wait_for()
    expect(studio.page.locator("#txt2img_sigma_churn")).to_be_hidden()
    expect(studio.page.locator("#txt2img_beta_alpha")).to_be_hidden()
    studio.choose("scheduler", "Beta")
    studio.page.locator("#txt2img_beta_alpha").wait_for()


def test_the_header_of_the_closed_accordion_says_what_is_not_default(studio: Studio):
    studio.choose("sampler", "Euler a")
    studio.expect_options_state("Sampling options")
    studio.open_options()
    studio.fill(eta="0.5", ngms="1.2")
    studio.tick("sgm_noise_multiplier")
    studio.choose("noise_source", "NV")
    studio.close_options()
    studio.expect_options_state("Sampling options · NGMS 1.2, RNG NV, Eta 0.5, SGM noise multiplier")
    studio.choose("sampler", "Euler")
    studio.expect_options_state("Sampling options · NGMS 1.2, RNG NV, SGM noise multiplier")  # Euler knows no eta


def test_opening_the_options_changes_nothing(studio: Studio):
    studio.choose("sampler", "Euler a")
    held = "() => { const { sampler, ...others } = JSON.parse(sessionStorage['periplus.form']); return others; }"
    studio.page.wait_for_function("() => (sessionStorage['periplus.form'] ?? '').includes('Euler a')")
    before = studio.page.evaluate(held)
    studio.open_options()
    assert studio.values("eta") == {"eta": ""}
    studio.choose("sampler", "Euler")
    studio.page.wait_for_function("() => sessionStorage['periplus.form'].includes('\"Euler\"')")
    assert studio.page.evaluate(held) == before
    assert before["eta"] is None


def test_reset_gives_every_option_its_default(studio: Studio):
    studio.choose("sampler", "Euler a")
    studio.open_options()
    studio.fill(eta="0.5", ngms="1.2", sigma_noise="1.05")
    studio.tick("zero_terminal_snr")
    studio.page.click("#txt2img_options_reset")
    studio.page.wait_for_function("() => document.querySelector('#txt2img_eta input').value === ''")
    assert studio.values("ngms", "sigma_noise") == {"ngms": "0", "sigma_noise": "1"}
    studio.close_options()
    studio.expect_options_state("Sampling options")


def test_extra_options_and_clip_skip_survive_a_reload_and_reach_the_job(studio: Studio, app):
    studio.choose("sampler", "Euler a")
    studio.fill(clip_skip="2", steps="2")
    studio.extra.check()
    studio.fill(variation_seed=BIG, variation_strength="0.25", seed_resize_width="64", seed_resize_height="96")
    studio.open_options()
    studio.fill(eta="0.5", cfg_rescale="0.7")
    studio.choose("emphasis", "No norm")
    studio.reload()
    extra = {"variation_seed": BIG, "variation_strength": "0.25", "seed_resize_width": "64", "seed_resize_height": "96"}
    assert studio.extra.is_checked()
    assert studio.values(*extra, "clip_skip") == {**extra, "clip_skip": "2"}
    studio.expect_options_state("Sampling options · CFG rescale 0.7, Eta 0.5, Emphasis No norm")
    request = app.job(studio.press_generate())["request"]  # the accordion was never opened on this page
    assert (request["eta"], request["cfg_rescale"], request["emphasis"]) == (0.5, 0.7, "No norm")
    assert (request["variation_strength"], request["clip_skip"], request["unipc_order"]) == (0.25, 2, 3)
    studio.wait_for("done", "failed")


def test_extra_taken_away_no_longer_acts_and_comes_back_as_it_was(studio: Studio):
    held = "name => JSON.parse(sessionStorage['periplus.form'] ?? '{}')[name]"
    studio.extra.check()
    studio.fill(variation_seed=BIG, variation_strength="0.25")
    studio.extra.uncheck()
    expect(studio.page.locator("#txt2img_variation_seed")).to_be_hidden()
    studio.page.wait_for_function(f"() => ({held})('variation_strength') === 0")
    studio.page.wait_for_function(f"() => ({held})('variation_seed') === '-1'")  # each field stores itself
    studio.extra.check()
    studio.page.wait_for_function(f"() => ({held})('variation_strength') === 0.25")
    assert studio.values("variation_seed", "variation_strength") == {"variation_seed": BIG, "variation_strength": "0.25"}


def test_a_variation_seed_is_drawn_anew_and_reused(studio: Studio):
    studio.extra.check()
    studio.fill(variation_seed="5")
    studio.page.click("#txt2img_variation_seed_random")
    value = "() => document.querySelector('#txt2img_variation_seed').querySelector('textarea, input').value"
    studio.page.wait_for_function(f"() => ({value})() === '-1'")
    studio.generate(prompt="cat face", steps="2", seed="7", variation_seed=BIG, variation_strength="0.5")
    studio.fill(variation_seed="-1")
    studio.page.click("#txt2img_variation_seed_reuse")
    studio.page.wait_for_function(f"() => ({value})() === '{BIG}'")
    studio.generate(variation_strength="0", seed="11")
    studio.page.click("#txt2img_variation_seed_reuse")
    studio.page.wait_for_function(f"() => ({value})() === '11'")  # a picture without a variation gives its seed


def test_send_to_txt2img_restores_variation_clip_skip_and_options_and_the_next_sets_them_back(studio: Studio):
    send(studio, FOREIGN)
    assert studio.extra.is_checked()
    assert studio.values("variation_seed", "variation_strength", "clip_skip", "sampler", "scheduler") == {
        "variation_seed": BIG,
        "variation_strength": "0.25",
        "clip_skip": "2",
        "sampler": "Euler a",
        "scheduler": "Karras",
    }
    studio.expect_options_state("Sampling options · NGMS 1.2, RNG NV, Eta 0.5")
    studio.open_options()
    assert studio.values("ngms", "eta", "noise_source") == {"ngms": "1.2", "eta": "0.5", "noise_source": "NV"}
    studio.close_options()
    send(studio, infotext.format(GenerationRequest(prompt="plain", steps=3)))
    studio.page.wait_for_function("() => !document.querySelector('#txt2img_extra_box').checked")
    studio.expect_options_state("Sampling options")
    assert studio.values("clip_skip", "steps") == {"clip_skip": "1", "steps": "3"}


@pytest.mark.parametrize(("name", "bad"), [("eta", "7"), ("variation_seed", "abc")])
def test_a_message_at_a_field_that_is_closed_opens_it(studio: Studio, name, bad):
    studio.choose("sampler", "Euler a")
    studio.extra.check()
    studio.open_options()
    studio.fill(**{name: bad})
    studio.close_options()
    studio.page.click("#txt2img_generate")
    studio.page.locator(f"#txt2img_{name} > .field-error").wait_for()
    expect(studio.page.locator(f"#txt2img_{name}")).to_be_visible()


def test_nothing_is_wider_than_a_phone_with_everything_open(phone: Studio):
    phone.extra.check()
    phone.open_options()
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    small = phone.page.evaluate(
        """() => [...document.querySelectorAll("#txt2img_frame button:not(.inline)")]
        .filter(e => e.checkVisibility() && !e.closest("[inert]") && e.getBoundingClientRect().height < 44)
        .map(e => e.id)"""
    )
    assert small == []
