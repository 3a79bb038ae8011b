"""The refiner's accordion: chosen, said in its header, remembered, and a picture with it."""

from __future__ import annotations

from tests.browser.page import Studio

HEADER = "#txt2img_extension_refiner > button"


def state(studio: Studio) -> str:
    return studio.page.locator(HEADER).inner_text().partition("\n")[0]


def wait_for_state(studio: Studio, words: str) -> None:
    studio.page.locator(HEADER, has_text=words).wait_for()


def test_a_refiner_is_chosen_and_makes_a_picture_whose_settings_tell_of_it(studio: Studio, app):
    assert state(studio) == "Refiner"
    studio.page.click(HEADER)
    studio.field("refiner_checkpoint").click()
    studio.page.get_by_role("option").filter(has_text="starter").first.click()
    wait_for_state(studio, "Refiner · starter at 0.8")
    studio.fill(refiner_switch_at="0.5", refiner_prompt="blue car")
    wait_for_state(studio, "Refiner · starter at 0.5")
    job = app.job(studio.generate(prompt="red car", steps="3"))
    assert job["request"]["extras"]["refiner"]["checkpoint"] == "starter"
    assert "Refiner: starter" in studio.infotext
    assert "Refiner switch at: 0.5" in studio.infotext
    assert "Refiner prompt: blue car" in studio.infotext
    studio.reload()
    wait_for_state(studio, "Refiner · starter at 0.5")


def test_pasted_settings_switch_it_on_and_those_without_off(studio: Studio):
    text = "a cat\nSteps: 4, Sampler: Euler, Seed: 1, Size: 128x128, Refiner: starter [0123456789], Refiner switch at: 0.7"
    send = "async text => (await import('/webui-assets/js/form.js')).sendInfotext(text)"
    studio.page.evaluate(send, text)
    wait_for_state(studio, "Refiner · starter at 0.7")
    studio.page.evaluate(send, text.partition(", Refiner")[0])
    studio.page.wait_for_function(f"() => document.querySelector('{HEADER}').innerText.split('\\n')[0] === 'Refiner'")
