import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.styles import Style, apply_styles, find_styles

PHOTO = Style("photo", "photo of {prompt}, 35mm", "drawing")
DETAIL = Style("detail", "highly detailed", "")
CLEAN = Style("clean", "", "blurry, noise")


@pytest.mark.parametrize(
    ("styles", "prompt", "expected"),
    [
        ([], " a cat ", " a cat "),
        ([DETAIL], "a cat", "a cat, highly detailed"),
        ([DETAIL], " a cat ", "a cat, highly detailed"),
        ([DETAIL], "", "highly detailed"),
        ([CLEAN], "a cat", "a cat"),
        ([PHOTO], "a cat", "photo of a cat, 35mm"),
        ([PHOTO], "", "photo of , 35mm"),
        ([DETAIL, PHOTO], "a cat", "photo of a cat, highly detailed, 35mm"),
        ([PHOTO, DETAIL], "a cat", "photo of a cat, 35mm, highly detailed"),
        ([Style("twice", "{prompt} and {prompt}")], "a cat", "a cat and a cat"),
    ],
)
def test_a_style_goes_round_its_place_or_behind_the_prompt(styles, prompt, expected):
    assert apply_styles(styles, prompt, "")[0] == expected


def test_the_negative_prompt_takes_the_other_text():
    assert apply_styles([PHOTO, CLEAN], "a cat", "ugly") == ("photo of a cat, 35mm", "ugly, drawing, blurry, noise")


def test_comments_go_first_so_that_none_swallows_a_style():
    style = Style("style", "red # the colour", "")
    assert apply_styles([style], "a cat # my cat", "# nothing\nblue") == ("a cat, red", "blue")


def test_without_a_style_a_comment_stays():
    assert apply_styles([], "a cat # my cat", "") == ("a cat # my cat", "")


def test_a_style_that_doubles_the_prompt_fills_no_memory():
    assert 20_000 < len(apply_styles([Style("twice", "{prompt}{prompt}")] * 60, "a cat", "")[0]) < 1_000_000


@pytest.mark.parametrize("styles", [[PHOTO], [DETAIL], [CLEAN], [DETAIL, PHOTO], [PHOTO, DETAIL], [CLEAN, PHOTO, DETAIL]])
@pytest.mark.parametrize("prompt", ["a cat", "a cat,\n(red:1.2) hat", ""])
def test_applied_styles_are_found_in_their_order_and_taken_off(styles, prompt):
    merged = apply_styles(styles, prompt, "ugly")
    assert find_styles([CLEAN, DETAIL, PHOTO], *merged) == (styles, prompt, "ugly")


def test_a_style_is_found_only_where_both_of_its_texts_stand():
    assert find_styles([PHOTO], "photo of a cat, 35mm", "ugly")[0] == []
    assert find_styles([PHOTO], "a cat", "drawing")[0] == []


@pytest.mark.parametrize("prompt", ["unhighly detailed", "highly detailed cat", "a cat highly detailed"])
def test_a_text_that_no_style_was_put_into_stays_as_it_is(prompt):
    assert find_styles([DETAIL], prompt, "") == ([], prompt, "")


@pytest.mark.parametrize("style", [Style("empty"), Style("bare", "{prompt}", " ")])
def test_a_style_without_texts_is_never_found(style):
    assert find_styles([style], "a cat", "")[0] == []


def test_white_space_of_another_kind_hides_no_style():
    assert find_styles([Style("s", "highly  detailed,\nsharp")], "a cat,highly detailed, sharp ", "")[1] == "a cat"


def test_brackets_and_backslashes_of_a_style_are_no_pattern():
    style = Style("s", r"(a|b]* \( {prompt} [", "")
    merged = apply_styles([style], "a cat", "")
    assert find_styles([style], *merged) == ([style], "a cat", "")


TEXTS = st.text(alphabet="ab ,#{}()\n\\", max_size=12)
STYLES = st.lists(st.builds(Style, name=st.just("s"), prompt=TEXTS | TEXTS.map(lambda text: text + "{prompt}")), max_size=3)


@given(STYLES, TEXTS, TEXTS)
def test_what_was_taken_off_gives_the_same_words_when_it_is_applied_again(styles, prompt, negative_prompt):
    found, rest, negative_rest = find_styles(styles, prompt, negative_prompt)
    if "#" not in prompt + negative_prompt and found:
        for before, after in zip((prompt, negative_prompt), apply_styles(found, rest, negative_rest), strict=True):
            assert after.replace(",", " , ").split() == before.replace(",", " , ").split()
