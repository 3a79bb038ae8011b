import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.prompt import parse_attention
from webui.core.prompt_parts import parse_composable, parse_networks, strip_comments
from webui.core.prompt_schedule import prompt_schedule


def alternating(*texts: str) -> list[tuple[int, str]]:
    return [(step, texts[(step - 1) % len(texts)]) for step in range(1, 11)]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("no schedule", "test", [(10, "test")]),
        ("[a:b:n] is a through step n, then b", "x [a:b:4] y", [(4, "x a y"), (10, "x b y")]),
        ("[b:n] is nothing, then b", "a [b:3]", [(3, "a "), (10, "a b")]),
        ("[a::n] is a, then nothing", "[a::4]", [(4, "a"), (10, "")]),
        ("spaces are allowed round n", "a [b : c : 1 ] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a number with a point is a share of the steps", "a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("1.0 is all steps, 1 is the first", "[a:b:1.0]", [(10, "a")]),
        ("1.0 is all steps, 1 is the first", "[a:b:1]", [(1, "a"), (10, "b")]),
        ("n is clamped to the steps", "[a:b:99]", [(10, "a")]),
        ("n below 1 means changed from the start", "[a:b:0]", [(10, "b")]),
        ("n below 1 means changed from the start", "[a:b:-3]", [(10, "b")]),
        ("[a|b|c] is one per step in turn", "[a|b|c]", alternating("a", "b", "c")),
        ("items of an alternation may be empty", "[fe|]male", alternating("female", "male")),
        ("attention inside is fine", "[a|(b:1.1)]", alternating("a", "(b:1.1)")),
        ("attention inside is fine", "[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("brackets inside stay brackets", "a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("any depth of nesting", "a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a schedule inside attention", "(a [b:3]:1.2)", [(3, "(a :1.2)"), (10, "(a b:1.2)")]),
        ("| inside a schedule is text", "a [{b|d{:.5] c", [(5, "a  c"), (10, "a {b|d{ c")]),
        ("what is malformed is text", "a [unbalanced", [(10, "a [unbalanced")]),
        ("what is malformed is text", "((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("what is malformed is text", "[a:b:c:3] [:] [a:b] (a:3)", [(10, "[a:b:c:3] [:] [a:b] (a:3)")]),
        ("an escaped bracket is text", r"\[a:3\]", [(10, r"\[a:3\]")]),
        ("attention is left alone", "((a)) [b] (c:1.2)", [(10, "((a)) [b] (c:1.2)")]),
    ],
)
def test_scheduling_rules(rule, text, expected):
    assert prompt_schedule(text, 10) == expected, rule


def test_an_alternation_of_schedules_keeps_both_rhythms():
    said = prompt_schedule("[x|[y:z:5]]", 10)
    assert said == [(step, text) for step, text in enumerate("xyxyxzxzxz", start=1)]


@pytest.mark.parametrize(
    ("rule", "text", "first", "hires"),
    [
        ("fraction f is (f − 1) · S2 in the hires pass", "[a:b:1.5]", [(10, "a")], [(10, "a"), (20, "b")]),
        ("integer n is n − S1 in the hires pass", "[a:b:14]", [(10, "a")], [(4, "a"), (20, "b")]),
        ("fractions 0 to 1 act in the first pass, and are changed in the second", "[a:b:.5]", [(5, "a"), (10, "b")], [(20, "b")]),
        ("integers 1 to S1 act in the first pass, and are changed in the second", "[a:b:5]", [(5, "a"), (10, "b")], [(20, "b")]),
        ("1.0 and S1 are the end of the first pass", "[a:b:1.0]", [(10, "a")], [(20, "b")]),
        ("1.0 and S1 are the end of the first pass", "[a:b:10]", [(10, "a")], [(20, "b")]),
        ("2.0 is the end of the second pass", "[a:b:2.0]", [(10, "a")], [(20, "a")]),
        ("nothing, then b", "[b:1.5]", [(10, "")], [(10, ""), (20, "b")]),
        ("a, then nothing", "[a::14]", [(10, "a")], [(4, "a"), (20, "")]),
    ],
)
def test_the_hires_pass_goes_on_counting(rule, text, first, hires):
    assert prompt_schedule(text, 10) == first, rule
    assert prompt_schedule(text, 10, 20) == hires, rule


@pytest.mark.parametrize(
    ("rule", "text", "first", "hires"),
    [
        ("values below 1 are fractions", "[a:b:.5]", [(5, "a"), (10, "b")], [(10, "a"), (20, "b")]),
        ("others are steps, with or without a point", "[a:b:3.9]", [(3, "a"), (10, "b")], [(3, "a"), (20, "b")]),
        ("the second pass starts again", "[a:b:14]", [(10, "a")], [(14, "a"), (20, "b")]),
    ],
)
def test_the_old_rules(rule, text, first, hires):
    assert prompt_schedule(text, 10, old=True) == first, rule
    assert prompt_schedule(text, 10, 20, old=True) == hires, rule


SIGNS = "ab ()[]:|\\.,1290-{}<>\n"


@settings(max_examples=500)
@given(
    text=st.text(st.sampled_from(SIGNS), max_size=60) | st.text(max_size=60),
    steps=st.integers(1, 30),
    hires=st.none() | st.integers(1, 30),
    old=st.booleans(),
)
def test_any_text_gives_a_schedule_that_rises_to_the_last_step(text, steps, hires, old):
    check_schedule(text, steps, hires, old)


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_texts_drawn_in_a_loop_do_too(seed):
    drawn = random.Random(seed)  # hypothesis takes many times as long for each
    for _ in range(2_500):
        text = "".join(drawn.choices(SIGNS, k=drawn.randrange(61)))
        check_schedule(text, drawn.randint(1, 30), drawn.choice([None, drawn.randint(1, 30)]), drawn.random() < 0.5)


def check_schedule(text, steps, hires, old):
    schedule = prompt_schedule(parse_networks(strip_comments(text))[0], steps, hires, old)
    assert all(parse_attention(part) for _, said in schedule for part, _ in parse_composable(said))
    ends = [end for end, _ in schedule]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == (hires or steps)


@given(st.text(st.characters(exclude_characters="[]"), max_size=60))
def test_without_square_brackets_a_text_is_its_own_schedule(text):
    assert prompt_schedule(text, 7) == [(7, text)]


@pytest.mark.parametrize("unit", ["[", "(", "[a:b:3]", "[a|", "]", "[(", "[a:[b:3]:4]"])
def test_long_prompts_are_read_in_linear_time(unit):
    start = time.perf_counter()
    prompt_schedule(unit * (20_000 // len(unit)), 150)
    assert time.perf_counter() - start < 5.0  # 0.2 s; a quadratic scan would take minutes
