"""Searching and filtering, with the index of words and without it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.history.made import NOON
from webui.errors import PictureNotFound
from webui.history import index as index_module
from webui.history.entries import Facts
from webui.history.index import HistoryIndex
from webui.history.query import HistoryQuery

DAY = 24 * 3600

PICTURES = {
    "heart": ("a red heart, oil painting", "starter", "txt2img", 20, 111),
    "castle": ("a blue castle at night", "sd_xl_base_1.0", "txt2img", 25, 222),
    "cat": ("café cat in red (castle:1.2)", "starter", "img2img", 200, 333),
    "kanji": ("赤い猫と城", "starter", "txt2img", 2, 444),
    "plain": ("", "", "other", 0, 0),
}


def put(index: HistoryIndex, name: str, place: int, *, favourite: bool = False) -> None:
    prompt, model, kind, steps, seed = PICTURES[name]
    text = f"{prompt}\nSteps: {steps}, Sampler: DPM++ 2M, CFG scale: 7.0, Seed: {seed}, Model: {model}" if prompt else ""
    facts = Facts(width=8, height=8, infotext=text, prompt=prompt, model=model, seed=str(seed), kind=kind)
    index.put([(Path(f"/out/{name}.png"), 10, int((NOON + place * DAY) * 1e9), facts, f"out/{name}.png", favourite)])


@pytest.fixture(params=[True, False], ids=["words", "letters"])
def filled(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Newest last: heart, castle, cat, kanji, plain; the castle is a favourite."""
    if not request.param:
        monkeypatch.setattr(index_module, "_WORDS", "CREATE VIRTUAL TABLE words USING no_such_module(x);")
    index = HistoryIndex(tmp_path / "history.sqlite")
    assert index.indexes_words is request.param
    for place, name in enumerate(PICTURES):
        put(index, name, place, favourite=name == "castle")
    yield index
    index.close()


def found(index: HistoryIndex, search: str = "", **filters) -> list[str]:
    query = HistoryQuery(search=search, **filters)
    names = [entry.path.stem for entry in index.page(query, after=None, count=10)]
    assert index.total(query) == len(names)
    return names


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", ["plain", "kanji", "cat", "castle", "heart"]),
        ("red", ["cat", "heart"]),
        ("RED heart", ["heart"]),
        ("cast", ["cat", "castle"]),
        ('"blue castle"', ["castle"]),
        ('"castle blue"', []),
        ("red -heart", ["cat"]),
        ("-red -blue", ["plain", "kanji"]),
        ("steps:20", ["heart"]),
        ("seed:222", ["castle"]),
        ("222", ["castle"]),
        ("model:sd_xl", ["castle"]),
        ('"dpm++ 2m" red', ["cat", "heart"]),
        ("猫", ["kanji"]),
        ("-猫 starter", ["cat", "heart"]),
        ("plain.png", ["plain"]),
        ('100% "', []),
        ("((( , ---", ["plain", "kanji", "cat", "castle", "heart"]),
    ],
)
def test_a_search_finds_words_phrases_and_settings(filled: HistoryIndex, search: str, expected: list[str]):
    if search == "steps:20" and not filled.indexes_words:
        expected = ["cat", "heart"]  # letter by letter 20 is the beginning of 200
    assert found(filled, search) == expected


def test_filters_go_together_with_a_search(filled: HistoryIndex):
    assert found(filled, "red", kind="txt2img") == ["heart"]
    assert found(filled, model="starter") == ["kanji", "cat", "heart"]
    assert found(filled, "castle", favourites=True) == ["castle"]
    assert found(filled, since=NOON + DAY, until=NOON + 3 * DAY) == ["cat", "castle"]
    assert found(filled, "red", since=NOON + DAY) == ["cat"]
    assert found(filled, oldest=True)[0] == "heart"
    assert found(filled, "red", oldest=True) == ["heart", "cat"]


