"""What very many LoRA files cost the page, in Chromium: until it can be used, the first cards, a search, the front's memory."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.server import report
from tests.__main__ import find_chromium
from tests.library.stub_loras import write_lora
from tests.running import RunningApp

FOLDERS = 20
CARD = "#txt2img_cards .card"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    empty = measure(0, chosen.repeats)
    full = measure(chosen.files, chosen.repeats)
    for name, value in full.items():
        more = {"more_than_empty": round(value - empty[name], 1)} if name in empty else {}
        report(f"models_page.{name}", value=round(value, 1), files=chosen.files, **more)


def measure(files: int, repeats: int) -> dict[str, float]:
    """Milliseconds, the best of several, and megabytes."""
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        write_files(Path(folder), files)
        with RunningApp(Path(folder)) as app, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            with opened(browser, app) as page:  # the first of all, which nobody waits for twice
                until_known(app, files)
                page.click("#txt2img_inner_lora")
            found = [once(browser, app, files) for _ in range(repeats)]
            best = {name: min(each[name] for each in found) for name in found[0]}
            return {**best, "front_mb": psutil.Process(app.process.pid).memory_info().rss / 1e6}


def write_files(data_dir: Path, count: int) -> None:
    for number in range(count):
        tags = {"ss_tag_frequency": {"1": {f"tag {number % 50}": 9, "girl": 3}}, "ss_output_name": f"Style{number}"}
        write_lora(data_dir / "models" / "Lora" / f"folder {number % FOLDERS}" / f"style {number}.safetensors", tags)


def until_known(app: RunningApp, files: int) -> None:
    """Until the headers were read, so that the tags can be searched."""
    if files:
        last = {"kind": "lora", "search": "tag girl", "count": 0}
        wait_for(lambda: app.http.get("/api/v1/models", params=last).json()["total"] == files, 300)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("The headers were not read in time.")
        time.sleep(0.2)


@contextmanager
def opened(browser: Browser, app: RunningApp) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    try:
        page.goto(app.address)
        page.wait_for_selector("html[data-periplus=ready]")
        yield page
    finally:
        page.close()


def once(browser: Browser, app: RunningApp, files: int) -> dict[str, float]:
    begun = time.perf_counter()
    with opened(browser, app) as page:
        found = {"usable_ms": 1000 * (time.perf_counter() - begun)}
        if not files:
            return found
        found["first_cards_ms"] = timed(lambda: page.click("#txt2img_inner_lora"), lambda: page.wait_for_selector(CARD))
        wanted = json.dumps(f"style {files - 1}")
        script = f"() => document.querySelector('{CARD} .card-name')?.textContent.endsWith({wanted})"
        # With the 180 ms in which further letters are waited for.
        search = f"style {files - 1}"
        found["search_ms"] = timed(lambda: page.fill("#txt2img_cards_search", search), lambda: page.wait_for_function(script))
    asked = {"kind": "lora", "search": f"tag girl {files - 1}"}
    found["search_route_ms"] = timed(lambda: None, lambda: app.http.get("/api/v1/models", params=asked).raise_for_status())
    names = {"kinds": "lora", "q": f"le {files - 1}"}
    found["names_route_ms"] = timed(lambda: None, lambda: app.http.get("/api/v1/names", params=names).raise_for_status())
    return found


def timed(begin: Callable[[], object], end: Callable[[], object]) -> float:
    begun = time.perf_counter()
    begin()
    end()
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
