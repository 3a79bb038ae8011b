"""All file-name patterns of A1111, and what is said of those that cannot be meant."""

from datetime import UTC, datetime

import pytest

from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.storage.name_patterns import FILLS, NameFacts, check_pattern, expand, unknown_patterns

REQUEST = GenerationRequest(
    prompt="red heart, big",
    negative_prompt="blur",
    seed=7,
    steps=9,
    width=128,
    height=256,
    checkpoint="sub/starter",
    vae="None",
    sampler="Euler a",
    scheduler="Karras",
    hires=True,
    denoising_strength=0.5,
)
MOMENT = datetime(2026, 1, 31, 23, 59, 58, tzinfo=UTC)
FACTS = NameFacts(
    request=REQUEST,
    seeds=[6, 7],
    batch_size=2,
    position=2,
    number=4,
    model_hash="0123456789",
    styles=["Film", "Soft"],
    prompt_without_styles="red heart",
    user="ann",
    now=MOMENT,
    started=MOMENT,
    image_hash=lambda: "abcdef" * 10,
)

PROMPT_HASHES = ("prompt_hash", "negative_prompt_hash", "full_prompt_hash")

EXPECTED = {
    "[basename]": "img",
    "[seed]": "7",
    "[seed_first]": "6",
    "[seed_last]": "7",
    "[steps]": "9",
    "[cfg]": "7.0",
    "[width]": "128",
    "[height]": "256",
    "[styles]": "Film, Soft",
    "[sampler]": "Euler a",
    "[scheduler]": "Karras",
    "[sampler_scheduler]": "Euler a Karras",
    "[model_hash]": "0123456789",
    "[model_name]": "starter",
    "[vae_filename]": "NoneType",
    "[date]": "2026-01-31",
    "[datetime]": "20260131235958",
    "[datetime<%Y/%m>]": "2026_01",
    "[datetime<%d %H><Asia/Tokyo>]": "01 08",
    "[job_timestamp]": "20260131235958",
    "[prompt]": "red_heart,_big",
    "[prompt_spaces]": "red heart, big",
    "[prompt_no_styles]": "red heart",
    "[prompt_words]": "red heart big",
    "[hasprompt<heart|none><star|round><x>]": "heartround",
    "[batch_number]": "2",
    "[batch_size]": "2",
    "[generation_number]": "4",
    "[clip_skip]": "1",
    "[denoising]": "0.5",
    "[user]": "ann",
    "[image_hash<6>]": "abcdef",
    "[none]": "",
}


@pytest.mark.parametrize("pattern", EXPECTED)
def test_each_pattern_comes_to_its_value(pattern):
    assert expand(pattern, FACTS) == EXPECTED[pattern]


@pytest.mark.parametrize("pattern", PROMPT_HASHES)
def test_hashes_of_prompts_have_as_many_digits_as_asked_for(pattern):
    whole = expand(f"[{pattern}<64>]", FACTS)
    assert len(whole) == 64
    assert expand(f"[{pattern}]", FACTS) == whole[:8]
    assert expand(f"[{pattern}<12>]", FACTS) == whole[:12]


def test_every_pattern_has_an_example_here():
    assert {*PROMPT_HASHES, *(pattern.strip("[]").partition("<")[0] for pattern in EXPECTED)} == set(FILLS)


def test_nothing_takes_the_text_before_it_along():
    alone = NameFacts(request=REQUEST, seeds=[7], now=MOMENT)
    assert expand("[seed]-[seed_last]", alone) == "7"
    assert expand("[seed] no [generation_number] of [batch_number]", alone) == "7"
    assert expand("x[none]", alone) == ""


def test_what_is_no_pattern_stays_and_is_told_with_what_is_near():
    assert expand("[[model_name]] [sed]", FACTS) == "[starter] [sed]"
    [sentence] = unknown_patterns("[[model_name]] [sed]")
    assert "[sed] is no pattern" in sentence
    assert "“seed”" in sentence


def test_values_bring_no_folder_along():
    request = GenerationRequest(prompt="../../etc/passwd", checkpoint="a/b", vae="c/d.vae")
    assert expand("[prompt]|[model_name]|[vae_filename]", NameFacts(request=request)) == ".._.._etc_passwd|b|d.vae"


@pytest.mark.parametrize(
    ("pattern", "folders", "words"),
    [
        ("[seed", False, "not closed"),
        ("seed]", False, "not opened"),
        ("a/[seed]", False, "Directory name pattern"),
        ("../[date]", True, "no “..”"),
        ("/tmp/[date]", True, "no “..”"),
        ("C:\\x", True, "drive"),
        ("[datetime<%Y><Mars/Olympus>]", False, "no time zone"),
        ("[datetime<%Y><Europe>]", False, "no time zone"),
        ("[datetime<%Y><../../x>]", False, "no time zone"),
        ("[prompt_hash<99>]", False, "1 to 64"),
        ("[image_hash<x>]", False, "1 to 64"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused_with_the_reason(pattern, folders, words):
    with pytest.raises(InvalidRequest, match=words) as caught:
        check_pattern("samples_filename_pattern", pattern, folders=folders)
    assert caught.value.field == "samples_filename_pattern"


@pytest.mark.parametrize("pattern", ["", "[date]/[model_name]", "[datetime<%Y-%m><UTC>]", "x/[hasprompt<a|b>]"])
def test_a_good_pattern_passes(pattern):
    check_pattern("directories_filename_pattern", pattern, folders=True)
