"""A language that nobody speaks: every text of the page 40 % longer, and written from the right. And what does not fit."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.test_accessibility import SETTLED
from tools.languages import page_words
from webui.ui.texts import table

NAME = "Longer"

_FILLING = "lorem ipsum dolor sit amet consetetur sadipscing elitr "

_NO_WORDS = re.compile(r"\{\w+\}|<[^>]+>")


def longer(text: str) -> str:
    more = math.ceil(0.4 * len(_NO_WORDS.sub("", text)))
    return f"{text} {(_FILLING * (more // len(_FILLING) + 1))[: max(1, more - 1)].strip()}"


def write_language(folder: Path) -> None:
    """As a localisation file of A1111 in a data folder."""
    words = {text: longer(text) for text in [*table().values(), *page_words()]}
    path = folder / "localizations" / f"{NAME}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rtl": True, **words}), encoding="utf-8")


#: Where words leave the window, their button, or what cuts them off, and where the header or Generate lies over something.
#: What the style sheet ends with dots on purpose, and what can be scrolled to, is no fault.
_FAULTS = """() => {
    const wide = document.documentElement.clientWidth;
    const found = document.documentElement.scrollWidth > wide ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
    const style = (element) => getComputedStyle(element);
    const above = (element) => { const all = []; for (let at = element; at && at !== document.body; at = at.parentElement) all.push(at); return all };
    const name = (element) => `${element.tagName} #${element.closest("[id]")?.id}`;
    const words = "button, label, legend, summary, h1, h2, h3, h4, a, th, span[data-testid=block-info]";
    const seen = (element) => element.checkVisibility() && !element.closest(".off-screen, .visually-hidden, [inert]");
    for (const element of [...document.querySelectorAll(words)].filter(seen)) {
        const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const text = walker.currentNode;
            const parents = above(text.parentElement);
            if (!text.data.trim() || !seen(text.parentElement) || text.parentElement.closest("select, .off-screen")) continue;
            if (parents.some((each) => each.getBoundingClientRect().width < 3)) continue; // for screen readers alone
            if (parents.some((each) => style(each).textOverflow === "ellipsis" && each.scrollWidth > each.clientWidth)) continue;
            const scrolled = parents.findIndex((each) => /auto|scroll/.test(style(each).overflowX));
            const cutting = (scrolled < 0 ? parents : parents.slice(0, scrolled)).filter((each) => /hidden|clip/.test(style(each).overflowX));
            const range = document.createRange();
            range.selectNodeContents(text);
            for (const box of range.getClientRects()) {
                if (box.width < 2) continue;
                const leaves = (frame) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 3;
                const out = scrolled < 0 && (box.left < -1 || box.right > wide + 1);
                const cut = cutting.some((each) => leaves(each.getBoundingClientRect()));
                const burst = element.matches("button, a") && leaves(element.getBoundingClientRect());
                if (out || cut || burst) found.push(`${out ? "out of the window" : cut ? "cut off" : "out of its button"}: ${name(element)} ${text.data.trim()}`);
            }
        }
    }
    const parts = "#header button, #header .block, #header h1, #tabs > .tab-wrapper, [id$=_generate], [id$=_prompt].block";
    const boxes = [...document.querySelectorAll(parts)].filter(seen).map((each) => [each, each.getBoundingClientRect()]);
    boxes.forEach(([one, a], index) => boxes.slice(index + 1).forEach(([other, b]) => {
        const apart = a.left >= b.right - 1 || b.left >= a.right - 1 || a.top >= b.bottom - 1 || b.top >= a.bottom - 1;
        if (!apart && !one.contains(other) && !other.contains(one)) found.push(`${name(one)} lies over ${name(other)}`);
    }));
    return [...new Set(found)];
}"""  # noqa: E501


def faults(page: Page) -> list[str]:
    page.evaluate(SETTLED)
    return page.evaluate(_FAULTS)
