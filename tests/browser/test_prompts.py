"""The prompt editor: keys, completion, undo over everything, prompts used last."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Request, expect

from tests.browser.page import AT_ONCE, Studio
from tests.library.conftest import wait_until
from tests.running import RunningApp

STYLES = 'name,prompt,negative_prompt\nemoji,"{prompt}, emoji",flat\nzinc,grey,\n'
TAGS = "long_hair,0,4000000,longhair\nlong_sleeves,0,1500000,\nmiku_(vocaloid),4,90000,\n"

#: How many steps lead to each text: what is typed, selected by | |, or where the caret | stands.
WEIGHTS = [
    ("a c|at b", 1, "a (c|at:1.1) b"),
    ("a (c|at:1.1) b", -1, "a c|at b"),
    ("a (cat dog|) b", 1, "a (cat dog|:1.2) b"),
    ("(((c|at))) b", 1, "(c|at:1.43) b"),
    ("[c|at] b", -1, "(c|at:0.81) b"),
    ("[a:c|at:0.5]", 1, "[a:(c|at:1.1):0.5]"),
    ("[cow|\N{BROKEN BAR}horse]", 1, "[(cow|:1.1)\N{BROKEN BAR}horse]"),
    ("a |big cat| b", 1, "a (|big cat|:1.1) b"),
    ("a |(big cat:1.3)| b", -1, "a (|big cat|:1.2) b"),
    ("a |big (cat| b)", 1, None),
    ("<lora:x:0|.8>", 1, "<lora:x:0|.85>"),
    ("<lora:x|>", -1, "<lora:x|:0.95>"),
    ("<lora:x:1:0.5|>", 1, "<lora:x:1.05:|0.55>"),
    ("<lora:x:0|@0,1@0.5>", 1, None),
    (r"\(c|at\)", 1, r"\((c|at:1.1)\)"),
    ("(a (b|:1.2):1.3)", -1, "(a (b|:1.1):1.3)"),
    ("a, | b", 1, None),
    ("<lora:x:1>| b", -1, "<lora:x:0.95>| b"),
    ("a ((cat))|", 1, "a (cat:1.31)|"),
]
PARTS = [
    ("a, b|, c", 1, "a, c, b|"),
    ("a, b|, c", -1, "b|, a, c"),
    ("a|, b, c", -1, None),
    ("a|, (x, y:1.2), c", 1, "(x, y:1.2), a|, c"),
    ("q, (x|, y:1.2), c", 1, "q, (y, x|:1.2), c"),
    ("one|, , two", 1, "two, , one|"),
    ("<lora:a:1>|\nb", 1, "b\n<lora:a:1>|"),
]
WORDS = [
    ("a cat, long hair|", ["long hair", "hair"]),
    ("<lora:in|", ["in"]),
    ("<in|:1>", ["in"]),
    ("a __col|", ["col"]),
    ("one two three four|", ["four"]),
    ("wo|rd", []),
    ("cat, 1.25|", []),
    ("# remark wor|", []),
    ("a < b, long|", ["long"]),
    ("__colour__ lon|", ["__colour__ lon", "lon"]),
    ("a __co|lour__ b", ["co"]),
]

# Each case (text, argument) through a function of the page's modules: the text with | at the caret or round the selection.
TABLES = """async ({weights, parts, words}) => {
    const { weighted } = await import("/webui-assets/js/prompt-weights.js");
    const { movedPart } = await import("/webui-assets/js/prompt-parts.js");
    const { wordsAt } = await import("/webui-assets/js/prompt-word.js");
    const options = { step: 0.1, tagStep: 0.05, delimiters: ".,\\\\/!?%^*;:{}=`~() \\t\\r\\n" };
    const read = (marked) => {
        const [first, last] = [marked.indexOf("|"), marked.lastIndexOf("|")];
        return [marked.replaceAll("|", "").replaceAll("\\u00a6", "|"), first, first === last ? first : last - 1];
    };
    const show = (found) => found && [[0, found.start], [found.start, found.end], [found.end]]
        .filter(([from, to], at) => at !== 1 || from < to)
        .map(([from, to]) => found.text.slice(from, to).replaceAll("|", "\\u00a6")).join("|");
    const ofWords = ([marked]) => wordsAt(...read(marked)).map(({ text }) => text);
    return {
        weights: weights.map(([marked, up]) => show(weighted(...read(marked), up, options))),
        parts: parts.map(([marked, step]) => show(movedPart(...read(marked), step))),
        words: words.map(ofWords),
    };
}"""


def add_lora(path: Path, activation_text: str) -> None:
    """A file with a header that names a LoRA's tensors, and the notes beside it."""
    names = ("lora_down", [1, 320]), ("lora_up", [320, 1])
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    header = {
        f"{block}.{name}.weight": {"dtype": "F16", "shape": shape, "data_offsets": [at * 640, at * 640 + 640]}
        for at, (name, shape) in enumerate(names)
    }
    head = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(1280))
    path.with_suffix(".json").write_text(json.dumps({"activation text": activation_text, "preferred weight": 0.7}))


