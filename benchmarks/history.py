"""How quick the page is with very many pictures in the history and jobs in the queue, in Chromium, with a fake engine."""

from __future__ import annotations

import argparse
import os
import random
import statistics
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from benchmarks.server import report
from tests.__main__ import find_chromium
from tests.fakes import FAKE_RUNNER
from webui.app import Services, build_services, create_app
from webui.core.infotext import parse
from webui.core.request import GenerationRequest
from webui.engine.client import InlineEngine
from webui.history.entries import Facts
from webui.listening import listening_socket
from webui.settings import Settings

WORDS = (
    "red blue castle rocket heart cat dog forest river mountain portrait painting watercolor cinematic night storm sea ship map"
).split()
MODELS = ("starter", "sd_xl_base_1.0", "dreamshaper_8")
PER_DAY = 500
NEWEST = 1_760_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("history", "queue"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        settings = Settings(data_dir=Path(folder))
        services = build_services(settings, InlineEngine(settings, FAKE_RUNNER))
        if chosen.only != "queue":
            fill_history(services, chosen.pictures)
        services.dispatcher.start()
        if chosen.only != "history":
            fill_queue(services, chosen.jobs)
        with serving(services) as address, opened(address) as page:
            if chosen.only != "queue":
                measure_history(services, page, chosen.repeats)
            if chosen.only != "history":
                measure_queue(page, chosen.repeats)


# ---- what there is


def fill_history(services: Services, count: int) -> None:
    """Real files of a few pixels with real settings, and the index of them; walking them once more is measured."""
    outputs, drawn = services.settings.outputs_dir.absolute(), random.Random(1)
    files: list[tuple[Path, int, int, Facts, str, bool]] = []
    begun = time.perf_counter()
    for number in range(count):
        path = outputs / "txt2img-images" / f"day {number // PER_DAY:03}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = infotext(drawn)
        data = png(text, number)
        path.write_bytes(data)
        stamp = (NEWEST - number * 60) * 10**9
        os.utime(path, ns=(stamp, stamp))
        files.append((path, len(data), stamp, facts_of(text), path.name, number % 50 == 0))
        if len(files) == 1000 or number == count - 1:
            services.history.index.put(files)
            files.clear()
    report("history: write files, fill the index", pictures=count, seconds=time.perf_counter() - begun)
    begun = time.perf_counter()
    changes = services.history._scanner.scan()
    report("history: walk the folders again (it rests half of the time)", changes=changes, seconds=time.perf_counter() - begun)


def infotext(drawn: random.Random) -> str:
    prompt = ", ".join(" ".join(drawn.choices(WORDS, k=3)) for _ in range(6))
    settings = f"Steps: {drawn.choice((20, 25, 30))}, Sampler: Euler a, CFG scale: 7.0, Seed: {drawn.getrandbits(32)}"
    return f"{prompt}\nNegative prompt: blurry\n{settings}, Size: 512x512, Model: {drawn.choice(MODELS)}"


def facts_of(text: str) -> Facts:
    """As `history.entries.read_facts` would read them from the file, which takes longer than all else."""
    told = parse(text)
    model, seed = told.settings["Model"], told.settings["Seed"]
    return Facts(width=8, height=8, infotext=text, prompt=told.prompt[:200], model=model, seed=seed, kind="txt2img")


def png(text: str, number: int) -> bytes:
    """A picture of 8 × 8 pixels in one colour, which comes of its number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes([number * 7 % 256, number * 13 % 256, number * 29 % 256]) * 8
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    text_chunk = chunk(b"tEXt", b"parameters\0" + text.encode("latin-1"))
    return b"\x89PNG\r\n\x1a\n" + head + text_chunk + chunk(b"IDAT", zlib.compress(row * 8, 1)) + chunk(b"IEND", b"")


def fill_queue(services: Services, count: int) -> None:
    services.dispatcher.queue.pause()
    for number in range(count):
        services.dispatcher.submit(GenerationRequest(prompt=f"job {number}", seed=number, width=128, height=128))


# ---- the page


@contextmanager
def serving(services: Services) -> Iterator[str]:
    listener = listening_socket(replace(services.settings, port=0))
    server = uvicorn.Server(uvicorn.Config(create_app(services), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    services.history.start()
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        services.bus.close()
        server.should_exit = True
        thread.join(10)
        services.history.close()
        services.dispatcher.close()
        services.store.close()


@contextmanager
def opened(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        begun = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("html[data-periplus=ready]")
        report("the page is open", seconds=time.perf_counter() - begun)
        yield page
        browser.close()


#: Does something in the page and waits, looking at every frame, until it is to be seen; milliseconds.
TIMED = """async ([action, seen]) => {
    const [act, look] = [new Function(action), new Function("return " + seen)];
    const begun = performance.now();
    act();
    while (!look()) {
        if (performance.now() - begun > 60000) throw new Error("never seen: " + seen);
        await new Promise(requestAnimationFrame);
    }
    return performance.now() - begun;
}"""


def timed(page: Page, what: str, repeats: int, step: Callable[[int], tuple[str, str]], budget: str) -> None:
    figures = [page.evaluate(TIMED, list(step(number))) for number in range(repeats)]
    report(what, milliseconds=statistics.median(figures), worst=max(figures), budget=budget)


def measure_history(services: Services, page: Page, repeats: int) -> None:
    tab = "document.querySelector('#tabs button[data-tab-id=history]')"
    shown = "[...document.querySelectorAll('.history-cell img')].filter(e => e.complete && e.naturalWidth).length >= 15"
    timed(page, "history: first screen with its pictures", 1, lambda number: (f"{tab}.click()", shown), "≤ 500 ms")
    page.wait_for_selector("#history_tab[data-state=ready]")

    def search(number: int) -> tuple[str, str]:
        text = f"{WORDS[number]} {WORDS[number + 3]}"
        typed = f"const e = document.querySelector('#history_search'); e.value = '{text}'; e.dispatchEvent(new Event('input'))"
        before = page.locator(".history-count").inner_text()
        words = "[...document.querySelectorAll('.history-cell')].slice(0, 9)"
        found = f"{words}.every(e => {text.split()}.every(w => e.ariaLabel.includes(w)))"
        return typed, f"{found} && document.querySelector('.history-count').textContent !== '{before}'"

    timed(page, "history: search, 180 ms of waiting for further letters included", repeats, search, "≤ 200 ms + 180")
    page.fill("#history_search", "")
    every = f"{services.history.facets().total:,} pictures"
    page.wait_for_function("all => document.querySelector('.history-count').textContent === all", arg=every)
    bottom = (
        "window.scrollTo(0, document.body.scrollHeight); window.before = document.querySelector('#history_grid').clientHeight"
    )
    timed(
        page,
        "history: the next page while scrolling",
        repeats,
        lambda number: (bottom, "document.querySelector('#history_grid').clientHeight > window.before"),
        "",
    )
    report("history: elements in the grid", count=page.locator(".history-cell").count())


def measure_queue(page: Page, repeats: int) -> None:
    lines = "[...document.querySelectorAll('.queue-waiting li[data-job]')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)"
    name = "querySelector('.row-prompt').textContent"

    def first(number: int) -> str:
        return page.evaluate(f"() => {lines}[{number}].{name}")

    opening = ("document.querySelector('#queue_opener').click()", f"{lines}.length > 3")
    timed(page, "queue: open the drawer", 1, lambda number: opening, "≤ 200 ms")

    def settled() -> None:
        """What is shown is what the server has."""
        same = f"told.slice(0, 3).every((id, place) => {lines}[place].dataset.job === id)"
        page.wait_for_function(
            f"async () => {{ const told = (await (await fetch('/api/v1/queue')).json()).waiting; return {same} }}"
        )

    def press(button: str, seen: str) -> Callable[[int], tuple[str, str]]:
        def step(number: int) -> tuple[str, str]:
            settled()
            return f"{lines}[1].querySelector('.row-{button}').click()", seen.replace("WAS", first(1))

        return step

    timed(page, "queue: move to the front", repeats, press("first", f"{lines}[0].{name} === 'WAS'"), "≤ 200 ms")
    timed(page, "queue: move further back", repeats, press("down", f"{lines}[2].{name} === 'WAS'"), "≤ 200 ms")
    for _ in range(repeats):
        held = f"{lines}[1].classList.contains('held')"
        figure = page.evaluate(TIMED, [f"{lines}[1].querySelector('.row-hold').click()", held])
        back = page.evaluate(TIMED, [f"{lines}[1].querySelector('.row-hold').click()", f"!{held}"])
        report("queue: hold back; let go on", milliseconds=figure, again=back, budget="≤ 200 ms")
    count = "Number(document.querySelector('#queue h3 .subdued').textContent)"
    for button, more in (("duplicate", 1), ("remove", -1)):
        act = f"window.wanted = {count} + {more}; {lines}[1].querySelector('.row-{button}').click()"
        timed(page, f"queue: {button}", repeats, lambda number, act=act: (act, f"{count} === window.wanted"), "≤ 200 ms")
    report("queue: elements in the list", count=page.locator(".queue-waiting li").count())


if __name__ == "__main__":
    main()
