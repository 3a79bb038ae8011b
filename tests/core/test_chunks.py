"""How a text is cut into chunks; words stand for tokens here."""

from __future__ import annotations

import pytest

from webui.core.chunks import CHUNK, split_chunks

CAT, DOG, COMMA = 1, 2, 0
_WORDS = {",": COMMA, "cat": CAT, "dog": DOG}


def tokenize(text: str) -> list[int]:
    return [_WORDS.get(word, 3) for word in text.replace(",", " , ").split()]


def chunk_tokens(text: str, emphasis: str = "Original") -> list[list[int]]:
    return [chunk.tokens for chunk in split_chunks(text, tokenize, emphasis)]


def test_chunk_takes_75_tokens():
    assert chunk_tokens("cat " * 75) == [[CAT] * CHUNK]
    assert chunk_tokens("cat " * 76) == [[CAT] * CHUNK, [CAT]]
    assert chunk_tokens("") == [[]]


def test_full_chunk_is_cut_after_a_comma_among_its_last_20_tokens():
    # 60 cats, comma, 14 dogs fill the chunk; the dogs move on together.
    assert chunk_tokens("cat " * 60 + ", " + "dog " * 20) == [[CAT] * 60 + [COMMA], [DOG] * 20]


def test_comma_further_back_does_not_cut():
    first, second = chunk_tokens("cat " * 54 + ", " + "dog " * 30)
    assert first == [CAT] * 54 + [COMMA] + [DOG] * 20
    assert second == [DOG] * 10


def test_comma_20_from_the_end_is_the_first_that_cuts():
    assert chunk_tokens("cat " * 55 + ", " + "dog " * 30) == [[CAT] * 55 + [COMMA], [DOG] * 30]


def test_comma_that_finds_the_chunk_full_begins_the_next():
    assert chunk_tokens("cat " * 75 + ", dog") == [[CAT] * 75, [COMMA, DOG]]


def test_break_pads_out_the_chunk():
    assert chunk_tokens("cat BREAK dog") == [[CAT], [DOG]]
    assert chunk_tokens("cat BREAK") == [[CAT]]
    assert chunk_tokens("BREAK cat") == [[], [CAT]]


def test_weights_go_with_their_tokens():
    (chunk,) = split_chunks("cat (dog:1.5)", tokenize)
    assert (chunk.tokens, chunk.weights) == ([CAT, DOG], [1.0, 1.5])


def test_weights_move_with_tokens_to_the_next_chunk():
    first, second = split_chunks("cat " * 60 + ", (" + "dog " * 20 + ":1.5)", tokenize)
    assert set(first.weights) == {1.0}
    assert second.weights == [1.5] * 20


def test_without_emphasis_brackets_and_break_are_text():
    (chunk,) = split_chunks("cat BREAK ((dog:1.5))", tokenize, "None")
    assert chunk.tokens == [CAT, 3, 3]
    assert set(chunk.weights) == {1.0}


@pytest.mark.parametrize("emphasis", ["Original", "No norm", "Ignore"])
def test_other_modes_read_the_same_chunks(emphasis: str):
    assert split_chunks("a (cat:2) BREAK dog", tokenize, emphasis) == split_chunks("a (cat:2) BREAK dog", tokenize)


def test_very_long_prompt_keeps_every_token():
    assert sum(map(len, chunk_tokens("cat, " * 2000))) == 4000
