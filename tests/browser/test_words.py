"""The page in words that are not English: longer ones from the right, and two languages that are to be complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import DESKTOP, Watch
from tests.browser.long_words import NAME, faults
from tests.browser.page import Studio
from tests.browser.test_accessibility import COMPLETE, DRAWN
from tests.running import RunningApp
from webui.ui.language import COOKIE

#: What is the same in every language: formats, names of models' parts, and how people everywhere call two tabs and some options.
NAMES = [
    "txt2img",
    "img2img",
    "PNG Info",
    "VAE",
    "LoRA",
    "CFG scale",
    "Hires. fix",
    "FreeU",
    "Refiner",
    "Wildcards",
    "Zip",
    "PNG",
    "CFG",
    "Embedding",
    "Clip skip",
    "Periplus",
    "API",
    "Tiling",
    "Approx cheap",
]

#: All words of labels, buttons and tabs of the form, and what its lists show, but for what has a name: samplers and files.
_WORDS = """() => {
    const parts = document.querySelectorAll("#tabs [role=tab], #txt2img_frame :is(button, label, summary, h4, [data-testid=block-info])");
    const read = [...parts].filter((each) => each.checkVisibility() && !each.closest(".examples, [role=listbox]")).map((each) => each.textContent);
    const lists = [...document.querySelectorAll("#txt2img_frame input[role=listbox]")].filter((each) => each.checkVisibility());
    const named = /sampler|scheduler|checkpoint|vae/;
    return [...read, ...lists.filter((each) => !named.test(each.closest(".block").id)).map((each) => each.value)];
}"""  # noqa: E501


#: All texts that are seen on a page, with what its boxes say while they are empty and what its lists offer. What a person or a
#: machine has called something, and what an engine says, is in no language of the page: prompts, files, folders, devices.
_SEEN = """() => {
    const called = ".examples, [role=listbox], .card-name, #history_model, #language, select[id*=upscaler], code, kbd";
    const named = `${called}, script, style, .infotext, .fail-text, .status-text, #engine`;
    const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(named);
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (seen(walker.currentNode.parentElement)) texts.push(walker.currentNode.data.trim());
    for (const box of document.querySelectorAll("input, textarea")) if (seen(box)) texts.push(box.placeholder);
    for (const list of document.querySelectorAll("select")) if (seen(list)) texts.push(...[...list.options].map((each) => each.text));
    return texts.filter((text) => !/^([/~]|[A-Z]:|https?:)/.test(text));
}"""  # noqa: E501


#: What a screen reader reads of what is seen: Gradio writes some of it. Pictures and files are called as their makers call them.
_NAMES_READ = """() => [...document.querySelectorAll("[aria-label], .token-remove[title]")]
    .filter((each) => each.checkVisibility() && !each.matches("[role=option], [data-axis], .tasks .bar"))
    .map((each) => each.getAttribute("aria-label") ?? each.title)"""


def english_in(words: list[str], english: str = "[A-Za-z]{3,}") -> list[str]:
    names = re.compile("|".join(map(re.escape, sorted(NAMES, key=len, reverse=True))))
    return [each for each in words if re.search(english, names.sub("", each))]


#: Two words that follow each other, or nothing but English: single ones are also names of formats, keys and extensions.
_ENGLISH_NAME = r"[A-Za-z]{2,} [A-Za-z]{2,}|^[\x00-\x7f]*[A-Za-z]{3,}[\x00-\x7f]*$"


@pytest.fixture(scope="module")
def speaking(browser: Browser, app: RunningApp) -> Iterator[Callable[[str], Studio]]:
    """One browser that is opened in one language after another."""
    context, watch = browser.new_context(**DESKTOP), Watch()
    watch.follow(context, app.address)
    studio = Studio(context.new_page(), app.address)

    def opened(language: str) -> Studio:
        context.add_cookies([{"name": COOKIE, "value": quote(language), "url": app.address}])
        studio.page.set_viewport_size(DESKTOP["viewport"])
        studio.open()
        tabs_of(studio.page)[0].click()  # another one was left open
        return studio

    yield opened
    context.close()
    assert (watch.foreign, watch.errors) == ([], [])


def tabs_of(page: Page) -> list[Locator]:
    return page.locator("#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role=tab]").all()


def test_longer_words_from_the_right_fit_on_every_tab_of_a_desktop_and_of_a_phone(speaking: Callable[[str], Studio]):
    page = speaking(NAME).page
    assert page.evaluate("() => getComputedStyle(document.querySelector('.output')).direction") == "rtl"
    found = {}
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for tab in tabs_of(page):
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            drawn = DRAWN.get(re.sub(r" lo.*| l$", "", tab.inner_text()), "#txt2img_frame")
            expect(page.locator(drawn).first).to_be_attached()
            found[f"{tab.inner_text()} at {width}"] = faults(page)
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize(("language", "key"), [("English", "ArrowRight"), (NAME, "ArrowLeft")])
def test_the_arrow_that_points_on_opens_the_next_tab_within_a_tab(speaking: Callable[[str], Studio], language: str, key: str):
    page = speaking(language).page
    page.locator(".inner-tab:visible").first.click()  # another one was left open
    page.locator(".inner-tab:visible").first.press(key)
    expect(page.locator(".inner-tab:visible").nth(1)).to_have_attribute("aria-selected", "true")
    tabs_of(page)[1].click()
    page.locator("#subtab_img2img_tab").click()
    page.locator("#subtab_img2img_tab").press(key)
    expect(page.locator("#subtab_sketch_tab")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(
    ("language", "on", "mirrored"), [("English", "ArrowRight", "none"), (NAME, "ArrowLeft", "matrix(-1, 0, 0, 1, 0, 0)")]
)
def test_the_viewers_next_picture_lies_where_one_reads_on(
    speaking: Callable[[str], Studio], app: RunningApp, language: str, on: str, mirrored: str
):
    job = app.submit(prompt="red heart", steps=1, width=128, height=128, batch_size=3, seed=31)
    app.wait(job)
    studio = speaking(language)
    page, chosen = studio.page, studio.page.locator(".thumb[aria-selected=true]")
    expect(studio.panel).to_have_attribute("data-job", job)
    page.locator(".thumb").first.click()
    page.click(".stage-open")
    page.locator(".viewer-image").wait_for()
    following, window = page.locator(".viewer-next"), page.viewport_size or {}
    at = following.bounding_box() or {}
    assert (at["x"] > window["width"] / 2) == (on == "ArrowRight")
    expect(following.locator("svg")).to_have_css("transform", mirrored)
    following.click()
    expect(chosen).to_have_attribute("data-index", "1")
    page.keyboard.press(on)
    expect(chosen).to_have_attribute("data-index", "2")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("[data-action='viewer.next'] kbd")).to_have_text("→" if on == "ArrowRight" else "←")
    page.keyboard.press("Escape")


@pytest.mark.parametrize(("language", "resized"), [("Русский", "Просто изменить размер"), ("中文", "仅调整大小")])
def test_no_english_is_left_and_what_is_sent_stays_as_it_is(speaking: Callable[[str], Studio], language: str, resized: str):
    page = speaking(language).page
    assert english_in(page.evaluate(_WORDS)) == []
    left = {}
    for tab, (name, drawn) in zip(tabs_of(page), {"txt2img": "#txt2img_prompt", **DRAWN}.items(), strict=True):
        tab.click()
        for part in (drawn, COMPLETE.get(name, drawn)):
            expect(page.locator(part).first).to_be_attached()
        left[tab.inner_text()] = english_in([*page.evaluate(_SEEN), *page.evaluate(_NAMES_READ)], _ENGLISH_NAME)
    assert {tab: words for tab, words in left.items() if words} == {}
    tabs_of(page)[1].click()
    shown = page.locator("#img2img_resize_mode input")
    expect(shown).to_have_value(resized)
    value = "async () => (await import('/webui-assets/js/form.js')).valuesOf('img2img').resize_mode"
    assert page.evaluate(value) == "Just resize"


def test_the_simple_view_tells_in_the_pages_language_what_it_hides(speaking: Callable[[str], Studio]):
    page = speaking("Русский").page
    tell = "async values => (await import('/webui-assets/js/unseen.js')).unseen('txt2img', values)"
    values = {"vae": "None", "steps": 5, "variation_strength": 0.5, "seed_resize_width": 512, "mask_mode": "Inpaint not masked"}
    told = page.evaluate(tell, {**values, "masked_padding": 8})
    assert len(told) == 6
    assert english_in(told) == []
    assert "Перерисовать вне маски" in told[4]


@pytest.mark.parametrize(
    ("size", "words"), [(6_938_000_000, "6.9 GB"), (24_200_000, "24 MB"), (2_400, "2 kB"), (400, "400 B"), (0, "")]
)
def test_sizes_of_files_in_words(lasting: Studio, size: int, words: str):
    assert lasting.page.evaluate("async size => (await import('/webui-assets/js/model-words.js')).size(size)", size) == words
