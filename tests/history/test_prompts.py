from pathlib import Path

from tests.history.made import NOON, infotext, make_picture
from webui.history import prompts
from webui.history.index import HistoryIndex
from webui.history.prompts import last_prompts
from webui.history.scanning import Scanner


def fill(outputs: Path, scanner: Scanner, texts: list[str]) -> None:
    """The last is the newest."""
    for number, text in enumerate(texts):
        make_picture(outputs / f"txt2img-images/{number:03}.png", text, time=NOON + number)
    scanner.scan()


def pairs(page) -> list[tuple[str, str]]:
    return [(used.prompt, used.negative_prompt) for used in page.prompts]


def test_each_pair_of_prompts_comes_once_with_its_newest_picture(index: HistoryIndex, outputs, scanner):
    other = infotext("a cat").replace("blurry", "dog")
    fill(outputs, scanner, [infotext("a cat"), infotext("a dog"), other, infotext("a cat", seed=7), "", "no settings at all"])
    page = last_prompts(index, "", after=None, count=9)
    assert pairs(page)[-3:] == [("a cat", "blurry"), ("a cat", "dog"), ("a dog", "blurry")]
    assert page.prompts[-3].entry.seed == "7"
    assert page.prompts[-3].infotext == infotext("a cat", seed=7)
    assert page.after is None


def test_a_search_finds_prompts_by_words_of_their_settings(index, outputs, scanner):
    fill(outputs, scanner, [infotext("a cat"), infotext("a dog", model="other")])
    assert pairs(last_prompts(index, "cat", after=None, count=9)) == [("a cat", "blurry")]
    assert pairs(last_prompts(index, "model:other", after=None, count=9)) == [("a dog", "blurry")]


def test_the_grid_beside_the_pictures_is_passed_over(index, outputs, scanner):
    make_picture(outputs / "txt2img-grids/grid-0.png", infotext("all cells"))
    scanner.scan()
    assert last_prompts(index, "", after=None, count=9).prompts == ()


def test_pages_follow_each_other_and_look_at_so_many_pictures_at_most(index, outputs, scanner, monkeypatch):
    fill(outputs, scanner, [infotext(f"a cat {number}") for number in range(5)])
    first = last_prompts(index, "", after=None, count=2)
    assert [used.prompt for used in first.prompts] == ["a cat 4", "a cat 3"]
    monkeypatch.setattr(prompts, "_MOST", 2)
    monkeypatch.setattr(prompts, "_EACH", 1)
    second = last_prompts(index, "", after=first.after, count=9)
    assert [used.prompt for used in second.prompts] == ["a cat 2", "a cat 1"]
    third = last_prompts(index, "", after=second.after, count=9)
    assert ([used.prompt for used in third.prompts], third.after) == (["a cat 0"], None)
