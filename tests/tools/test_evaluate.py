"""The table that the evaluation writes, at toy size: what a file tells of its training, and which words follow from that."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.tools.starter import TINY_VAE, few_shapes, things
from tools.starter_model import evaluate, lookup, measures, modules
from tools.starter_model.evaluate import Extent, Material, Taught, conditions, gather, measure, show
from tools.starter_model.lookup import prompt_of, references
from tools.starter_model.page import BEGIN, END, around, write_measured
from tools.starter_model.pictures import Picture, PictureSet, draw_shapes, join, paint_things
from tools.starter_model.sampling import Model, Wish


def _file(path: Path, **told: object) -> Path:
    metadata = {f"periplus.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
    save_file({"weight": torch.zeros(1)}, path, metadata={"format": "pt", **metadata})
    return path


def test_a_file_tells_what_it_was_taught(tmp_path: Path):
    taught = Taught.told_by(_file(tmp_path / "a.safetensors", things=["barn"], unseen=["blue barn"]))
    assert taught == Taught(frozenset(["barn"]), frozenset(["blue barn"]), None, False)
    told = {"things": ["barn"], "unseen": [], "vae_unseen": ["leaf"], "sizes": "many"}
    taught = Taught.told_by(_file(tmp_path / "b.safetensors", **told))
    assert (taught.vae_unseen, taught.sizes) == ({"leaf"}, True)
    with pytest.raises(SystemExit, match=r"periplus\.things"):
        Taught.told_by(_file(tmp_path / "c.safetensors"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The font draws the two toy things; the path stands for the names and for the font."""
    monkeypatch.setattr(evaluate, "draw_emoji", lambda emoji, font, number: things())
    path = tmp_path / "data.json"
    path.write_text("[]")
    return path


def test_the_vae_is_measured_by_what_is_not_taught(drawn: Path):
    taught = Taught(frozenset(["barn"]), frozenset())
    material = gather(drawn, drawn, taught)
    assert [p.name for p in material.vae_test.pictures] == ["leaf"]
    assert not material.held_out
    assert gather(drawn, drawn, Taught(frozenset(["barn", "leaf"]), frozenset())).vae_test.pictures == ()


def test_the_vae_is_measured_by_what_it_was_kept_from_where_the_file_says_so(drawn: Path):
    taught = Taught(frozenset(["barn", "leaf"]), frozenset(), frozenset(["leaf"]))
    material = gather(drawn, drawn, taught)
    assert [p.name for p in material.vae_test.pictures] == ["leaf"]  # a thing that is taught: to the other networks
    assert material.held_out
    assert gather(drawn, drawn, replace(taught, vae_unseen=frozenset())).vae_test.pictures == ()


def test_pairs_that_are_of_the_colour_anyway_are_left_out(drawn: Path, monkeypatch: pytest.MonkeyPatch):
    taught = Taught(frozenset(["barn", "leaf"]), frozenset(["blue shed", "purple leaf"]))
    assert [p.name for p in gather(drawn, drawn, taught).unseen.pictures] == ["blue shed", "purple leaf"]
    monkeypatch.setattr(evaluate, "own_word", lambda pictures: ["blue", "green"])
    assert [p.name for p in gather(drawn, drawn, taught).unseen.pictures] == ["purple leaf"]


def test_things_that_are_never_painted_are_asked_for_in_a_colour_that_is_not_theirs(drawn: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluate, "own_word", lambda pictures: ["red", "green"])
    taught = Taught(frozenset(["barn", "leaf"]), frozenset(["blue leaf"]))
    assert [(p.name, p.thing) for p in gather(drawn, drawn, taught).unpainted.pictures] == [("orange shed", "barn")]


def _material() -> Material:
    painted = paint_things(things())
    unseen = painted.take([i for i, p in enumerate(painted.pictures) if p.name in ("blue shed", "yellow leaf", "pink leaf")])
    return Material(things(), draw_shapes(), painted, unseen, _unpainted(), few_shapes(), held_out=False)


def _unpainted() -> PictureSet:
    """Two that the painter does not know: the green leaf that it draws is the first, and nothing of the second."""
    barn, leaf = (picture.name for picture in things().pictures)
    asked = (Picture("green foliage", (), "painted", "green", leaf), Picture("pink hut", (), "painted", "pink", barn))
    return PictureSet(asked, things().pixels[::-1])


def _painter(pictures: PictureSet, monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, Wish]]) -> Model:
    """Draws what it knows and a leaf otherwise, and notes what it is asked for."""
    known = {
        size: dict(zip((prompt_of(p) for p in pictures.pictures), references(pictures, size), strict=True)) for size in _SIZES
    }

    def make(model: Model, prompts: list[str], wish: Wish) -> torch.Tensor:
        asked.extend((prompt, wish) for prompt in prompts)
        named = known[wish.size]
        return torch.stack(
            [named.get("green shed" if wish.seed == 2 and p == "blue shed" else p, named["leaf"]) for p in prompts]
        )

    for module in (lookup, measures):
        monkeypatch.setattr(module, "make_pictures", make)
    torch.manual_seed(0)
    return Model(None, modules.make_vae(**TINY_VAE), lambda texts: torch.zeros(len(texts), 77, 1))


_SIZES = ((128, 128), (96, 160))


