"""Photographs every tab and every state of the page: `python -m docs.states` (it takes about three minutes).

In both themes, every language and the sizes of a desktop and of a phone, into `docs/screenshots/SIZE/`; and what opens over the
page or in it, once. They are looked at before a release, and `tests/browser/test_looks.py` compares the page with some of them.
Another folder can be named, to try it.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from docs.screenshots import settle
from tests.__main__ import find_chromium
from tests.browser.conftest import ARGUMENTS, DESKTOP, PHONE
from tests.browser.page import LONG, Studio
from tests.browser.test_accessibility import COMPLETE, DRAWN
from tests.running import RunningApp
from webui.ui.language import CODES, COOKIE
from webui.ui.localisation import ENGLISH

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "screenshots"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
THEMES = ("light", "dark")
LANGUAGES = {"en": ENGLISH, **{code: name for code, name in CODES.items() if code in ("ru", "zh")}}

#: The tabs by the place at which they stand, for their names are said in each language; each with what it draws itself.
TABS = {"txt2img": "#txt2img_prompt", **DRAWN, "img2img": ".subtabs [role=tab]"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("into", type=Path, nargs="?", default=FOLDER)
    into: Path = parser.parse_args().into
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        require_letters(browser)
        for size in SIZES:
            for code in LANGUAGES:
                with RunningApp(Path(folder) / size / code) as app:  # of its own, for it must be empty at first
                    take_states(browser, app, size, code, into)
        with RunningApp(Path(folder) / "tabs") as app:
            take_tabs(browser, app, into)
            take_views(browser, app, into / "desktop")
            take_offline(browser, app, into)
        browser.close()


def take_tabs(browser: Browser, app: RunningApp, into: Path) -> None:
    """With a few pictures in the history."""
    app.wait(*(app.submit(prompt=name, seed=7, width=128, height=128) for name in ("red heart", "sun", "castle")))
    for size in SIZES:
        for code, language in LANGUAGES.items():
            studio = open_studio(browser, app, size, language)
            tabs = studio.page.locator("#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role=tab]")
            for place, (name, drawn) in enumerate(TABS.items()):
                tabs.nth(place).click()  # as a finger would: the strip of a phone is moved until the tab is in it
                studio.page.locator(drawn).first.wait_for()
                studio.page.locator(COMPLETE.get(name, drawn)).first.wait_for()
                in_both_themes(studio, lambda theme, tab=name, code=code: f"{file_name(tab)}-{theme}-{code}", into / size)
            studio.page.context.close()


def take_states(browser: Browser, app: RunningApp, size: str, code: str, into: Path) -> None:
    """What the panel shows from the first visit to a failure."""
    studio = open_studio(browser, app, size, LANGUAGES[code])
    for state, reach in STATES.items():
        reach(studio, app)
        in_both_themes(studio, lambda theme, state=state: f"state-{state}-{theme}-{code}", into / size)
    studio.page.context.close()


def take_views(browser: Browser, app: RunningApp, into: Path) -> None:
    """What opens over the page or in it, in English and light."""
    studio = open_studio(browser, app, "desktop", ENGLISH)
    studio.generate(prompt="castle", batch_count="2", seed="21")
    studio.fill(seed="-1", batch_count="1")
    for name, opened in VIEWS.items():
        with opened(studio, app) as at:
            take(studio, into / f"view-{name}.webp", at)
    studio.page.context.close()


def take_offline(browser: Browser, app: RunningApp, into: Path) -> None:
    """The program ends for it."""
    opened = [(size, code, open_studio(browser, app, size, language)) for size in SIZES for code, language in LANGUAGES.items()]
    app.kill()
    for size, code, studio in opened:
        studio.wait_for("offline")
        in_both_themes(studio, lambda theme, code=code: f"state-offline-{theme}-{code}", into / size)


def be_empty(studio: Studio, app: RunningApp) -> None:
    studio.page.evaluate("() => { localStorage.clear(); sessionStorage.clear() }")
    studio.reload()
    studio.wait_for("empty")


#: What the stream tells, told to the page by hand.
TELL = (
    "async events => { const { apply, changed } = await import('/webui-assets/js/state.js'); events.forEach(apply); changed() }"
)


def be_starting(studio: Studio, app: RunningApp) -> None:
    """The engine is long there, so the page is told otherwise, by a stream that says nothing more."""
    studio.page.evaluate("() => window.dispatchEvent(new Event('pagehide'))")
    studio.page.evaluate(TELL, [{"type": "engine", "state": "starting", "text": "", "since": time.time() - 6}])
    studio.wait_for("starting")


def be_queued(studio: Studio, app: RunningApp) -> None:
    """Somebody else's long job runs, and another one waits before this one."""
    studio.reload()  # follows again
    for prompt in ("rocket", "pizza"):
        app.submit(prompt=prompt, width=128, height=128, steps=20, batch_count=100)
    studio.fill(prompt="castle", steps="12", seed="21")
    studio.press_generate()
    studio.wait_for("queued")
    studio.page.locator(".status-text", has_text="2").wait_for()  # 2nd in queue, in any language


