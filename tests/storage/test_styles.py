from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from webui.core.styles import Style
from webui.errors import InvalidRequest, SaveFailed
from webui.storage.styles import Styles, read_styles, style_files

CAT = Style("cat", 'a "red", cat\nand more', "dog")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "styles.csv"


@pytest.fixture
def styles(tmp_path: Path) -> Styles:
    return style_files((), tmp_path)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


# ---- reading


def test_without_a_file_there_are_no_styles_and_none_is_made(styles: Styles, path: Path):
    assert styles.all() == []
    assert not path.exists()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_of_a1111_is_read(styles: Styles, path: Path, mark: str, end: str):
    rows = ["name,prompt,negative_prompt", 'photo,"photo of {prompt}, 35mm","drawing, ""toon"""', "plain,,", "short"]
    write(path, mark + end.join(rows))
    assert styles.all() == [Style("photo", "photo of {prompt}, 35mm", 'drawing, "toon"'), Style("plain"), Style("short")]


def test_the_old_form_with_one_text_a_style_is_read(styles: Styles, path: Path):
    write(path, "name,text\r\nold,in the old way\r\n")
    assert styles.all() == [Style("old", "in the old way")]


def test_names_that_start_with_a_hash_are_left_out_and_kept_in_the_file(styles: Styles, path: Path):
    write(path, "name,prompt,negative_prompt\n# mine,a,\nreal,b,\n,no name,\n")
    assert [style.name for style in styles.all()] == ["real"]
    styles.save(Style("new", "c"))
    assert "# mine,a," in path.read_text("utf-8-sig")


def test_a_list_of_fooocus_is_read_and_written(tmp_path: Path):
    path = write(
        tmp_path / "sdxl.json", '[{"name": "a", "prompt": "x {prompt}", "negative_prompt": "y", "extra": 1}, {"name": "b"}]'
    )
    styles = style_files((str(path),), tmp_path)
    assert styles.all() == [Style("a", "x {prompt}", "y"), Style("b")]
    styles.save(Style("b", "new ü"))
    assert styles.all() == [Style("a", "x {prompt}", "y"), Style("b", "new ü")]
    assert '"extra": 1' in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("styles.csv", b"a,b\n1,2\n", "no column “name” but a, b"),
        ("styles.csv", b"name,prompt\n\xe4,x\n", "not in UTF-8"),
        ("styles.csv", b"name,prompt\na," + b"x" * 200_000, "field limit"),
        ("styles.json", b"{", "cannot be used"),
        ("styles.json", b'{"name": "a"}', "a list of styles"),
        ("styles.json", b'[{"name": 5}]', "a list of styles"),
        ("styles.json", b"[" * 100_000, "cannot be used"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_is_never_written_over(tmp_path: Path, name: str, content: bytes, words: str):
    path = tmp_path / name
    path.write_bytes(content)
    styles = style_files((str(path),), tmp_path)
    [file] = styles.files()
    assert words in file.problem
    assert str(path) in file.problem
    assert styles.all() == []
    with pytest.raises(SaveFailed, match="nothing in it is lost"):
        styles.save(CAT)
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_no_file(styles: Styles, path: Path):
    path.mkdir()
    assert styles.all() == []
    with pytest.raises(SaveFailed):
        styles.save(CAT)


def test_what_another_program_writes_is_noticed(styles: Styles, path: Path):
    styles.save(CAT)
    assert styles.all() == [CAT]
    write(path, "name,prompt,negative_prompt\nother,a,\n")
    assert styles.all() == [Style("other", "a")]
    path.unlink()
    assert styles.all() == []


def test_a_file_that_has_not_changed_is_not_read_again(styles: Styles, path: Path, monkeypatch: pytest.MonkeyPatch):
    styles.save(CAT)
    assert styles.all() == [CAT]
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read again"))
    assert styles.all() == [CAT]


# ---- several files


def test_several_files_and_wildcards_are_listed_in_order(tmp_path: Path):
    write(tmp_path / "b" / "2.csv", "name,prompt\ntwo,2\n")
    write(tmp_path / "b" / "1.csv", "name,prompt\none,1\n")
    write(tmp_path / "a.csv", "name,prompt\nthree,3\n")
    styles = style_files((str(tmp_path / "b" / "*.csv"), str(tmp_path / "a.csv"), str(tmp_path / "b" / "1.csv")), tmp_path)
    assert [style.name for style in styles.all()] == ["one", "two", "three"]
    write(tmp_path / "b" / "3.csv", "name,prompt\nlate,4\n")
    assert [style.name for style in styles.all()] == ["one", "two", "late", "three"]


def test_of_two_styles_of_one_name_the_later_files_counts_and_is_changed(tmp_path: Path):
    first = write(tmp_path / "1.csv", "name,prompt\nsame,first\n")
    second = write(tmp_path / "2.csv", "name,prompt\nsame,second\n")
    styles = style_files((str(first), str(second)), tmp_path)
    assert styles.chosen(["same"]) == [Style("same", "second")]
    styles.save(Style("same", "changed"))
    assert "first" in first.read_text()
    assert "changed" in second.read_text("utf-8-sig")
    styles.delete("same")
    assert styles.all() == []


def test_new_styles_go_into_the_first_file_that_is_no_wildcard(tmp_path: Path):
    styles = style_files((str(tmp_path / "*.csv"), str(tmp_path / "mine.csv")), tmp_path)
    styles.save(CAT)
    assert read_styles(tmp_path / "mine.csv").styles == [CAT]


def test_beside_wildcards_alone_new_styles_go_into_the_data_folder(tmp_path: Path):
    data = tmp_path / "data"
    style_files((str(tmp_path / "*.csv"),), data).save(CAT)
    assert read_styles(data / "styles.csv").styles == [CAT]


def test_a_data_folder_with_brackets_in_its_name_is_no_wildcard(tmp_path: Path):
    data = tmp_path / "models [new]*"
    write(data / "styles.csv", "name,prompt\ncat,a\n")
    assert style_files((), data).all() == [Style("cat", "a")]


def test_a_tilde_in_a_quoted_wildcard_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "mine" / "a.csv", "name,prompt\ncat,a\n")
    assert style_files(("~/mine/*.csv",), tmp_path / "data").all() == [Style("cat", "a")]