def _rows(lines: list[str]) -> dict[str, str]:
    return dict(line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ") and line != "| What | Measured |")


def test_the_table_tells_what_was_found(monkeypatch: pytest.MonkeyPatch):
    material, asked = _material(), []
    model = _painter(material.everything, monkeypatch, asked)
    lines, shown = measure(model, material, Wish(steps=1), Extent(painted=2))
    rows = _rows(lines)
    assert rows["Things (2): the right one is the nearest, among the nearest five"] == "100.0 %, 100.0 %"
    assert rows["Shapes in colours (66): the right one is the nearest, among the nearest five"] == "100.0 %, 100.0 %"
    unseen = rows["Things in a colour that training never showed them in (2 pairs)"]
    assert unseen.startswith("100.0 % obeyed, 100.0 % if only the nearest thing counts")
    others = rows["Things that training painted in no colour, asked for in one (2 pairs)"]
    assert others == "50.0 % obeyed, 50.0 % if only the nearest thing counts: 50.0 % in the colour, 100.0 % the thing"
    around, without = (
        f"Things {words} (2): the right one is the nearest, among the nearest five"
        for words in (
            'among words that it was not taught, as "masterpiece, highly detailed …, cinematic, octane render"',
            'with a negative prompt of such words, "lowres, blurry, jpeg artifacts, watermark, deformed"',
        )
    )
    assert rows[around] == "50.0 %, 100.0 %"  # it knows no such prompt, and draws a leaf
    assert rows[without] == "100.0 %, 100.0 %"
    assert {prompt for prompt, wish in asked if wish.negative.startswith("lowres, ")} == {"barn", "leaf"}
    assert rows["By chance, one of the nearest five of 8 things and forms, of 80 pictures"] == "62.5 %, 6.2 %"
    assert rows["CFG scale: unlikeness to scale 1"].endswith("always rises: no")
    assert "VAE on 4 pictures that are not taught as things" in rows
    assert not [row for row in rows if row.startswith("Pictures at")]
    assert lines[-1] == "Things not among the nearest five: none."
    assert len(shown) == 2 + 66 + 2
    lines, _ = measure(model, replace(material, held_out=True), Wish(steps=1), Extent())
    assert "VAE on 4 pictures held out: it was never trained on them" in _rows(lines)


def test_several_seeds_are_told_with_how_far_they_differ(monkeypatch: pytest.MonkeyPatch):
    material, asked = _material(), []
    model = _painter(material.everything, monkeypatch, asked)
    lines, _ = measure(model, replace(material, unseen=material.unseen.take([0])), Wish(steps=1), Extent(seeds=2))
    rows = _rows(lines)
    assert rows["Things in a colour that training never showed them in (1 pairs)"].startswith(
        "50.0 % (0.0 to 100.0 by seed) obeyed"
    )
    assert {wish.seed for prompt, wish in asked if prompt == "barn"} == {1, 2}
    assert lines[-1] == "Things not among the nearest five with any seed: none."


def test_sizes_and_colours_of_two_things_are_measured_only_if_asked_for(monkeypatch: pytest.MonkeyPatch):
    material, asked = _material(), []
    model = _painter(material.everything, monkeypatch, asked)
    monkeypatch.setattr(evaluate, "_SIZES", _SIZES[1:])
    rows = _rows(measure(model, material, Wish(steps=1), Extent(more=True, sizes=True))[0])
    what = "Pictures at 160 × 96 (other sizes were taught): the right one is the nearest, among the nearest five"
    assert rows[what] == "100 %, 100 %"
    # a green leaf, whatever is asked for; both things are among the nearest five of two
    assert rows['"A cat and a red ball"'] == "both 100 %; both and the colour at the right one 0 %, at the other 0 %"
    none = material.painted.take([])
    unpainted = replace(material, painted=none, unseen=none)
    assert '"A cat and a red ball"' not in _rows(measure(model, unpainted, Wish(steps=1), Extent(more=True))[0])


def test_the_page_says_of_which_file_and_with_how_many_steps(tmp_path: Path):
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"weights")
    said = conditions(path, Wish(steps=12, seed=3), Extent(seeds=2))
    assert "12 steps" in said and "seeds 3 to 4" in said and "some.safetensors" in said
    assert len(said.split("SHA-256 `")[1].split("`")[0]) == 64
    assert "and seed 1 (" in conditions(path, Wish(), Extent())


def test_no_seed_at_all_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["x", "model", "--emojibase", "none", "--seeds", "0"])
    with pytest.raises(SystemExit):
        evaluate.main()
    assert "--seeds" in capsys.readouterr().err


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_measured(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


@pytest.mark.parametrize("text", [f"before\n{BEGIN}\nold\nafter", f"before\n{END}\nafter", f"{END}\n{BEGIN}\nafter", ""])
def test_a_page_without_both_marks_is_left_as_it_is(tmp_path: Path, text: str):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(SystemExit, match="no place"):
        write_measured(page, "new")
    assert page.read_text() == text


def test_the_sheet_shows_what_was_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures = join(few_shapes(), things())
    model = _painter(pictures, monkeypatch, [])
    show(lookup.find(model, pictures, lookup.Known.of(pictures), Wish()), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 500


def test_the_documentation_has_a_place_for_what_is_measured():
    before, after = around(evaluate._DOCUMENT)
    assert before.startswith("# ") and "##" in after
