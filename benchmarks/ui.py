"""How quick the page is in Chromium, against a running program: alone, with 20 extensions' options, with 10,000 LoRA files, with
both.

    python -m benchmarks.ui [--extensions 20] [--files 10000] [--repeats 5]

First paint and usable: from the navigation, by the page's own clock, in a new tab of a browser that was here before;
`first_visit` of one that was not.
Tab switch and key: to the next frame, at the 95th percentile. Beside the best of the openings, or the percentile: the worst.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.models_page import until_known, write_files
from benchmarks.server import report
from tests.__main__ import find_chromium
from tests.running import RunningApp

BUDGETS = {"first_paint_ms": 1000, "usable_ms": 2000, "tab_switch_ms": 100, "key_ms": 50}
BUDGET_FILES = 200  # milliseconds more until the page can be used

KEYS = 60
ROUNDS = 5  # through all tabs

OPTIONS = '''
from dataclasses import dataclass
from typing import Annotated
from webui.core.request import Param
from webui.plugins.hooks import hookimpl

@dataclass(frozen=True, kw_only=True)
class Options{number}:
    """Five options that nothing reads."""
    strength: Annotated[float, Param("Strength {number}", infotext="Strength {number}", low=0, high=1)] = 0.0
    start: Annotated[float, Param("Start {number}", infotext="Start {number}", low=0, high=1)] = 0.0
    enabled: Annotated[bool, Param("Enabled {number}", infotext="Enabled {number}")] = False
    kind: Annotated[str, Param("Kind {number}", infotext="Kind {number}", choices=("one", "two", "three"))] = "one"
    words: Annotated[str, Param("Words {number}", infotext="Words {number}")] = ""

@hookimpl
def register_params():
    return [Options{number}]
'''

#: Seconds of the browser's main thread, which are less disturbed by what else the machine does than those of a clock.
COUNTED = {"TaskDuration": "main_thread_s", "ScriptDuration": "script_s"}

KEY_TIMES = """() => {
  window.keyTimes = [];
  addEventListener("keydown", (event) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.keyTimes.push(performance.now() - event.timeStamp);
    port2.postMessage(null);
  }), true);
}"""

#: All of them, the first one last.
TAB_TIMES = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const tabs = [...document.querySelectorAll('#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role="tab"]')];
  const times = [];
  for (const tab of [...tabs.slice(1), tabs[0]]) {
    const begun = performance.now();
    tab.click();
    while (!document.getElementById(tab.getAttribute("aria-controls"))?.checkVisibility()) await frame();
    await frame();
    times.push(performance.now() - begun);
    await new Promise((done) => setTimeout(done, 300));
  }
  return times;
}"""


#: When the form can be used: two frames after the page said that it is ready, so that it has been drawn and the script rests.
USABLE = """() => {
  const root = () => document.documentElement;
  const watch = new MutationObserver(() => {
    if (root()?.dataset.periplus !== "ready") return;
    watch.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => (window.usableAt = performance.now())));
  });
  watch.observe(document, { attributes: true, subtree: true });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extensions", type=int, default=20)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    alone = measure("alone", 0, 0, chosen.repeats)
    measure("extensions", chosen.extensions, 0, chosen.repeats)
    if chosen.files:
        full = measure("files", 0, chosen.files, chosen.repeats)
        report("ui.files.more_usable_ms", value=full["usable_ms"].best - alone["usable_ms"].best, budget=BUDGET_FILES)
        measure("extensions_and_files", chosen.extensions, chosen.files, chosen.repeats)


class Figure(NamedTuple):
    """Milliseconds, seconds or megabytes."""

    best: float
    worst: float | None = None


def measure(name: str, extensions: int, files: int, repeats: int) -> dict[str, Figure]:
    with tempfile.TemporaryDirectory(prefix="periplus-benchmark-") as folder:
        write_extensions(Path(folder) / "extensions", extensions)
        write_files(Path(folder), files)
        with RunningApp(Path(folder)) as app, sync_playwright() as playwright:
            until_known(app, files)
            found = in_browser(playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"]), app, repeats)
    for what, (best, worst) in found.items():
        more = {"worst": worst} if worst is not None else {}
        report(f"ui.{name}.{what}", value=best, **more, **({"budget": BUDGETS[what]} if what in BUDGETS else {}))
    return found


def write_extensions(folder: Path, count: int) -> None:
    for number in range(count):
        path = folder / f"options-{number}"
        path.mkdir(parents=True)
        (path / "extension.toml").write_text(f'name = "{path.name}"\nversion = "1"\napi = 1\n')
        (path / "plugin.py").write_text(OPTIONS.replace("{number}", str(number)))


def in_browser(browser: Browser, app: RunningApp, repeats: int) -> dict[str, Figure]:
    app.http.get("/").raise_for_status()  # made once for all visitors
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    first, page = opened(context, app)
    page.close()
    openings = []
    for _ in range(repeats):
        found, page = opened(context, app)
        openings.append(found)
        page.close()
    figures = {name: [each[name] for each in openings] for name in openings[0]}
    best = {name: Figure(min(values), max(values)) for name, values in figures.items()}
    _, page = opened(context, app)
    return {"first_visit_usable_ms": Figure(first["usable_ms"]), **best, **in_page(page)}


def opened(context: BrowserContext, app: RunningApp) -> tuple[dict[str, float], Page]:
    page = context.new_page()
    page.set_default_timeout(120_000)
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    page.add_init_script(f"({USABLE})()")
    page.goto(app.address, wait_until="commit")
    found = {"usable_ms": float(page.wait_for_function("() => window.usableAt").json_value())}
    found["first_paint_ms"] = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    counted: dict[str, Any] = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return found | {ours: counted[theirs] for theirs, ours in COUNTED.items()}, page


def in_page(page: Page) -> dict[str, Figure]:
    page.evaluate(KEY_TIMES)
    page.click("#txt2img_prompt textarea")
    page.keyboard.type("a very calm sea under a bright sky, with one sail far away, oil on canvas"[:KEYS], delay=50)
    page.wait_for_function(f"() => window.keyTimes.length >= {KEYS}")
    keys = page.evaluate("window.keyTimes")
    first = page.evaluate(TAB_TIMES)
    again = [time for _ in range(ROUNDS) for time in page.evaluate(TAB_TIMES)]
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    at_first = Figure(max(first))
    return {"key_ms": at_95(keys), "tab_first_ms": at_first, "tab_switch_ms": at_95(again), "heap_mb": Figure(heap)}


def at_95(values: list[float]) -> Figure:
    return Figure(sorted(values)[int(0.95 * (len(values) - 1) + 0.5)], max(values))


if __name__ == "__main__":
    main()