def be_loading(studio: Studio, app: RunningApp) -> None:
    """The bundled model is read in no time, so the page is told of a large one, while its job waits."""
    job = app.job(studio.job_id) | {"state": "running", "started": time.time() - 4}
    reading = {"step": 0, "steps": 0, "image": 0, "images": 1, "fraction": 0, "eta": None, "preview": None, "text": ""}
    large = {"type": "progress", "job_id": studio.job_id, "file": "sd_xl_base_1.0", "file_size": 6_938_078_334, **reading}
    studio.page.evaluate(TELL, [{"type": "job", "job": job}, large])
    studio.page.locator(".status-text", has_text="sd_xl_base_1.0").wait_for()


def be_done(studio: Studio, app: RunningApp) -> None:
    for job in app.http.get("/api/v1/jobs").json():
        if job["id"] != studio.job_id:
            app.http.delete(f"/api/v1/jobs/{job['id']}")
    studio.wait_for("done")


def be_sampling(studio: Studio, app: RunningApp) -> None:
    """The engine stands still while it is photographed."""
    studio.fill(**LONG)
    studio.press_generate()
    studio.page.locator(".thumb").nth(1).wait_for()
    studio.page.locator(".status-text", has_text=re.compile(r"\d\D+\d")).wait_for()  # step 3 of 20, in any language
    os.kill(app.engine_pid, signal.SIGSTOP)


def be_interrupted(studio: Studio, app: RunningApp) -> None:
    os.kill(app.engine_pid, signal.SIGCONT)
    app.http.delete(f"/api/v1/jobs/{studio.job_id}")
    studio.wait_for("cancelled", "interrupted", "done")


def be_failed(studio: Studio, app: RunningApp) -> None:
    outputs, aside = app.data_dir / "outputs", app.data_dir / "outputs-aside"
    outputs.rename(aside)
    outputs.write_text("a file where the folder should be")
    studio.fill(steps="4", batch_count="1")
    studio.press_generate()
    studio.wait_for("failed")
    studio.page.locator(".stage-strip").wait_for()
    outputs.unlink()
    aside.rename(outputs)


STATES: dict[str, Callable[[Studio, RunningApp], None]] = {
    "empty": be_empty,
    "starting": be_starting,
    "queued": be_queued,
    "loading": be_loading,
    "done": be_done,
    "sampling": be_sampling,
    "interrupted": be_interrupted,
    "failed": be_failed,
}


@contextmanager
def viewer(studio: Studio, app: RunningApp) -> Iterator[str]:
    studio.page.click(".stage-open")
    studio.page.locator(".viewer-image").wait_for()
    yield "body"
    studio.page.keyboard.press("Escape")
    studio.page.locator(".viewer").wait_for(state="detached")


@contextmanager
def comparison(studio: Studio, app: RunningApp) -> Iterator[str]:
    with viewer(studio, app) as at:
        studio.page.keyboard.press("c")
        studio.page.locator("#plot_comparison #plot_told", has_text="differ").wait_for()
        yield at
        studio.page.keyboard.press("Escape")
        studio.page.locator("#plot_comparison").wait_for(state="detached")


