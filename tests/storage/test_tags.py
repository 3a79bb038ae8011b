from pathlib import Path

import pytest

from webui.storage.tags import Tag, TagLists

DANBOORU = """\
long_hair,0,4000000,"longhair,very_long"
long_sleeves,0,1500000,
hatsune_miku_(vocaloid),4,90000,miku
blue_hair,0,800000,
red hair,0,900000,
"""


def lists(folder: Path, **files: str) -> TagLists:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    made = TagLists(folder)
    made.wait()
    return made


def names(found: list[Tag]) -> list[str]:
    return [tag.name for tag in found]


def test_the_most_used_come_first_then_other_names_then_words_within(tmp_path):
    tags = lists(tmp_path, danbooru=DANBOORU)
    assert names(tags.find("long", 9)) == ["long_hair", "long_sleeves"]
    assert tags.find("long hair", 9) == [Tag("long_hair", "general", 4_000_000)]
    assert tags.find("MIKU", 9) == [Tag("hatsune_miku_(vocaloid)", "character", 90_000, alias="miku")]
    assert names(tags.find("hair", 9)) == ["long_hair", "red hair", "blue_hair"]
    assert names(tags.find("hair", 2)) == ["long_hair", "red hair"]
    assert tags.find("voca", 9)[0].alias == ""


def test_an_alias_is_told_once_and_only_where_it_was_found(tmp_path):
    tags = lists(tmp_path, danbooru=DANBOORU)
    assert tags.find("longh", 9) == [Tag("long_hair", "general", 4_000_000, alias="longhair")]
    assert tags.find("very", 9) == [Tag("long_hair", "general", 4_000_000, alias="very_long")]


def test_lists_with_fewer_columns_are_read_and_the_first_of_two_lines_counts(tmp_path):
    tags = lists(tmp_path, a_extra='masterpiece\nbest quality,1,"bq,hq"\n\n,0,5,\n', danbooru="masterpiece,0,7,\nmaster,0,9,\n")
    assert names(tags.find("master", 9)) == ["master", "masterpiece"]
    assert tags.find("masterp", 9)[0].count == 0
    assert tags.find("hq", 9) == [Tag("best quality", "artist", 0, alias="hq")]


def test_categories_are_those_of_the_site_whose_name_the_file_has(tmp_path):
    tags = lists(tmp_path, e621_tags="canine,5,100,\n", other="hololive,3,50,\n")
    assert tags.find("canine", 1)[0].category == "species"
    assert tags.find("holo", 1)[0].category == "copyright"


@pytest.mark.parametrize("text", ["", "  ", "nothing", "\\", "((", "[a-z]", "\n", "\x01"])
def test_what_stands_in_no_list_finds_nothing(tmp_path, text):
    tags = lists(tmp_path, danbooru=DANBOORU)
    assert tags.find(text, 9) == []


def test_a_changed_list_is_read_again_and_a_folder_may_be_missing(tmp_path):
    assert TagLists(tmp_path / "none").find("long", 9) == []
    tags = lists(tmp_path, danbooru=DANBOORU)
    (tmp_path / "more.csv").write_text("longing,0,5,\n", "utf-8")
    tags.wait()
    assert names(tags.find("longi", 9)) == ["longing"]
    (tmp_path / "more.csv").unlink()
    tags.wait()
    assert tags.find("longi", 9) == []


def test_a_damaged_list_keeps_what_could_be_read(tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"good,0,1,\n\xff\xfe\x00broken,x,y,z\n" + b"a" * 500 + b",0,1,\n")
    tags = TagLists(tmp_path)
    tags.wait()
    assert names(tags.find("goo", 9)) == ["good"]
