from __future__ import annotations

from pathlib import Path

import pytest

from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest
from webui.plugins.loader import PluginManager
from webui.plugins.testing import load_extension


@pytest.fixture
def wildcards(tmp_path: Path) -> PluginManager:
    lists = tmp_path / "wildcards"
    (lists / "animals").mkdir(parents=True)
    (lists / "animals" / "small.txt").write_text("mouse\nrat # not a mouse\n\n")
    (lists / "animals" / "large.txt").write_text("2::ox\n{brown|white} bear\n")
    (lists / "round.txt").write_text("__round__\n")
    extension = load_extension(Path(__file__).resolve().parent.parent, data_dir=tmp_path)
    extension.start()
    return extension


def drawn(wildcards: PluginManager, prompt: str, seed: int = 1, combination: int = 0, **others) -> GenerationRequest:
    options = {"use": True, "combination": combination}
    values = {"prompt": prompt, "seed": seed, "extras": {"wildcards": options}, **others}
    return wildcards.fold("alter_request", wildcards.check(GenerationRequest.from_dict(values)))


def all_of(wildcards: PluginManager, template: str, count: int) -> list[str]:
    return [drawn(wildcards, template, combination=index + 1).prompt for index in range(count)]


def test_the_same_seed_draws_the_same_and_others_draw_all(wildcards: PluginManager):
    template = "{red|green|{light|dark} blue} car"
    seen = [drawn(wildcards, template, seed).prompt for seed in range(60)]
    assert seen == [drawn(wildcards, template, seed).prompt for seed in range(60)]
    assert set(seen) == {"red car", "green car", "light blue car", "dark blue car"}


def test_weights_count(wildcards: PluginManager):
    seen = [drawn(wildcards, "{9::a|b|0::c}", seed).prompt for seed in range(300)]
    assert (240 < seen.count("a") < 300, seen.count("c")) == (True, 0)


def test_combinations_are_counted_through_and_begin_anew(wildcards: PluginManager):
    assert all_of(wildcards, "{a|b} {1|{2|3}}", 7) == ["a 1", "a 2", "a 3", "b 1", "b 2", "b 3", "a 1"]
    assert all_of(wildcards, "__animals/*__", 5) == ["ox", "brown bear", "white bear", "mouse", "rat"]


def test_template_and_result_both_stand_in_the_infotext_and_come_back(wildcards: PluginManager):
    request = drawn(wildcards, "a {b|c}", combination=5, negative_prompt="{d|e}")
    text = infotext.format(request, kinds=wildcards.kinds)
    assert text.startswith("a b\nNegative prompt: ")
    assert "Wildcard combination: 1, Template: a {b|c}, Negative Template: {d|e}" in text
    restored = infotext.restore(infotext.parse(text), wildcards.kinds).values
    assert restored["wildcards.template"] == "a {b|c}"
    again = drawn(wildcards, restored["prompt"], extras={"wildcards": {"use": True, "template": restored["wildcards.template"]}})
    assert (again.prompt, infotext.format(again, kinds=wildcards.kinds).count("Template: a {b|c}")) == ("a b", 1)


def test_wildcards_may_stand_beside_each_other(wildcards: PluginManager):
    assert drawn(wildcards, "__animals/small____animals/small__", combination=2).prompt == "mouserat"


def test_lists_that_name_each_other_often_are_read_and_counted_once_each(wildcards: PluginManager, tmp_path: Path):
    for depth in range(20):
        lines = "".join(f"{letter} __deep{depth + 1}__\n" for letter in "abc")
        (tmp_path / "wildcards" / f"deep{depth}.txt").write_text(lines)
    (tmp_path / "wildcards" / "deep20.txt").write_text("end\n")
    assert drawn(wildcards, "__deep0__", combination=2).prompt == "a " * 19 + "b end"


def test_a_prompt_without_anything_to_draw_stays_as_it_is(wildcards: PluginManager):
    for prompt in ("a cat", "a { cat", "snake_case__", r"\{a\|b\}"):
        assert drawn(wildcards, prompt).prompt == prompt.replace("\\", "")


def test_what_is_wrong_is_told_at_the_prompt(wildcards: PluginManager):
    with pytest.raises(InvalidRequest, match=r"There is no wildcard __anmals/small__; .*Did you mean “animals/small”") as refused:
        drawn(wildcards, "an __anmals/small__")
    assert refused.value.field == "prompt"
    with pytest.raises(InvalidRequest, match="names itself: round → round"):
        drawn(wildcards, "__round__")
