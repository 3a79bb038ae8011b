"""Makes the pictures of the README and the manual: `python -m docs.screenshots` (it takes about a minute).

Starts the program over a temporary data folder, makes a few pictures with the bundled model, and photographs the tabs at the
size of a desktop and of a phone.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Browser, sync_playwright

from tests.__main__ import find_chromium
from tests.browser.conftest import ARGUMENTS, DESKTOP, PHONE
from tests.browser.easel import Easel
from tests.browser.model_files import write_models
from tests.browser.page import Studio
from tests.browser.plot_tab import choose_type, open_tab, pick, press_cell, run, wait_for, wait_for_pictures
from tests.library.stub_loras import write_lora
from tests.running import RunningApp

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, RunningApp(Path(folder)) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        desktop, phone = (open_studio(browser, app, options) for options in (DESKTOP, PHONE))
        saved = make_pictures(desktop, Path(folder))
        take_pictures(desktop, phone, saved)
        take_img2img(desktop, phone, saved)
        take_hires_and_extras(desktop, phone, saved)
        take_plot(desktop, phone)
        take_history_and_queue(desktop, phone, app)
        take_cards(desktop, app, Path(folder))
        write_models(Path(folder))
        take_models(desktop, phone)
        take_merger(desktop, phone)
        browser.close()


def take_pictures(desktop: Studio, phone: Studio, saved: Path) -> None:
    desktop.page.mouse.move(0, 0)
    take_in_both_themes(desktop, "txt2img-desktop")
    desktop.inspect(saved)
    take(desktop, "pnginfo-desktop")
    desktop.show("txt2img")  # its selected picture becomes a model's preview
    phone.field("prompt").fill("castle")
    phone.wait_for_count("prompt", "1/75")
    take(phone, "txt2img-phone")
    phone.inspect(saved)
    take(phone, "pnginfo-phone")


def take_img2img(desktop: Studio, phone: Studio, saved: Path) -> None:
    for studio, name in ((desktop, "inpaint-desktop"), (phone, "inpaint-phone")):
        easel = Easel(studio, "inpaint").show()
        easel.choose(saved)
        easel.stroke((52, 40), (76, 44))
        if studio is desktop:
            take_in_both_themes(studio, name)
        else:
            take(studio, name, at="#img2img_source")
    for studio in (desktop, phone):
        sketch(Easel(studio, "sketch").show())
        if studio is desktop:
            take(desktop, "sketch-desktop")
        sketch(Easel(studio, "inpaint_sketch").show())
        Easel(studio, "img2img").show().choose(saved)
        Easel(studio, "inpaint_upload").show().choose(saved)
    take_subtabs(desktop, "img2img-desktop", columns=2, width=640)
    take_subtabs(phone, "img2img-phone", columns=6, width=260)
    desktop.show("txt2img")
    phone.show("txt2img")


def sketch(easel: Easel) -> None:
    """A sun on one layer, a meadow on another."""
    easel.new(128, 128)
    easel.set(colour="#e8b923", size=50)
    easel.stroke((64, 52))
    easel.tool("layers")
    easel.tool("layer_add")
    easel.set(colour="#4a9c3e", size=20)
    easel.stroke((4, 118), (124, 118))


def take_subtabs(studio: Studio, name: str, columns: int, width: int) -> None:
    """All sub-tabs of img2img on one picture, each `width` pixels wide."""
    pictures = []
    for tab in studio.page.locator(".subtabs [role=tab]").all():
        tab.click()
        settle(studio, "body" if columns < 6 else "#img2img_source")
        with Image.open(io.BytesIO(studio.page.screenshot())) as image:
            size = width, round(image.height * width / image.width)
            pictures.append(ImageOps.expand(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), 1, "#8a94a0"))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * pictures[0].width, rows * pictures[0].height), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % columns * picture.width, place // columns * picture.height))
    write(sheet, name)


def take_hires_and_extras(desktop: Studio, phone: Studio, saved: Path) -> None:
    for studio, kind in ((desktop, "desktop"), (phone, "phone")):
        studio.tick("hires")
        studio.page.locator("#txt2img_hires_steps").wait_for()
        take(studio, f"hires-{kind}", at="#txt2img_hr")
        studio.tick("hires", ticked=False)
        studio.show("Extras")
        studio.page.set_input_files("#extras_single_file", saved)
        studio.page.locator("#extras_size", has_text="becomes").wait_for()
        if studio is desktop:
            with studio.new_job():
                studio.page.click("#extras_generate")
            studio.wait_for("done")
        take(studio, f"extras-{kind}")
        studio.show("txt2img")


def take_models(desktop: Studio, phone: Studio) -> None:
    desktop.show("Models")
    desktop.page.click("#models_refresh")
    desktop.page.locator('li[data-name="second"] .card').click()
    desktop.page.click("#detail_preview")
    desktop.page.locator('li[data-name="second"] img').wait_for()
    desktop.page.locator(".notice button").last.click()
    desktop.page.locator(".detail-picture").wait_for()
    take_in_both_themes(desktop, "models-desktop")
    desktop.page.click("#models_view_get")
    desktop.page.locator(".open-models li").first.wait_for()
    take(desktop, "get-models-desktop")
    phone.show("Models")
    phone.page.locator('li[data-name="second"]').wait_for()
    take(phone, "models-phone")


def take_plot(desktop: Studio, phone: Studio) -> None:
    desktop.show("txt2img")
    desktop.fill(prompt="red heart", steps="8", batch_count="1", seed="5")
    open_tab(desktop)
    choose_type(desktop, 0, "CFG Scale")
    desktop.page.fill("#plot_values_0", "1-9(+2)")
    choose_type(desktop, 1, "Sampler")
    pick(desktop, 1, "Euler", "Euler a", "DDIM")
    run(desktop)
    wait_for(desktop, "done")
    desktop.page.select_option("#plot_overlay", "sharpness")
    wait_for_pictures(desktop)
    take_in_both_themes(desktop, "plot-desktop")
    press_cell(desktop, 2, 1)
    desktop.page.click("#plot_compare")
    press_cell(desktop, 4, 1)
    desktop.page.locator("#plot_told", has_text="differ").wait_for()
    take(desktop, "plot-compare")
    desktop.page.keyboard.press("Escape")
    open_tab(phone)
    phone.page.click("#plot_older")
    phone.page.locator("#plot_list [data-plot] button").first.click()
    wait_for(phone, "done")
    wait_for_pictures(phone)
    take(phone, "plot-phone")


def take_history_and_queue(desktop: Studio, phone: Studio, app: RunningApp) -> None:
    app.wait(
        *(app.submit(prompt=name, seed=7, width=128, height=128) for name in ("red heart", "sun", "cat face", "pizza", "castle"))
    )
    for studio, name in ((desktop, "history-desktop"), (phone, "history-phone")):
        studio.show("History")
        studio.page.locator(".history-cell img").nth(5).wait_for()
        if studio is desktop:
            studio.page.locator(".history-cell").nth(2).click()
            studio.page.locator("#history_detail").get_by_text("Steps:").wait_for()
        take(studio, name)
    app.http.post("/api/v1/queue/pause")
    jobs = [app.submit(prompt=name, width=128, height=128) for name in ("rocket", "blue car", "snowman", "sailboat")]
    app.http.post(f"/api/v1/jobs/{jobs[2]}/pause")
    desktop.show("txt2img")
    desktop.page.click("#queue_opener")
    desktop.page.locator(".queue-waiting li.held").wait_for()
    take(desktop, "queue-desktop")
    desktop.page.locator("#queue header button").last.click()
    desktop.page.locator("#queue").wait_for(state="hidden")
    for job in jobs:
        app.http.delete(f"/api/v1/jobs/{job}")
    app.http.post("/api/v1/queue/resume")


def take_cards(desktop: Studio, app: RunningApp, folder: Path) -> None:
    """LoRAs whose previews are pictures of the bundled model, one of them in the prompt."""
    names = ("flowers", "harbour", "night", "orchard", "stars", "winter")
    things = ("sunflower", "sailboat", "crescent moon", "red apple", "yellow star", "snowman")
    made = app.wait(*(app.submit(prompt=thing, seed=7, width=128, height=128) for thing in things))
    for name, job in zip(names, made, strict=True):
        path = folder / "models" / "Lora" / f"{name}.safetensors"
        write_lora(path)
        shutil.copy(job["pictures"][0]["path"], path.with_suffix(".png"))
    desktop.show("txt2img")
    desktop.fill(prompt="castle")
    desktop.page.click("#txt2img_inner_lora")
    desktop.page.click("#txt2img_cards_refresh")
    desktop.page.locator('#txt2img_cards li[data-name="winter"] .card').click()
    desktop.page.locator("#txt2img_cards .card img").nth(5).wait_for()
    take(desktop, "cards-desktop")
    desktop.page.click("#txt2img_inner_generation")


def take_merger(desktop: Studio, phone: Studio) -> None:
    for studio, name in ((desktop, "merger-desktop"), (phone, "merger-phone")):
        studio.show("Checkpoint Merger")
        for field, model in (("primary", "first"), ("secondary", "second")):
            studio.page.click(f"#merger_{field}")
            studio.page.locator(f"#merger_{field}_list").get_by_role("option", name=model).click()
        studio.page.locator("#merger_sentence", has_text="Makes 0.7(first) + 0.3(second)").wait_for()
        take(studio, name)


def take_in_both_themes(studio: Studio, name: str) -> None:
    take(studio, name)
    studio.page.select_option("#theme", "dark")
    take(studio, f"{name}-dark")
    studio.page.select_option("#theme", "light")


def open_studio(browser: Browser, app: RunningApp, options: dict) -> Studio:
    return Studio(browser.new_context(**options, color_scheme="light").new_page(), app.address).open()


def make_pictures(studio: Studio, folder: Path) -> Path:
    """A job of four pictures; the first of them, as downloaded."""
    studio.generate(prompt="rocket", seed="4")
    studio.generate(prompt="castle", batch_count="4", seed="21")
    studio.page.locator(".thumb").first.click()
    return studio.download(folder)


def take(studio: Studio, name: str, at: str = "body") -> None:
    """Photograph the window, from `at` on."""
    settle(studio, at)
    with Image.open(io.BytesIO(studio.page.screenshot())) as image:
        write(image.convert("RGB"), name)


def settle(studio: Studio, at: str) -> None:
    """Scroll to `at` and wait until pictures are loaded and transitions are over."""
    studio.page.evaluate("at => { document.activeElement?.blur(); document.querySelector(at).scrollIntoView() }", at)
    studio.page.wait_for_function("() => [...document.images].every(image => !image.checkVisibility() || image.complete)")
    studio.page.wait_for_function("() => document.getAnimations().every(animation => animation.playState !== 'running')")


def write(image: Image.Image, name: str) -> None:
    path = IMAGES / f"{name}.png"
    # 256 colours are enough for an interface, and a repository keeps every version.
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
