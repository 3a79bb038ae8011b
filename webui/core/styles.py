"""Styles: named texts that are put into a prompt, and found again in one. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from webui.core.prompt_parts import strip_comments

#: Where a style's text holds this, the prompt goes there; otherwise the text goes behind the prompt.
PLACE = "{prompt}"

#: Of characters: more than any request takes. A style that holds the prompt twice, asked for forty times, would fill the memory.
_TOO_LONG = 100_000


@dataclass(frozen=True)
class Style:
    """A name with a text for the prompt and one for the negative prompt; either may be empty."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""

    @property
    def changes_something(self) -> bool:
        return any(text.strip() not in ("", PLACE) for text in (self.prompt, self.negative_prompt))


def apply_styles(styles: Sequence[Style], prompt: str, negative_prompt: str) -> tuple[str, str]:
    """Both prompts with the styles' texts in them, one style after another.

    Comments go first, the prompt's and the styles' own: a # would take everything that is put behind it along.
    """
    if not styles:
        return prompt, negative_prompt
    return (
        _put_in([style.prompt for style in styles], prompt),
        _put_in([style.negative_prompt for style in styles], negative_prompt),
    )


def _put_in(texts: Iterable[str], prompt: str) -> str:
    prompt = strip_comments(prompt)
    for text in map(strip_comments, texts):
        if len(prompt) > _TOO_LONG:
            break
        if PLACE in text:
            prompt = text.replace(PLACE, prompt)
        else:
            prompt = ", ".join(part for part in (prompt.strip(), text.strip()) if part)
    return prompt


def find_styles(styles: Iterable[Style], prompt: str, negative_prompt: str) -> tuple[list[Style], str, str]:
    """The styles whose texts stand in both prompts, in the order in which they were applied, and the prompts without them.

    The last one applied is the outermost, so styles are taken off from the outside until none fits.
    """
    left = [style for style in styles if style.changes_something]
    found: list[Style] = []
    while match := _first_match(left, prompt, negative_prompt):
        style, prompt, negative_prompt = match
        left.remove(style)
        found.insert(0, style)
    return found, prompt, negative_prompt


def _first_match(styles: list[Style], prompt: str, negative_prompt: str) -> tuple[Style, str, str] | None:
    for style in styles:
        rest, negative_rest = _take_out(style.prompt, prompt), _take_out(style.negative_prompt, negative_prompt)
        if rest is not None and negative_rest is not None:
            return style, rest, negative_rest
    return None


def _take_out(text: str, prompt: str) -> str | None:
    """The prompt without a style's text, white space set aside; None where it is not there as `apply_styles` puts it."""
    text = strip_comments(text).strip()
    if not text:
        return prompt
    before, place, after = text.partition(PLACE)
    if not place:
        if found := re.search(rf"(?:^|,\s*|^\s+){_spaced(text)}\s*$", prompt):
            return prompt[: found.start()]
        return None
    found = re.fullmatch(rf"\s*{_spaced(before)}(.*){_spaced(after)}\s*", prompt, re.DOTALL)
    return found[1] if found else None


def _spaced(text: str) -> str:
    """A pattern for the text in which any white space stands for any other: pictures' texts lose double spaces and lines."""
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))
