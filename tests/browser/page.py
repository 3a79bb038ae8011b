"""The page as a person uses it: fields by name, Generate, and what the panel says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000  # milliseconds; machines are busy

#: A job that surely still runs when the next command of a test arrives; its first picture comes soon.
LONG = {"steps": "20", "batch_count": "100"}

#: Typing in a box that has the focus, letter by letter, so fast that no pause is between them.
AT_ONCE = "(box, text) => [...text].forEach(letter => document.execCommand('insertText', false, letter))"


def answer_of(page: Page, asynchronous: str, arg: object = None, seconds: float = 30) -> Any:
    """Ask the page until what it answers is true, and return that. `wait_for_function` takes any promise for true."""
    end = time.monotonic() + seconds
    while not (answer := page.evaluate(asynchronous, arg)):
        assert time.monotonic() < end, f"not within {seconds} s: {asynchronous}"
        page.wait_for_timeout(50)
    return answer


class Studio:
    """One open page of the program."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        page.set_default_timeout(PATIENCE)

    def open(self) -> Studio:
        self.page.goto(self.address)
        return self.wait_until_ready()

    def reload(self) -> Studio:
        self.page.reload()
        return self.wait_until_ready()

    def wait_until_ready(self) -> Studio:
        """The form holds what it held, and the stream has told of jobs."""
        self.page.wait_for_selector("html[data-periplus=ready]")
        self.page.wait_for_function("() => !document.querySelector('#engine .dot-offline')")
        return self

    # ---- the form

    def field(self, name: str) -> Locator:
        return self.page.locator(f"#txt2img_{name}").locator("textarea, input:not([type=range])").first

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.field(name).fill(value)
            self.field(name).press("Tab")

    def values(self, *names: str) -> dict[str, str]:
        return {name: self.field(name).input_value() for name in names}

    def choose(self, name: str, choice: str) -> None:
        self.field(name).click()
        self.page.get_by_role("option", name=choice, exact=True).click()

    def tick(self, name: str, ticked: bool = True) -> None:
        self.page.locator(f"#txt2img_{name} input").set_checked(ticked)

    # ---- what is closed

    @property
    def options_header(self) -> Locator:
        return self.page.locator("#txt2img_options > button")

    def expect_options_state(self, words: str) -> None:
        """What the header of the closed accordion says, once the script has read the form."""
        expect(self.options_header.locator("span").first).to_have_text(words)

    def open_options(self) -> None:
        self.options_header.click()
        self.page.locator("#txt2img_ngms").wait_for()

    def close_options(self) -> None:
        self.options_header.click()
        self.page.locator("#txt2img_ngms").wait_for(state="hidden")

    @property
    def extra(self) -> Locator:
        return self.page.locator("#txt2img_extra_box")

    def counter(self, name: str) -> Locator:
        return self.page.locator(f"#txt2img_{name} > .counter")

    def wait_for_count(self, name: str, count: str) -> None:
        self.counter(name).locator(".counter-number").get_by_text(count, exact=True).wait_for()

    def error(self, name: str) -> str:
        return self.page.locator(f"#txt2img_{name} > .field-error").inner_text()

    # ---- jobs

    @property
    def panel(self) -> Locator:
        return self.page.locator(".output")

    @contextmanager
    def new_job(self) -> Iterator[None]:
        """Inside, something queues a job; afterwards the panel shows it."""
        before = self.panel.get_attribute("data-job")
        yield
        self.page.wait_for_function("before => ![before, ''].includes(document.querySelector('.output').dataset.job)", arg=before)

    @property
    def job_id(self) -> str:
        return self.panel.get_attribute("data-job") or ""

    def press_generate(self) -> str:
        """The id of the job that the press queued, once it is in the panel."""
        with self.new_job():
            self.page.click("#txt2img_generate")
        return self.job_id

    def generate(self, **values: str) -> str:
        self.fill(**values)
        job_id = self.press_generate()
        self.wait_for("done")
        return job_id

    def wait_for(self, *states: str) -> None:
        self.page.wait_for_function(
            "states => states.includes(document.querySelector('.output').dataset.state)", arg=list(states)
        )

    def wait_for_step(self) -> None:
        self.page.wait_for_function("() => /step \\d+ of \\d+/i.test(document.querySelector('.status-text').textContent)")

    @property
    def status(self) -> str:
        return self.page.locator(".status-text").inner_text()

    @property
    def infotext(self) -> str:
        return self.page.locator(".infotext").inner_text()

    def thumbs(self) -> int:
        return self.page.locator(".thumb").count()

    def download(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.click("#output_download")
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    # ---- elsewhere

    def show(self, tab: str) -> None:
        self.page.locator("#tabs > .tab-wrapper").get_by_role("tab", name=tab, exact=True).click()

    def inspect(self, path: Path) -> None:
        """Hand a file to PNG Info and wait for what it says."""
        self.show("PNG Info")
        self.page.set_input_files("#pnginfo_file", path)
        self.page.wait_for_function("() => document.querySelector('.pnginfo-result').querySelector('.warning, table')")

    def send_to_txt2img(self) -> None:
        self.page.click("#pnginfo_send")
        self.page.locator(".notice", has_text="The picture's settings are in the form.").wait_for()