@contextmanager
def queue(studio: Studio, app: RunningApp) -> Iterator[str]:
    """Jobs of others, so that the panel beside it stays."""
    jobs = [app.submit(prompt="castle", width=128, height=128, steps=20, batch_count=100)]
    jobs += [app.submit(prompt=name, width=128, height=128) for name in ("rocket", "blue car", "snowman")]
    app.http.post(f"/api/v1/jobs/{jobs[2]}/pause")
    app.wait_for_picture(jobs[0])
    studio.page.click("#queue_opener")
    studio.page.locator(".queue-waiting li.held").wait_for()
    yield "body"
    for job in jobs:
        app.http.delete(f"/api/v1/jobs/{job}")
    app.wait(*jobs)
    studio.page.keyboard.press("Escape")
    studio.page.locator("#queue").wait_for(state="hidden")


@contextmanager
def keys(studio: Studio, app: RunningApp) -> Iterator[str]:
    studio.page.click("#show_keys")
    studio.page.locator("#key_sheet").wait_for()
    yield "body"
    studio.page.keyboard.press("Escape")


@contextmanager
def simple(studio: Studio, app: RunningApp) -> Iterator[str]:
    studio.page.select_option("#view", "simple")
    studio.page.locator("#txt2img_shape").wait_for()
    yield "body"
    studio.page.select_option("#view", "full")


@contextmanager
def accordions(studio: Studio, app: RunningApp) -> Iterator[str]:
    """All of them below the seed."""
    closed = studio.page.locator("#txt2img_frame .label-wrap:not(.open):visible")
    while closed.count():
        closed.first.click()
    studio.page.locator("#txt2img_ngms").wait_for()
    yield "#txt2img_hr"


@contextmanager
def inpaint(studio: Studio, app: RunningApp) -> Iterator[str]:
    studio.page.click("#output_send_inpaint")
    studio.page.locator("#canvas_inpaint:not(.empty)").wait_for()
    yield "body"


#: What is opened, and closed again; each says where the picture of it begins.
VIEWS = {
    "viewer": viewer,
    "comparison": comparison,
    "queue": queue,
    "keys": keys,
    "simple": simple,
    "accordions": accordions,
    "inpaint": inpaint,
}


#: Whether two letters look different: those that no font has are all the same box.
DRAWN_APART = """letters => {
    const [one, other] = letters.map((letter) => {
        const pen = new OffscreenCanvas(100, 100).getContext("2d");
        pen.font = "80px sans-serif";
        pen.fillText(letter, 5, 85);
        return pen.getImageData(0, 0, 100, 100).data;
    });
    return one.some((value, place) => value !== other[place]);
}"""


def require_letters(browser: Browser) -> None:
    """Without a font for a language all its pictures would be of boxes."""
    page = browser.new_page()
    for name in LANGUAGES.values():
        if not page.evaluate(DRAWN_APART, list(name[:2])):
            sys.exit(f"No font here has the letters of {name}: install one (Debian: fonts-noto-cjk), then run this again.")
    page.close()


def open_studio(browser: Browser, app: RunningApp, size: str, language: str) -> Studio:
    context = browser.new_context(**SIZES[size], color_scheme="light", reduced_motion="reduce")
    context.add_cookies([{"name": COOKIE, "value": quote(language), "url": app.address}])
    return Studio(context.new_page(), app.address).open()


def in_both_themes(studio: Studio, name: Callable[[str], str], folder: Path) -> None:
    for theme in THEMES:
        studio.page.locator("#theme").evaluate(
            "(select, theme) => { select.value = theme; select.dispatchEvent(new Event('change', { bubbles: true })) }", theme
        )
        take(studio, folder / f"{name(theme)}.webp")


def take(studio: Studio, path: Path, at: str = "body") -> None:
    """Photograph the window, from `at` on, with nothing under the mouse."""
    studio.page.mouse.move(0, 0)
    settle(studio, at)
    with Image.open(io.BytesIO(studio.page.screenshot(scale="css"))) as image:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.convert("RGB").save(path, quality=70, method=6)
    print(path.parent.name, path.stem, flush=True)


def file_name(tab: str) -> str:
    return tab.lower().replace(" ", "-")


if __name__ == "__main__":
    main()
