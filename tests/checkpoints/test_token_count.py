from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.checkpoints.token_count import count_tokens, tokenize, words_of
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.core.chunks import split_chunks


def engine_tokens(text: str) -> list[int]:
    return clip_tokenizer()(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]  # pyright: ignore


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a photo of a cat",
        "Don't  STOP\n\tnow 2024",
        "naïve 日本 😀",
        "1girl, blue_eyes",
        "<|endoftext|> x",
        "\u202e\x00 e\u0301",
    ],
)
def test_tokens_are_those_of_the_engine(text: str):
    assert tokenize(text) == engine_tokens(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_the_engines_tokens(text: str):
    assert tokenize(text) == engine_tokens(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["cat", "a very long word", ", ", "(dog:1.2)", " BREAK ", "[x]", "\\("]), max_size=60))
def test_limit_is_the_length_of_the_engines_chunks(words: list[str]):
    text = " ".join(words)
    chunks = split_chunks(text, engine_tokens)
    assert count_tokens(text) == (75 * (len(chunks) - 1) + len(chunks[-1].tokens), 75 * len(chunks))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 75)),
        ("a cat", (2, 75)),
        ("cat " * 75, (75, 75)),
        ("cat " * 76, (76, 150)),
        ("cat BREAK dog", (76, 150)),
        ("a (cat:1.3)", (2, 75)),
        ("a cat # and a comment", (2, 75)),
        ("a cat <lora:fluffy cats:0.8>", (2, 75)),
        ("cat AND a black dog:0.5", (3, 75)),
        ("[cat:a black dog:0.5]", (3, 75)),
        ("[cat|a black dog]", (3, 75)),
    ],
)
def test_count_is_that_of_the_longest_text_that_is_encoded(text: str, expected: tuple[int, int]):
    assert count_tokens(text) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["cat", "Zebrafish", ", ", "(zebrafish:1.2)", " BREAK ", "bad cat", "bad"]), max_size=60))
def test_embeddings_count_as_in_the_engines_chunks(words: list[str]):
    text, known = " ".join(words), words_of([("zebrafish", 9), ("bad cat", 30), ("bad", 2)])
    chunks = split_chunks(text, engine_tokens, words=known)
    assert count_tokens(text, words=known) == (75 * (len(chunks) - 1) + len(chunks[-1].tokens), 75 * len(chunks))


def test_in_the_negative_prompt_and_is_a_word():
    assert count_tokens("cat AND dog", negative=True) == (3, 75)


def test_brackets_count_where_emphasis_is_off():
    assert count_tokens("(cat)", emphasis="None") == (3, 75)


def test_counting_loads_neither_torch_nor_transformers():
    code = (
        "import sys, webui.checkpoints.token_count as t; t.count_tokens('a'); print({'torch', 'transformers'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "set()"
