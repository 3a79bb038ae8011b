"""What `<lora:…>` tags say, in the forms that A1111 and two of its extensions have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core.lora_blocks import block_of, block_weights
from webui.core.lora_tag_edits import renamed, with_lora, with_lora_weight
from webui.core.lora_tags import Curve, LoraTag, Share, lora_names, read_lora_tags
from webui.errors import InvalidRequest


def read(tag: str) -> LoraTag:
    [found] = read_lora_tags(tag)
    return found


def shares(te: float, unet: float) -> Share:
    return Share(Curve.constant(te), Curve.constant(unet))


@pytest.mark.parametrize(
    ("tag", "te", "unet"),
    [
        ("<lora:ink>", 1, 1),
        ("<lora:ink:0.8>", 0.8, 0.8),
        ("<lyco:ink:-0.5>", -0.5, -0.5),
        ("<lora:ink:0.2:0.6>", 0.2, 0.6),
        ("<lora:ink:te=0.2:unet=0.6>", 0.2, 0.6),
        ("<lora:ink:unet=0.6>", 1, 0.6),
        ("<lora:ink:0.3:te=0.1>", 0.1, 0.1),
    ],
)
def test_shares_of_text_encoders_and_unet(tag: str, te: float, unet: float):
    assert read(tag).first == read(tag).second == shares(te, unet)


def test_ranks_that_count():
    assert read("<lora:ink:1:1:16>").dyn == read("<lora:ink:1:dyn=16>").dyn == 16
    assert read("<lora:ink:1>").dyn is None


def test_shares_of_the_second_pass():
    assert read("<lora:ink:1:hr=0.5>").second == shares(0.5, 0.5)
    assert read("<lora:ink:1:0.9:hr=0.5:hrte=0>").second == shares(0, 0.5)
    assert read("<lora:ink:0.4:hrunet=0.7>").second == shares(0.4, 0.7)


def test_weights_by_share_of_the_steps():
    curve = read("<lora:ink:0@0,1@0.5>").first.unet
    assert [curve.at(step, 5) for step in range(5)] == [0, 0.5, 1, 1, 1]
    assert curve.changes and read("<lora:ink:0@0,1@0.5>").changes(second=False)


def test_weights_by_number_of_steps():
    curve = read("<lora:ink:te=0:unet=1@2,0@6>").first.unet
    assert [curve.at(step, 20) for step in (0, 2, 4, 6, 19)] == [1, 1, 0.5, 0, 0]


def test_steps_between_which_it_counts():
    tag = read("<lora:ink:1:start=2:stop=4>")
    assert [tag.unet_at(step, 6, second=False) for step in range(6)] == [0, 0, 1, 1, 0, 0]
    assert read("<lora:ink:1:step=2-4>") == tag
    assert tag.changes(second=True)
    assert read("<lora:ink:1:start= :stop= >") == read("<lora:ink:1>")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-2, 2)), min_size=1), st.integers(0, 19))
def test_a_curve_stays_between_its_weights(points: list[tuple[float, float]], step: int):
    weights = [weight for _, weight in points]
    found = Curve(tuple(sorted(points))).at(step, 20)
    assert min(weights) - 1e-9 <= found <= max(weights) + 1e-9


def test_blocks_stand_in_any_place():
    numbers = ",".join("1" * 17)
    assert read(f"<lora:ink:1:{numbers}>").blocks == read(f"<lora:ink:1:lbw={numbers}>").blocks == numbers
    assert read("<lora:ink:0.5:0.7:MIDD>").blocks == "MIDD"
    assert read("<lora:ink:0.5:0.7:MIDD>").first == shares(0.5, 0.7)


def test_what_others_add_is_passed_over():
    assert read("<lora:ink:1:x=3:why=not>") == read("<lora:ink:1>")


@pytest.mark.parametrize("tag", ["<lora:ink:>", "<lora:ink:1..2>", "<lora:ink:te=x>", "<lora:ink:1e9>", "<lora:ink:0@x,1@1>"])
def test_a_weight_that_is_none_is_told_with_the_name(tag: str):
    with pytest.raises(InvalidRequest, match=r"<lora:ink>: “.*” is no weight; write a number such as 0.8"):
        read(tag)


def test_tags_in_comments_do_not_count():
    assert lora_names("a <lora:ink:1> cat # <lora:oil:1>") == ["ink"]


# ---- blocks


@pytest.mark.parametrize(("count", "sdxl"), [(17, False), (26, False), (12, True), (20, True)])
def test_lists_of_each_length(count: int, sdxl: bool):
    found = block_weights("ink", ",".join(map(str, range(count))), sdxl=sdxl)
    assert list(found.values()) == list(range(count))
    assert (found["BASE"], found["M00"]) == (0, {17: 7, 26: 13, 12: 5, 20: 10}[count])


def test_presets_choose_blocks_of_the_family():
    small, large = (block_weights("ink", "outd", sdxl=sdxl) for sdxl in (False, True))
    assert [name for name, weight in small.items() if weight] == ["BASE", "OUT03", "OUT04", "OUT05", "OUT06"]
    assert [name for name, weight in large.items() if weight] == ["BASE", "OUT00", "OUT01", "OUT02"]
    assert set(block_weights("ink", "ALL0.5", sdxl=True).values()) == {0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "3 block weights were found, SD 1.x and 2.x has 17 or 26"),
        ("FACES", "there are no block weights “FACES”. Known are NONE, ALL"),
        (",".join("R" * 17), "could not be made again"),
        (",".join(["nan"] * 17), "the block weight is “nan”, a number from -1000 to 1000 was expected"),
        (",".join(["-inf"] * 17), "the block weight is “-inf”"),
        (",".join(["1e300"] * 17), "the block weight is “1e300”"),
    ],
)
def test_blocks_that_are_none_are_told(text: str, message: str):
    with pytest.raises(InvalidRequest, match=message):
        block_weights("ink", text, sdxl=False)


@pytest.mark.parametrize(
    ("key", "block"),
    [("input_blocks.4.1.proj_in.weight", "IN04"), ("middle_block.1.norm.bias", "M00"), ("output_blocks.11.0.x", "OUT11"),
     ("time_embed.0.weight", "BASE")],
)  # fmt: skip
def test_the_block_of_a_tensor(key: str, block: str):
    assert block_of(key) == block


# ---- edits


def test_renamed_files_are_called_as_they_are_now():
    assert renamed("<lora:a:1> <lyco:b> <lora:ab:1>", {"a": "x", "b": "y"}) == "<lora:x:1> <lyco:y> <lora:ab:1>"


def test_a_tag_in_an_empty_prompt():
    assert with_lora("", "ink") == "<lora:ink:1>"
    assert with_lora_weight("", 1.0) is None


@pytest.mark.parametrize(
    ("tag", "changed"),
    [
        ("<lora:ink>", "<lora:ink:0.5>"),
        ("<lora:ink:1:0.3:te=1:hr=0.2>", "<lora:ink:0.5:hr=0.2>"),
        ("<lyco:ink:1:OUTD>", "<lyco:ink:0.5:OUTD>"),
        ("<lora:ink:1:1:16>", "<lora:ink:0.5:dyn=16>"),
        ("<lora:ink:0@0,1@1:1,0,1:start=2>", "<lora:ink:0.5:1,0,1:start=2>"),
        ("<lora:ink:1:1::INALL:dyn=8>", "<lora:ink:0.5:INALL:dyn=8>"),
    ],
)
def test_another_weight_leaves_blocks_ranks_and_steps(tag: str, changed: str):
    assert with_lora_weight(f"a {tag} cat {tag}", 0.5) == f"a {changed} cat {tag}"