def test_chosen_names_keep_their_order_and_unknown_ones_are_passed_over(styles: Styles):
    for name in "abc":
        styles.save(Style(name, name))
    assert [style.name for style in styles.chosen(["c", "?", "a"])] == ["c", "a"]


# ---- writing


def test_a_saved_style_comes_back_and_a1111_can_read_the_file(styles: Styles, path: Path, tmp_path: Path):
    styles.save(CAT)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\r\n")
    assert style_files((), tmp_path).all() == [CAT]


def test_every_save_keeps_the_former_file(styles: Styles, path: Path):
    styles.save(CAT)
    before = path.read_bytes()
    styles.save(Style("cat", "changed"))
    assert path.with_name("styles.csv.bak").read_bytes() == before
    styles.delete("cat")
    assert read_styles(path.with_name("styles.csv.bak")).styles == [Style("cat", "changed")]
    assert styles.all() == []


def test_saving_an_old_file_gives_it_todays_columns_and_loses_nothing(styles: Styles, path: Path):
    write(path, "name,text,stars\nold,words,5\n")
    styles.save(CAT)
    assert styles.all() == [Style("old", "words"), CAT]
    assert path.read_text("utf-8-sig").splitlines()[:2] == ["name,prompt,negative_prompt,stars", "old,words,,5"]


def test_a_link_to_a_file_elsewhere_stays_a_link(styles: Styles, path: Path, tmp_path: Path):
    target = write(tmp_path / "elsewhere" / "theirs.csv", "name,prompt\n")
    path.symlink_to(target)
    styles.save(CAT)
    assert path.is_symlink()
    assert read_styles(target).styles == [CAT]


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "#a", "a\nb", "a\0", "\ud800"])
def test_a_name_that_could_not_be_read_back_is_refused(styles: Styles, path: Path, name: str):
    with pytest.raises(InvalidRequest):
        styles.save(Style(name, "x"))
    assert not path.exists()


def test_a_file_that_cannot_be_written_stays_as_it_was(styles: Styles, path: Path, monkeypatch: pytest.MonkeyPatch):
    styles.save(CAT)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SaveFailed, match="No space left"):
        styles.save(Style("dog", "x"))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["styles.csv"]


def test_ten_that_save_at_once_lose_nothing(styles: Styles):
    threads = [threading.Thread(target=styles.save, args=(Style(f"s{number}", "x"),)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {style.name for style in styles.all()} == {f"s{number}" for number in range(10)}