@pytest.fixture
def names(app: RunningApp) -> Iterator[None]:
    """Styles, tags and a LoRA that the program knows."""
    data = Path(app.http.get("/sdapi/v1/cmd-flags").json()["data_dir"])
    lora = data / "models/Lora/zebrink.safetensors"
    files = [data / "styles.csv", data / "tags/danbooru.csv", lora, lora.with_suffix(".json")]
    files[1].parent.mkdir(exist_ok=True)
    files[0].write_text(STYLES, "utf-8")
    files[1].write_text(TAGS, "utf-8")
    add_lora(lora, "ink wash")
    app.http.post("/api/v1/models/refresh").raise_for_status()
    wait_until(lambda: ask(app, "tag", "long") and ask(app, "lora", "zeb"), seconds=60)
    yield
    for path in files:
        path.unlink()


def ask(app: RunningApp, kind: str, text: str) -> list[dict]:
    return app.http.get("/api/v1/names", params={"kinds": kind, "q": text}).raise_for_status().json()


class Editor:
    """The prompts of a page and the keys in them."""

    def __init__(self, studio: Studio) -> None:
        self.keys = studio.page.keyboard
        self.prompt, self.negative = studio.field("prompt"), studio.field("negative_prompt")
        self.list = studio.page.locator("#prompt_names")
        self.styles: Locator = studio.page.locator("#txt2img_styles .token")

    def expect(self, prompt: str, *styles: str, negative: str = "") -> None:
        expect(self.prompt).to_have_value(prompt)
        expect(self.negative).to_have_value(negative)
        expect(self.styles).to_have_text(list(styles))

    def complete(self, typed: str, first: str) -> None:
        """Type it, as one step, and wait for the list whose first name is this."""
        self.prompt.evaluate("(box, text) => document.execCommand('insertText', false, text)", typed)
        expect(self.list).to_be_visible()
        expect(self.list.locator("li .prompt-name").first).to_have_text(first)


