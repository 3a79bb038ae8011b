"""Settings travel in pictures: page to file, file to page, and the same pixels again."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.browser.page import Studio
from tests.data.pictures import all_pictures
from webui.storage.metadata import read_infotext


def pixels(path: str | Path) -> bytes:
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def test_generate_save_drop_send_generate_gives_identical_pixels(studio: Studio, app, stranger: Page, tmp_path):
    studio.fill(prompt='red heart, "quoted"', negative_prompt="green", seed="18446744073709551615", guidance_scale="5")
    studio.choose("sampler", "Euler a")
    first = studio.generate(steps="9", width="136")
    saved = studio.download(tmp_path)
    other = Studio(stranger, app.address).open()
    other.inspect(saved)
    table = other.page.locator(".settings-table").first.inner_text()
    assert "18446744073709551615" in table
    assert "136x128" in table
    assert "✓ here" in table
    other.send_to_txt2img()
    assert other.values("seed", "sampler", "width", "negative_prompt") == {
        "seed": "18446744073709551615",
        "sampler": "Euler a",
        "width": "136",
        "negative_prompt": "green",
    }
    second = other.press_generate()
    other.wait_for("done")
    [one], [two] = app.job(first)["pictures"], app.job(second)["pictures"]
    assert one["path"] != two["path"]
    assert pixels(one["path"]) == pixels(two["path"]) == pixels(saved)
    assert one["seed"] == two["seed"] == "18446744073709551615"


def test_the_gallery_sends_to_txt2img_too(studio: Studio):
    studio.generate(prompt="sun", seed="5", steps="3")
    studio.fill(prompt="something else", seed="-1")
    studio.page.click("#output_send")
    studio.page.locator(".notice", has_text="in the form").wait_for()
    assert studio.values("prompt", "seed", "steps") == {"prompt": "sun", "seed": "5", "steps": "3"}


def test_a_picture_dropped_on_the_prompt_fills_the_form(studio: Studio, tmp_path):
    studio.generate(prompt="blue heart", seed="6", steps="3")
    saved = studio.download(tmp_path)
    studio.fill(prompt="", seed="-1")
    dropped = studio.page.evaluate_handle(
        """bytes => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "heart.png", {type: "image/png"})); return data; }""",
        list(saved.read_bytes()),
    )
    studio.page.dispatch_event("#txt2img_prompt textarea", "drop", {"dataTransfer": dropped})
    studio.page.locator(".notice", has_text="in the form").wait_for()
    assert studio.values("prompt", "seed") == {"prompt": "blue heart", "seed": "6"}


def test_of_two_files_dropped_at_once_each_goes_where_it_was_dropped(studio: Studio, tmp_path):
    studio.generate(prompt="blue heart", seed="6", steps="3")
    saved = studio.download(tmp_path)
    studio.fill(prompt="", seed="-1")
    studio.show("PNG Info")
    studio.page.locator("#pnginfo_drop").wait_for()
    studio.show("txt2img")
    studio.page.evaluate(
        """([heart, words]) => {
            const drop = (target, name, content) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(content)], name, {type: "image/png"}));
                const event = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
                document.querySelector(target).dispatchEvent(event);
            };
            drop("#txt2img_prompt textarea", "heart.png", heart);
            drop("#pnginfo_drop", "words.png", words);
        }""",
        [list(saved.read_bytes()), list(b"just some words")],
    )
    studio.page.locator(".notice", has_text="in the form").wait_for()
    assert studio.values("prompt", "seed") == {"prompt": "blue heart", "seed": "6"}
    studio.page.wait_for_function("() => /words.png/.test(document.querySelector('.pnginfo-result .warning')?.textContent)")
    assert studio.page.locator(".notice-error").count() == 0


def test_many_remarks_are_one_notice(studio: Studio):
    studio.page.evaluate(
        "async remarks => (await import('/webui-assets/js/form.js')).restored('txt2img', {count: 3, remarks})",
        ["One.", "Two.", "Three.", "Four."],
    )
    notices = studio.page.locator(".notice")
    assert notices.count() == 1
    assert "The picture's settings are in the form." in notices.inner_text()
    assert "Four." in notices.inner_text()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_files_without_settings_get_a_message_that_names_them(studio: Studio, tmp_path):
    whole = tmp_path / "whole.png"
    Image.new("RGB", (32, 32), "red").save(whole)
    data = whole.read_bytes()
    files = {
        "no text": data,
        "truncated": data[:50],
        "no picture": b"just some words",
        "huge text": data[:33] + chunk(b"tEXt", b"parameters\0" + b"x" * 100_000_000) + data[33:],
    }
    for name, content in files.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(content)
        studio.inspect(path)
        studio.page.locator(".pnginfo-result .warning", has_text=path.name).wait_for()
        assert studio.page.locator("#pnginfo_send").count() == 0


def test_a_graph_of_comfyui_fills_the_form_and_tells_what_it_could_not_use(studio: Studio, tmp_path):
    made = {made.name: made for made in all_pictures()}
    path = tmp_path / "controlled.png"
    path.write_bytes(made["comfyui-controlled.png"].data)
    studio.inspect(path)
    result = studio.page.locator(".pnginfo-result")
    assert "Made by ComfyUI" in result.inner_text()
    assert "Not used here: ControlNet 1: canny, strength 0.7" in result.inner_text()
    studio.page.click("#pnginfo_notes summary")
    assert studio.page.locator("#pnginfo_notes li").first.inner_text().startswith("CheckpointLoaderSimple")
    other = tmp_path / "other.png"
    other.write_bytes(made["comfyui-custom.png"].data)
    studio.page.set_input_files("#pnginfo_other", other)
    compared = studio.page.locator("#pnginfo_comparison table")
    compared.wait_for()
    assert "SGM Uniform" in compared.inner_text()
    assert "1234567890123" not in compared.inner_text()
    studio.send_to_txt2img()
    assert studio.values("prompt", "seed", "steps", "width") == {
        "prompt": "a red heart :0.5 AND a blue circle :0.5",
        "seed": "1234567890123",
        "steps": "21",
        "width": "832",
    }


def test_a_picture_made_lately_is_freed_of_its_settings_given_them_back_and_sent_to_the_plot(studio: Studio, app, tmp_path):
    page = studio.page
    studio.generate(prompt="green star", seed="11", steps="3")
    studio.fill(prompt="", seed="-1")
    studio.show("PNG Info")
    page.click("#pnginfo_recent_open")
    page.locator("#pnginfo_recent .thumb").first.click()
    page.locator("#pnginfo_remove").wait_for()
    with page.expect_download() as clean:
        page.click("#pnginfo_remove")
    assert "-clean" in clean.value.suggested_filename
    clean.value.save_as(tmp_path / "clean.png")
    assert read_infotext(tmp_path / "clean.png", "clean.png").infotext is None
    with page.expect_download() as written:
        page.set_input_files("#pnginfo_write_file", tmp_path / "clean.png")
    written.value.save_as(tmp_path / "written.png")
    assert (read_infotext(tmp_path / "written.png", "x.png").infotext or "").startswith("green star")
    assert pixels(tmp_path / "clean.png") == pixels(tmp_path / "written.png")
    page.fill("#pnginfo_url", "http://127.0.0.1/x.png")
    page.click("#pnginfo_fetch")
    page.locator(".notice-error", has_text="Allow http:// and https:// URLs for input images").wait_for()
    page.click("#pnginfo_send_plot")
    page.locator("#plot_prompt", has_text="green star").wait_for()
    assert studio.values("seed") == {"seed": "11"}
