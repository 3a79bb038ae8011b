import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.prompt_parts import (
    Network,
    UnbalancedBracket,
    find_unbalanced,
    parse_composable,
    parse_networks,
    strip_comments,
)


def test_tags_are_taken_out_with_their_arguments_by_place_and_by_name():
    text, networks = parse_networks("a <lora:foo bar:0.8:te=1> b <hypernet:y>")
    assert text == "a  b "
    assert networks == [Network("lora", ("foo bar", "0.8"), {"te": "1"}), Network("hypernet", ("y",))]


@pytest.mark.parametrize("text", ["a < b", "<lora>", "<lora:>", "a > b", "<:x>", ""])
def test_what_is_no_tag_stays_text(text):
    assert parse_networks(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog:0.8", [("a cat", 1.0), ("a dog", 0.8)]),
        ("a : -0.5 AND b:+2 AND c:.5", [("a", -0.5), ("b", 2.0), ("c", 0.5)]),
        ("(a:1.2) AND b", [("(a:1.2)", 1.0), ("b", 1.0)]),
        ("BAND ANDY and", [("BAND ANDY and", 1.0)]),
        ("a: b:c AND d:", [("a: b:c", 1.0), ("d:", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_parts_are_joined_by_and_with_weights_after_a_last_colon(text, expected):
    assert parse_composable(text) == expected


def test_comments_go_to_the_end_of_their_line():
    assert strip_comments("a # one\n# whole line\nb#two") == "a \nb"
    assert strip_comments("no comment") == "no comment"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a [b] {c})", None),
        (r"\( \[ \\(a)", None),
        ("a (b", UnbalancedBracket("(", 2)),
        ("a b)", UnbalancedBracket(")", 3)),
        ("(a [b) c", UnbalancedBracket("[", 3)),
        ("((a)", UnbalancedBracket("(", 0)),
    ],
)
def test_the_first_bracket_without_a_partner_is_found(text, expected):
    assert find_unbalanced(text) == expected


@given(st.text(st.sampled_from("aAND ()[]{}<>:#\\.1=\n"), max_size=60) | st.text(max_size=60))
def test_any_text_is_taken_apart_without_error(text):
    stripped, _ = parse_networks(strip_comments(text))
    assert parse_composable(stripped)
    find_unbalanced(stripped)


@pytest.mark.parametrize("unit", ["<", "<a:", "AND ", ":", ": ", "#", "#\n", " ", "1", "("])
def test_long_prompts_are_taken_apart_in_linear_time(unit):
    text = unit * (20_000 // len(unit))
    start = time.perf_counter()
    parse_composable(parse_networks(strip_comments(text))[0])
    find_unbalanced(text)
    assert time.perf_counter() - start < 5.0  # a quadratic scan would take minutes