def test_names_keys_and_styles_are_undone_by_one_ctrl_z(names, studio: Studio):
    editor, page = Editor(studio), studio.page
    editor.prompt.click()
    editor.complete("<zeb", "zebrink")
    assert editor.prompt.get_attribute("role") == "combobox"
    editor.keys.press("ArrowDown")
    assert editor.prompt.get_attribute("aria-activedescendant") == editor.list.locator("li.active").get_attribute("id")
    editor.keys.press("Enter")
    editor.expect("<lora:zebrink:0.7>")
    expect(editor.list).to_be_hidden()
    assert editor.prompt.get_attribute("role") is None
    page.locator("#txt2img_prompt_words button", has_text="ink wash").wait_for()
    editor.keys.press("Control+ArrowUp")
    editor.expect("<lora:zebrink:0.75>")
    page.locator("#txt2img_prompt_words button").click()
    editor.expect("<lora:zebrink:0.75>, ink wash")
    expect(page.locator("#txt2img_prompt_words button")).to_have_count(0)

    asked: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    page.on("request", on_request)
    editor.prompt.evaluate(AT_ONCE, ", long h")
    expect(editor.list).to_be_visible()
    page.remove_listener("request", on_request)
    assert sum("/api/v1/names" in address for address in asked) == 1  # not one for each key
    editor.keys.press("Escape")
    expect(editor.list).to_be_hidden()
    editor.complete("a", "long_hair")
    editor.keys.press("Tab")
    editor.expect("<lora:zebrink:0.75>, ink wash, long hair, ")
    editor.complete("emoj", "emoji")
    editor.keys.press("Tab")
    editor.expect("<lora:zebrink:0.75>, ink wash, long hair", "emoji")
    undo(
        editor,
        ("<lora:zebrink:0.75>, ink wash, long hair, emoj", [], ""),
        ("<lora:zebrink:0.75>, ink wash, long hair, ", [], ""),
        ("<lora:zebrink:0.75>, ink wash, long ha", [], ""),
    )
    while editor.prompt.input_value():
        before_that = editor.prompt.input_value()
        editor.prompt.press("Control+z")
        expect(editor.prompt).not_to_have_value(before_that)
    for _ in range(40):
        editor.prompt.press("Control+Shift+z")
    editor.expect("<lora:zebrink:0.75>, ink wash, long hair", "emoji")


def undo(editor: Editor, *states: tuple[str, list[str], str]) -> None:
    """Step back through these: prompt, styles, negative prompt."""
    for prompt, styles, negative in states:
        editor.prompt.press("Control+z")
        editor.expect(prompt, *styles, negative=negative)


def test_applied_styles_prompts_used_last_and_sent_settings_are_undone_too(names, studio: Studio):
    editor, page = Editor(studio), studio.page
    studio.generate(prompt="okapi castle", negative_prompt="old", steps="2")
    studio.fill(prompt="", negative_prompt="", steps="3")
    editor.prompt.click()
    editor.complete("emoj", "emoji")
    editor.keys.press("Tab")
    editor.expect("", "emoji")
    editor.prompt.evaluate(AT_ONCE, "cat")
    page.click("#txt2img_style_apply")
    editor.expect("cat, emoji", negative="flat")

    page.click("#txt2img_prompt_history")
    page.locator("#prompt_history_search").fill("okapi")
    page.locator(".used-prompts[aria-busy=false]").wait_for()
    expect(page.locator(".used-put")).to_have_count(1)
    assert page.locator(".used-put img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.locator(".used-put").click()
    editor.expect("okapi castle", negative="old")
    page.click("#txt2img_prompt_history")
    page.locator(".used-all").first.click()
    expect(studio.field("steps")).to_have_value("2")

    undo(
        editor,
        ("okapi castle", [], "old"),  # without the settings that were sent
        ("cat, emoji", [], "flat"),
        ("cat", ["emoji"], ""),
        ("", ["emoji"], ""),
    )
    expect(studio.field("steps")).to_have_value("3")
    for _ in range(10):
        editor.prompt.press("Control+Shift+z")
    editor.expect("okapi castle", negative="old")
    expect(studio.field("steps")).to_have_value("2")


def test_weights_and_parts_change_as_the_tables_say_and_completion_knows_what_is_typed(studio: Studio):
    tables = {"weights": WEIGHTS, "parts": PARTS, "words": WORDS}
    found = studio.page.evaluate(TABLES, tables)
    assert found == {name: [case[-1] for case in cases] for name, cases in tables.items()}


def test_enter_and_the_input_method_stay_what_they_are_while_a_list_is_open(names, studio: Studio):
    editor = Editor(studio)
    editor.prompt.click()
    editor.complete("long", "long_hair")
    editor.keys.press("Enter")  # nothing is pointed at
    editor.expect("long\n")
    editor.complete("lon", "long_hair")
    composing = "element => element.dispatchEvent(new KeyboardEvent('keydown', {key: 'Tab', isComposing: true, bubbles: true}))"
    editor.prompt.evaluate(composing)
    editor.expect("long\nlon")
    studio.page.locator("#prompt_names li").last.click()
    editor.expect("long\nlong sleeves, ")
