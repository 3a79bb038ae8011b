"""How a text is cut into chunks; words stand for tokens here."""

from __future__ import annotations

import pytest

from webui.core.chunks import CHUNK, PLACEHOLDER, Word, Words, split_chunks

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


# ---- words with vectors of their own

BAD, BADCAT = Word("bad", (3,), 4), Word("bad cat", (3, CAT), 2)


def words_in(text: str, *words: Word) -> list[tuple[list[int], list[tuple[int, str]]]]:
    return [(chunk.tokens, chunk.words) for chunk in split_chunks(text, tokenize, words=Words(words))]


def test_a_word_takes_as_many_places_as_it_has_vectors():
    assert words_in("cat bad dog", BAD) == [([CAT, PLACEHOLDER, PLACEHOLDER, PLACEHOLDER, PLACEHOLDER, DOG], [(1, "bad")])]


def test_the_longest_word_counts():
    assert words_in("bad cat bad dog", BAD, BADCAT) == [([0, 0, 0, 0, 0, 0, DOG], [(0, "bad cat"), (2, "bad")])]


def test_of_two_words_with_the_same_tokens_the_first_counts():
    assert words_in("bad", BAD, Word("Bad", (3,), 1))[0][1] == [(0, "bad")]


def test_the_weight_of_a_word_is_that_of_all_its_vectors():
    (chunk,) = split_chunks("(bad:1.5) cat", tokenize, words=Words([BAD]))
    assert chunk.weights == [1.5] * 4 + [1.0]


def test_a_word_is_never_cut_by_the_end_of_a_chunk():
    first, second = words_in("cat " * 72 + "bad dog", BAD)
    assert first == ([CAT] * 72, [])
    assert second == ([PLACEHOLDER] * 4 + [DOG], [(0, "bad")])


def test_a_word_that_just_fits_stays():
    assert words_in("cat " * 71 + "bad", BAD) == [([CAT] * 71 + [PLACEHOLDER] * 4, [(71, "bad")])]


def test_a_word_moves_on_with_what_follows_a_comma():
    first, second = words_in("cat " * 60 + ", bad " + "dog " * 12, BAD)
    assert first == ([CAT] * 60 + [COMMA], [])
    assert second == ([PLACEHOLDER] * 4 + [DOG] * 12, [(0, "bad")])


def test_a_word_before_the_comma_stays():
    first, second = words_in("bad " + "cat " * 60 + ", " + "dog " * 20, BAD)
    assert first == ([PLACEHOLDER] * 4 + [CAT] * 60 + [COMMA], [(0, "bad")])
    assert second == ([DOG] * 20, [])


def test_a_word_is_not_found_across_a_change_of_weight():
    assert words_in("bad (cat:1.5)", BADCAT) == [([3, CAT], [])]


def test_a_word_without_tokens_is_never_found():
    assert words_in("cat", Word("", (), 1)) == [([CAT], [])]
