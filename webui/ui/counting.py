"""The token counters at the prompts: how many tokens, of how many, and which bracket has no partner."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from webui.checkpoints.embedding_files import first_of_each
from webui.checkpoints.text_widths import text_widths
from webui.core.chunks import NO_WORDS, Words
from webui.core.params import check_value
from webui.core.prompt_parts import UnbalancedBracket, find_unbalanced, parse_networks
from webui.core.samplers import find_sampler
from webui.errors import InvalidRequest
from webui.ui.form import FIELDS
from webui.ui.models import find
from webui.ui.services import PageServices
from webui.ui.styles import merged
from webui.ui.texts import t


def count(
    text: Any, *, steps: int = 20, negative: bool = False, emphasis: str = "Original", words: Words = NO_WORDS
) -> dict[str, Any]:
    """What a counter shows.

    Returns:
        `used` and `limit`, None where the text cannot be a prompt; `problem` and `warning` in words; `at`: where the bracket
        stands that the problem names, counted from 0, else None.
    """
    from webui.checkpoints.token_count import count_tokens  # 0.2 s that starting the page does not have to pay

    try:
        check_value(FIELDS["negative_prompt" if negative else "prompt"], text)
    except InvalidRequest as error:
        return {"used": None, "limit": None, "problem": str(error), "warning": "", "at": None}
    used, limit = count_tokens(text, steps=steps, negative=negative, emphasis=emphasis, words=words)
    warning = t("counter.networks") if negative and parse_networks(text)[1] else ""
    found = unbalanced(text)
    at = found.position if found else None
    return {"used": used, "limit": limit, "problem": in_words(found), "warning": warning, "at": at}


def unbalanced(text: str) -> UnbalancedBracket | None:
    """The bracket without a partner."""
    # Comments are blanked instead of taken out, so that places stay what they are.
    return find_unbalanced(re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), text))


def in_words(found: UnbalancedBracket | None) -> str:
    """Which bracket it is and where, counted from 1; empty if all have a partner."""
    if found is None:
        return ""
    key = "counter.unclosed" if found.character in "([{" else "counter.unopened"
    return t(key, character=found.character, position=found.position + 1)


def count_both(
    prompt: Any, negative_prompt: Any, steps: Any, sampler: Any, emphasis: Any, words: Words = NO_WORDS
) -> dict[str, Any]:
    """Both counters by field name, of a form as it stands; steps and methods that cannot be used count as the default."""
    info = find_sampler(sampler) if isinstance(sampler, str) else None
    options: dict[str, Any] = {
        "steps": (steps if type(steps) is int and 0 < steps <= 150 else 20) * (info.calls if info else 1),
        "emphasis": emphasis if emphasis in FIELDS["emphasis"].param.choices else "Original",
        "words": words,
    }
    return {"prompt": count(prompt, **options), "negative_prompt": count(negative_prompt, negative=True, **options)}


def _of_own(told: dict[str, Any], text: Any) -> dict[str, Any]:
    """The place of a bracket in the box's own text, where it is not a style that has it."""
    if not told["problem"] or told["used"] is None:
        return told
    found = unbalanced(text)
    return told | ({"problem": in_words(found), "at": found.position} if found else {"at": None})


def embeddings_for(services: PageServices, checkpoint: Any, prompt: Any = "") -> Words:
    """The embeddings that a checkpoint takes, as words for the counter, with those in the LoRAs that a prompt names."""
    from webui.checkpoints.token_count import words_of

    info = find(services.catalog, checkpoint if isinstance(checkpoint, str) else None)
    widths = text_widths(info) if info else ()
    carried = services.library.calling.carried(prompt) if isinstance(prompt, str) else ()
    fitting = (one for one in (*services.embeddings.all(), *carried) if one.fits(widths))
    return words_of((one.name, one.vectors) for one in first_of_each(fitting))


def connect(services: PageServices) -> None:
    """Let the script ask when typing has paused: `count_both` of the prompts as they are queued, with styles and embeddings."""

    def count_tokens(
        prompt: Any, negative_prompt: Any, steps: Any, sampler: Any, emphasis: Any, styles: Any, checkpoint: Any
    ) -> dict[str, Any]:
        values = merged(services.styles, {"prompt": prompt, "negative_prompt": negative_prompt}, styles)
        words = embeddings_for(services, checkpoint, values["prompt"])
        told = count_both(values["prompt"], values["negative_prompt"], steps, sampler, emphasis, words)
        return {name: _of_own(told[name], text) for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt))}

    gr.api(count_tokens, api_name="count_tokens", queue=False)  # pyright: ignore[reportPrivateImportUsage]
