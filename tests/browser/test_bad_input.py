"""Bad input gets a message at its field, and the next job runs."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.page import Studio

BAD = [
    ("clip_skip", "99", "must lie between", "1"),
    ("seed", "abc", "a whole number was expected", "3"),
    ("seed", "18446744073709551616", "must lie between", "3"),
    ("prompt", "x" * 50_000, "at most 20,000", "cat face"),
]


def test_a_message_stands_at_the_field_until_it_is_mended(studio: Studio):
    studio.fill(steps="2", prompt="cat face")
    for field, bad, words, good in BAD:
        studio.fill(**{field: bad})
        studio.page.click("#txt2img_generate")
        assert words in studio.error(field)
        assert studio.field(field).get_attribute("aria-invalid") == "true"
        studio.generate(**{field: good})
        assert studio.page.locator(".field-error").count() == 0


def test_a_broken_checkpoint_is_listed_with_its_reason_and_refused(studio: Studio, app):
    folder = Path(app.process.args[-1]) / "models" / "Stable-diffusion"
    folder.mkdir(parents=True, exist_ok=True)
    broken = folder / "broken.safetensors"
    broken.write_bytes(b"no model")
    try:
        studio.page.click("#refresh_models")
        studio.field("checkpoint").click()
        option = studio.page.get_by_role("option", name="✗ broken:")
        option.wait_for()
        below = studio.page.locator("#tabs")
        place = below.bounding_box()
        option.click()
        message = studio.page.locator("#txt2img_checkpoint > .field-error")
        message.wait_for()
        assert "broken.safetensors is too short" in message.inner_text()
        assert below.bounding_box() == place
        assert not studio.page.locator("ul.options").is_visible()
        studio.page.click("#txt2img_generate")
        studio.page.wait_for_function("() => document.querySelector('#txt2img_checkpoint > .field-error')")
        assert not studio.page.locator("ul.options").is_visible()
    finally:
        broken.unlink()


def test_a_notice_that_comes_again_is_the_last_and_stays_as_long_as_a_new_one(lasting: Studio):
    lasting.page.evaluate(
        """async () => {
            const { post } = await import("/webui-assets/js/notices.js");
            post("first", "warning", { seconds: 1 });
            post("second", "warning", { seconds: 60 });
            post("first", "warning", { seconds: 60 });
        }"""
    )
    notices = lasting.page.locator(".notice p", has_text=re.compile("^(first|second)$"))
    expect(notices).to_have_text(["second", "first"])
    lasting.page.wait_for_timeout(1500)
    expect(notices).to_have_text(["second", "first"])