@pytest.mark.parametrize("oldest", [False, True])
def test_pages_follow_each_other_without_gap_or_repetition(filled: HistoryIndex, oldest: bool):
    query, after, names = HistoryQuery(oldest=oldest), None, []
    while page := filled.page(query, after=after, count=2):
        names += [entry.path.stem for entry in page]
        after = page[-1].id
    assert names == (list(PICTURES) if oldest else list(reversed(PICTURES)))


def test_pictures_of_the_same_moment_all_find_room(index: HistoryIndex):
    facts = Facts(width=1, height=1, infotext="", prompt="", model="", seed="", kind="other")
    index.put((Path(f"/out/{number}.png"), 1, NOON * 10**9, facts, "", False) for number in range(1100))
    page = index.page(HistoryQuery(), after=None, count=2000)
    assert len({entry.id for entry in page}) == 1100
    assert all(entry.id < 2**53 for entry in page)


def test_a_clock_of_another_age_gives_ids_that_a_browser_can_hold(index: HistoryIndex):
    facts = Facts(width=1, height=1, infotext="", prompt="", model="", seed="", kind="other")
    index.put((Path(f"/out/{stamp}.png"), 1, stamp, facts, "", False) for stamp in (-(10**18), 2**62))
    assert [0 <= entry.id < 2**53 for entry in index.page(HistoryQuery(), after=None, count=9)] == [True, True]


def test_a_changed_file_is_known_once_and_by_its_new_words_only(filled: HistoryIndex):
    facts = Facts(width=9, height=9, infotext="a green moon", prompt="a green moon", model="", seed="", kind="txt2img")
    filled.put([(Path("/out/heart.png"), 11, (NOON + 9 * DAY) * 10**9, facts, "out/heart.png", False)])
    assert found(filled, "moon") == ["heart"]
    assert found(filled, "oil") == []
    assert len(found(filled)) == 5


def test_a_removed_picture_is_found_no_more(filled: HistoryIndex):
    number = filled.page(HistoryQuery(search="heart"), after=None, count=1)[0].id
    filled.remove([Path("/out/heart.png")])
    assert found(filled, "heart") == []
    with pytest.raises(PictureNotFound):
        filled.get(number)


def test_facets_count_models_and_kinds(filled: HistoryIndex):
    facets = filled.facets()
    assert facets.models == (("starter", 3), ("sd_xl_base_1.0", 1))
    assert facets.kinds == (("txt2img", 3), ("img2img", 1), ("other", 1))
    assert (facets.total, facets.favourites) == (5, 1)


def test_a_damaged_or_older_index_is_made_anew(tmp_path: Path):
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database at all " * 100)
    HistoryIndex(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 77")
    db.close()
    index = HistoryIndex(path)
    assert index.page(HistoryQuery(), after=None, count=1) == []
    index.close()


def test_pictures_are_found_while_others_are_counted(filled: HistoryIndex):
    """Counting all of very many takes long, and small pictures are asked for at the same moment."""
    counted: list[int] = []
    with filled._reading:
        counting = threading.Thread(target=lambda: counted.append(filled.facets().total + filled.total(HistoryQuery())))
        counting.start()
        counting.join(30)
    assert counted == [2 * len(PICTURES)]


def test_models_and_kinds_are_counted_and_filtered_without_looking_at_each_picture(filled: HistoryIndex):
    def plan(sql: str) -> str:
        return str(filled._ask(f"EXPLAIN QUERY PLAN {sql}"))

    assert "COVERING INDEX" in plan("SELECT model, kind, COUNT(*) FROM pictures GROUP BY model, kind")
    for condition in ("model = 'starter'", "kind = 'txt2img'", "model = 'starter' AND kind = 'txt2img'"):
        assert "TEMP B-TREE" not in plan(f"SELECT * FROM pictures p WHERE {condition} ORDER BY p.id DESC LIMIT 5")
