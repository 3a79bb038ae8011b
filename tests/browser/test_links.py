"""Addresses that open a tab with a picture's settings."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.page import Studio, answer_of


def follow(studio: Studio, link: str) -> None:
    """In the page that is open, as when it is pasted over its address."""
    studio.page.evaluate("link => { location.hash = link }", link)


def prompt_is(studio: Studio, text: str, tab: str = "txt2img") -> None:
    expect(studio.page.locator(f"#{tab}_prompt textarea")).to_have_value(text)


def refusal(studio: Studio, link: str) -> str:
    notices = studio.page.locator(".notice-error")
    follow(studio, link)
    notices.first.wait_for()
    text = notices.first.locator("p").inner_text()
    notices.first.get_by_role("button").click()
    expect(notices).to_have_count(0)
    return text


def made(app) -> str:
    """The newest job."""
    return max(app.http.get("/api/v1/jobs?limit=200").json(), key=lambda job: job["created"], default={"id": ""})["id"]


def test_a_copied_link_fills_the_form_of_another_browser_and_makes_nothing(studio: Studio, app, stranger: Page):
    page = studio.page
    job_id = studio.generate(prompt="owl (big) & 100% *new*", negative_prompt="'fog'", seed="18446744073709551615", steps="2")
    told = studio.infotext
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#output_link")
    answer_of(page, "async () => (await navigator.clipboard.readText()).includes('#txt2img?infotext=owl')")
    link = page.evaluate("() => navigator.clipboard.readText()")
    assert link.startswith(f"{app.address}/#txt2img?infotext=owl") and not re.search(r"[\s()'*!]", link)
    before = made(app)

    other = Studio(stranger, link).open()
    other.page.locator(".notice", has_text="Nothing is made before you press Generate").wait_for()
    prompt_is(other, "owl (big) & 100% *new*")
    assert other.values("negative_prompt", "seed", "steps") == {
        "negative_prompt": "'fog'",
        "seed": "18446744073709551615",
        "steps": "2",
    }
    assert made(app) == before and "#" not in other.page.url
    other.fill(prompt="mine")
    other.reload()  # the link is used up
    prompt_is(other, "mine")

    picture, *_ = app.http.get("/api/v1/history", params={"search": "owl 100"}).json()["pictures"]
    follow(other, f"img2img?picture={picture['id']}")
    prompt_is(other, "owl (big) & 100% *new*", "img2img")
    with other.new_job():
        other.page.click("#img2img_generate")
    other.wait_for("done")
    assert app.job(other.job_id)["request"]["source"] and other.job_id != job_id and "Seed: 18446744073709551615" in told


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("cars", "there is no tab “cars”; there are txt2img, img2img, plot"),
        ("settings?infotext=a", "“settings” takes no settings; txt2img, img2img"),
        ("inpaint?infotext=a", "“inpaint” needs a picture"),
        ("txt2img?picture=../../x", "picture is “../../x”, but the number of a picture"),
        ("txt2img?picture=999999999", "no longer in the history"),
        ("txt2img?infotext=a&picture=1", "one of them is enough"),
        ("txt2img?infotext=", "its infotext is empty"),
        ("txt2img?prompt=a", "it has “prompt”, which is not known"),
    ],
)
def test_a_bad_link_says_what_is_wrong_with_it(lasting: Studio, link: str, words: str):
    assert words in refusal(lasting, link)


def test_a_link_opens_a_tab_and_an_infotext_goes_into_the_form_it_names(lasting: Studio, app):
    before = made(app)
    follow(lasting, "history")
    lasting.page.locator("#history_search").wait_for()
    follow(lasting, "img2img?infotext=castle%0ASteps: 5, Seed: 4, Sampler: Euler a, Frame: <img src=x onerror=alert(1)>")
    prompt_is(lasting, "castle", "img2img")
    lasting.page.locator(".notice", has_text="Not used here: Frame: <img src=x").wait_for()
    assert made(app) == before
