import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.prompt import BREAK_WEIGHT, parse_attention

BREAK = ("BREAK", BREAK_WEIGHT)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("no marks, weight 1", "", [("", 1.0)]),
        ("no marks, weight 1", "plain", [("plain", 1.0)]),
        ("(x) is ×1.1", "a (b) c", [("a ", 1.0), ("b", 1.1), (" c", 1.0)]),
        ("(x) nests", "((b))", [("b", 1.1 * 1.1)]),
        ("[x] is ÷1.1", "a [b] c", [("a ", 1.0), ("b", 1 / 1.1), (" c", 1.0)]),
        ("[x] nests", "[[b]]", [("b", 1 / 1.1 / 1.1)]),
        ("(x:w) is ×w", "(b:1.5)", [("b", 1.5)]),
        ("(x:w) multiplies: enclosing brackets still count", "((b:2))", [("b", 2 * 1.1)]),
        ("spaces round the number are allowed", "(b: 1.4 )", [("b", 1.4)]),
        ("w has an optional sign, digits and dots", "(b:-0.5)", [("b", -0.5)]),
        ("w has an optional sign, digits and dots", "(b:+.5)", [("b", 0.5)]),
        (
            "an escaped bracket or backslash is literal, a lone backslash is dropped",
            r"\(b\) \[c\] \\ \d",
            [(r"(b) [c] \ d", 1.0)],
        ),
        ("an unclosed ( or [ applies to the end", "(open", [("open", 1.1)]),
        ("an unclosed ( or [ applies to the end", "[open", [("open", 1 / 1.1)]),
        (":w) with no open bracket, ] or ) unmatched are text", "b) c] :1.2)", [("b) c] :1.2)", 1.0)]),
        ("what is no number is text", "(b:1.2.3)", [("b:1.2.3", 1.1)]),
        ("a colon outside brackets is text", "a:b", [("a:b", 1.0)]),
        ("surrounding space of a BREAK is eaten", "a BREAK b", [("a", 1.0), BREAK, ("b", 1.0)]),
        ("a BREAK in weighted brackets stays one", "(a BREAK b:1.5)", [("a", 1.5), BREAK, ("b", 1.5)]),
        ("BREAK is a word of its own, in capitals", "BREAKS NOBREAK break", [("BREAKS NOBREAK break", 1.0)]),
        ("surrounding space of a BREAK is eaten", "a\n BREAK \nBREAK", [("a", 1.0), BREAK, BREAK]),
        ("neighbouring pieces of equal weight are merged", "(a)(b) c d", [("ab", 1.1), (" c d", 1.0)]),
    ],
)
def test_attention_rules(rule, text, expected):
    found = parse_attention(text)
    assert [piece for piece, _ in found] == [piece for piece, _ in expected], rule
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected]), rule


@given(st.text(st.sampled_from("ab ()[]:\\1.-BREAK\n"), max_size=60) | st.text(max_size=60))
def test_any_text_is_parsed_without_error_and_neighbours_differ(text):
    pieces = parse_attention(text)
    assert pieces
    for (_, before), (_, after) in pairwise(pieces):
        assert before != after or BREAK_WEIGHT in (before, after)


@given(st.text(st.characters(exclude_characters="()[]\\:"), max_size=60).filter(lambda text: "BREAK" not in text))
def test_text_without_marks_comes_back_as_it_is(text):
    assert parse_attention(text) == [(text, 1.0)]


@pytest.mark.parametrize("unit", ["(", "[]()", " ", "BREAK ", "B", ": ", "\\", "(a:1.1)"])
def test_long_prompts_are_parsed_in_linear_time(unit):
    start = time.perf_counter()
    parse_attention(unit * (20_000 // len(unit)))
    assert time.perf_counter() - start < 2.0  # 0.03 s; a quadratic scan would take minutes
