"""The tab Plot as a person uses it: axes by their number, cells by column and row."""

from __future__ import annotations

from tests.browser.made_up_plot import ID, made_up_plot, serve
from tests.browser.page import Studio

#: Zooms in and out, then moves sideways; answers how long each frame took in milliseconds.
FRAMES = """async () => {
    const canvas = document.querySelector('#plot_canvas');
    const box = canvas.getBoundingClientRect();
    const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true, cancelable: true };
    const times = [];
    const frame = async (event) => {
        const from = performance.now();
        canvas.dispatchEvent(event);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        times.push(performance.now() - from);
    };
    for (let step = 0; step < 12; step++) await frame(new WheelEvent('wheel', { deltaY: step < 6 ? -60 : 60, ...at }));
    for (let step = 0; step < 12; step++) await frame(new WheelEvent('wheel', { deltaY: 40, shiftKey: true, ...at }));
    return times.sort((a, b) => a - b);
}"""


def open_tab(studio: Studio) -> Studio:
    studio.show("Plot")
    studio.page.locator("#plot_tab").wait_for()
    return studio


def choose_type(studio: Studio, axis: int, name: str) -> None:
    studio.page.click(f"#plot_type_{axis}")
    studio.page.fill(f"#plot_type_{axis}", name)
    studio.page.locator(f"#plot_type_{axis}_list").get_by_role("option", name=name, exact=True).click()
    studio.page.locator(f"#plot_values_{axis}").wait_for()


def pick(studio: Studio, axis: int, *names: str) -> None:
    studio.page.click(f"#plot_values_{axis}")
    for name in names:
        studio.page.locator(f"#plot_values_{axis}_list").get_by_role("option", name=name, exact=True).click()
    studio.page.locator(f"#plot_values_{axis}").press("Escape")


def wait_for_sentence(studio: Studio, text: str) -> None:
    studio.page.locator("#plot_sentence", has_text=text).wait_for()


def run(studio: Studio) -> str:
    """The id of the plot that the press began, once the page shows it."""
    before = studio.page.locator("#plot_explorer").get_attribute("data-plot")
    studio.page.click("#plot_run")
    studio.page.wait_for_function(
        "before => ![before, ''].includes(document.querySelector('#plot_explorer').dataset.plot)", arg=before
    )
    return studio.page.locator("#plot_explorer").get_attribute("data-plot") or ""


def wait_for(studio: Studio, state: str) -> None:
    studio.page.locator(f'#plot_explorer[data-state="{state}"]').wait_for()


def press_cell(studio: Studio, column: int, row: int) -> None:
    place = studio.page.evaluate(
        """([column, row]) => {
            const canvas = document.querySelector('#plot_canvas');
            const { x, y, width, height } = canvas.rectOf(column, row);
            return { x: x + width / 2, y: y + height / 2 };
        }""",
        [column, row],
    )
    studio.page.click("#plot_canvas", position=place)


def facts(studio: Studio) -> dict[str, str]:
    """What the open cell says of itself."""
    rows = studio.page.locator("#plot_cell .settings-table tr").all()
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows}


def wait_for_pictures(studio: Studio) -> None:
    """What is in view of the map has been drawn with its pictures."""
    studio.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    studio.page.wait_for_function("() => document.querySelector('#plot_canvas').picturesWaiting() === 0")


def show_made_up(studio: Studio, shape: tuple[int, ...], names: tuple[str, ...]) -> None:
    """A plot of that many values of each axis, without computing it."""
    serve(studio.page, made_up_plot(shape, names))
    open_tab(studio)
    studio.page.click("#plot_older")
    studio.page.click(f'#plot_list [data-plot="{ID}"] button')
    wait_for(studio, "done")


def frames(studio: Studio) -> list[float]:
    """Milliseconds of each frame while the map is zoomed and moved, the quickest first."""
    return studio.page.evaluate(FRAMES)
