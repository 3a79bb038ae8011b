from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.plugins.writing import FIVE_KINDS, write_extension
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest, PluginError
from webui.plugins.importing import package_of
from webui.plugins.loader import PluginManager

ADDS_A_WORD = """
@hookimpl
def alter_request(request):
    from dataclasses import replace
    return replace(request, prompt=request.prompt + " {word}")
"""


def load(folder: Path, **options) -> PluginManager:
    manager = PluginManager([folder], folder.parent / "extensions.toml", **options)
    manager.load_all()
    return manager


def problem_of(folder: Path, name: str = "bad", **options) -> str:
    """What is wrong with the one; the other one beside it must load and work all the same."""
    write_extension(folder, "good", ADDS_A_WORD.format(word="good"))
    manager = load(folder, **options)
    assert manager.find("good").loaded
    assert manager.fold("alter_request", GenerationRequest(prompt="a")).prompt == "a good"
    info = manager.find(name)
    assert not info.loaded
    return info.problem or ""


def test_an_extension_is_found_loaded_and_described(folder):
    write_extension(folder, "five", FIVE_KINDS, manifest='title = "Five"\nauthor = "Ann"')
    info = load(folder).find("five")
    assert (info.name, info.version, info.api, info.enabled, info.loaded, info.problem) == ("five", "1.0", 1, True, True, None)
    assert info.path == folder / "five"
    assert info.hooks == ("register_params",)
    assert info.adds == ("five.strength", "five.count", "five.note", "five.shape", "five.soft")
    assert 0 < info.load_seconds < 5
    assert info.manifest is not None and info.manifest.title == "Five"


def test_a_folder_without_manifest_and_code_is_no_extension(folder):
    for name in ("notes", ".git/plugin.py", "_old/plugin.py"):
        (folder / name).mkdir(parents=True)
    assert load(folder).plugins() == []
    assert load(folder / "missing").plugins() == []


# ---- what can be wrong with one


def test_a_syntax_error_is_told_with_its_line(folder, caplog):
    write_extension(folder, "bad", "def f(:\n    pass\n")
    with caplog.at_level(logging.WARNING):
        assert problem_of(folder).startswith("plugin.py, line 7: invalid syntax")
    assert "The extension bad is not loaded: plugin.py, line 7" in caplog.text


def test_an_error_while_it_loads_is_told_with_its_line(folder):
    write_extension(folder, "bad", "\nNUMBER = 1 / 0\n")
    assert problem_of(folder) == "plugin.py, line 8: ZeroDivisionError: division by zero."


def test_one_that_would_end_the_program_only_fails(folder):
    write_extension(folder, "bad", "import sys; sys.exit(3)")
    assert "SystemExit: 3" in problem_of(folder)


def test_an_endless_loop_is_given_up_and_left(folder):
    write_extension(folder, "bad", "while True:\n    pass\n")
    before = time.monotonic()
    problem = problem_of(folder, seconds=2.0)
    assert problem == "plugin.py was not loaded within 2 seconds; it must only define things."
    assert time.monotonic() - before < 30
    assert "import-bad" not in {thread.name for thread in threading.enumerate()}


def test_an_unknown_hook_is_refused_by_name(folder):
    write_extension(folder, "bad", "@hookimpl\ndef alter_imago(image):\n    pass\n")
    assert problem_of(folder).startswith("There is no hook “alter_imago”. Did you mean “alter_image”")


def test_an_unknown_argument_is_refused_by_name(folder):
    write_extension(folder, "bad", "@hookimpl\ndef alter_image(image, pipeline):\n    pass\n")
    assert problem_of(folder) == "The hook alter_image has no argument “pipeline”; it has image, request."


def test_a_wrapper_of_pluggys_is_refused(folder):
    write_extension(folder, "bad", "@hookimpl(wrapper=True)\ndef alter_image(image):\n    yield\n")
    assert "pluggy's wrapper" in problem_of(folder)


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ('python = ["no-such-package>=2"]', "It needs no-such-package>=2, which is not installed."),
        ('python = ["pluggy>=99"]', "It needs pluggy>=99, but 1."),
        ('python = ["!!"]', "“!!” in its extension.toml is no requirement"),
        ('python = "numpy"', "“python” in its extension.toml is 'numpy', not a list of texts."),
        ('requires = ["elsewhere"]', "It requires the extension elsewhere, which is not there."),
        ("title = 3", "“title” in its extension.toml is 3, not text."),
        ("= broken", "Its extension.toml cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_met_is_told(folder, manifest, told):
    write_extension(folder, "bad", manifest=manifest)
    assert problem_of(folder).startswith(told)


def test_what_it_imports_must_be_installed(folder):
    write_extension(folder, "bad", "import no_such_module")
    assert problem_of(folder).startswith("plugin.py needs the module no_such_module, which is not installed.")


@pytest.mark.parametrize(("api", "told"), [(2, "update the program"), (0, "update the extension")])
def test_another_api_is_refused(folder, api, told):
    write_extension(folder, "bad", api=api)
    assert told in problem_of(folder)


def test_a_manifest_needs_a_name_a_version_and_an_api(folder):
    for name, text, told in (
        ("a", 'name = "A b"', "small letters"),
        ("b", 'name = "b"', "names no version"),
        ("c", 'name = "c"\nversion = "1"', "names no api"),
    ):
        write_extension(folder, name)
        (folder / name / "extension.toml").write_text(text)
        assert told in (load(folder).find(name).problem or "")


def test_one_without_a_manifest_or_code_is_named_by_its_folder(folder):
    write_extension(folder, "bad")
    (folder / "bad" / "extension.toml").unlink()
    write_extension(folder, "empty", None)
    assert problem_of(folder) == "It has no extension.toml."
    assert load(folder).find("empty").problem == "It has no plugin.py."


def test_of_two_with_one_name_the_first_loads_and_the_other_says_so(folder):
    write_extension(folder, "a", ADDS_A_WORD.format(word="a"))
    write_extension(folder, "b", ADDS_A_WORD.format(word="b"))
    (folder / "b" / "extension.toml").write_text((folder / "a" / "extension.toml").read_text())
    first, second = load(folder).plugins()
    assert first.loaded and first.path == folder / "a"
    assert second.problem == f"There is another extension of this name, a, in {folder / 'a'}; only that one is loaded."


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ('steps: Annotated[int, Param("Steps", infotext="Steps")] = 1', "takes the infotext key “Steps”, which is another's"),
        ('x: Annotated[int, Param("X", infotext="Version")] = 1', "takes the infotext key “Version”"),
        ("x: int = 1", "the option “x” has no Param"),
        ('x: Annotated[int, Param("X")]', "the option “x” has no default"),
        ('x: Annotated[int, Param("X", high=3)] = 4', "the default of “x” is not allowed"),
        ('x: Annotated[list, Param("X")] = ()', "the option “x” is neither text, a number nor a switch"),
    ],
)
def test_options_that_cannot_be_used_are_refused(folder, option, told):
    code = f"@dataclass(frozen=True, kw_only=True)\nclass O:\n    {option}\n@hookimpl\ndef register_params():\n    return [O]\n"
    write_extension(folder, "bad", code)
    problem = problem_of(folder)
    assert problem.startswith("Its options cannot be used: ") and told in problem


def test_options_must_be_frozen_dataclasses_in_a_list(folder):
    write_extension(folder, "bad", "@hookimpl\ndef register_params():\n    return [int]\n")
    write_extension(folder, "worse", "@hookimpl\ndef register_params():\n    return 3\n")
    assert "no frozen dataclass" in problem_of(folder)
    assert "failed in register_params: it gave int; a list was expected." in (load(folder).find("worse").problem or "")


# ---- order, on and off


def test_extensions_load_after_those_that_they_require_and_fold_in_that_order(folder):
    write_extension(folder, "a-second", ADDS_A_WORD.format(word="2"), manifest='requires = ["b-first"]')
    write_extension(folder, "b-first", ADDS_A_WORD.format(word="1"))
    write_extension(folder, "c-third", ADDS_A_WORD.format(word="3"))
    write_extension(folder, "z-before", ADDS_A_WORD.format(word="0").replace("hookimpl\n", "hookimpl(tryfirst=True)\n"))
    assert load(folder).fold("alter_request", GenerationRequest()).prompt == " 0 1 3 2"


def test_a_circle_of_requirements_is_told_to_each(folder):
    write_extension(folder, "a", manifest='requires = ["b"]')
    write_extension(folder, "b", manifest='requires = ["a"]')
    write_extension(folder, "c", manifest='requires = ["a"]')
    manager = load(folder)
    assert "require each other" in (manager.find("a").problem or "") and "require each other" in (manager.find("b").problem or "")
    assert manager.find("c").problem == "It requires the extension a, which is not loaded."


def test_switching_off_counts_at_once_and_at_the_next_start(folder):
    write_extension(folder, "five", FIVE_KINDS + ADDS_A_WORD.format(word="x"))
    manager = load(folder)
    info = manager.disable("five")
    assert (info.enabled, info.loaded, info.problem) == (False, False, None)
    assert manager.fold("alter_request", GenerationRequest()).prompt == ""
    assert list(manager.kinds) == []
    assert not load(folder).find("five").enabled
    assert manager.enable("five").loaded
    assert len(list(manager.kinds)) == 1
    assert load(folder).find("five").loaded


def test_what_requires_another_goes_and_comes_back_with_it(folder):
    write_extension(folder, "base")
    write_extension(folder, "upon", manifest='requires = ["base"]')
    manager = load(folder)
    manager.disable("base")
    assert manager.find("upon").problem == "It requires the extension base, which is switched off."
    manager.enable("base")
    assert manager.find("upon").loaded


def test_an_extension_is_read_anew_without_a_restart(folder):
    path = write_extension(folder, "five", ADDS_A_WORD.format(word="old"))
    manager = load(folder)
    (path / "plugin.py").write_text((path / "plugin.py").read_text().replace("old", "new"))
    manager.reload("five")
    assert manager.fold("alter_request", GenerationRequest()).prompt == " new"


def test_the_other_process_follows_what_was_chosen(folder):
    path = write_extension(folder, "word", None, engine="@hookimpl\ndef alter_latents(latents):\n    return latents + 'old'\n")
    (path / "plugin.py").write_text("")
    front, engine = load(folder), load(folder, engine=True)
    assert engine.fold("alter_latents", "") == "old"
    assert front.find("word").hooks == ()
    assert not engine.follow()
    front.disable("word")
    assert engine.follow()
    assert engine.fold("alter_latents", "") == ""
    (path / "engine.py").write_text((path / "engine.py").read_text().replace("old", "new"))
    front.enable("word")
    front.reload("word")
    engine.follow()
    assert engine.fold("alter_latents", "") == "new"


def test_extensions_that_come_and_go_are_seen_at_the_next_look(folder):
    write_extension(folder, "a")
    manager = load(folder)
    write_extension(folder, "b")
    for file in (folder / "a").iterdir():
        if file.is_file():
            file.unlink()
    manager.load_all()
    assert [info.name for info in manager.plugins()] == ["b"]


def test_in_safe_mode_they_are_listed_and_none_runs(folder):
    write_extension(folder, "bad", "1 / 0")
    manager = load(folder, safe_mode=True)
    info = manager.find("bad")
    assert (info.enabled, info.loaded, info.problem) == (True, False, None)
    assert not manager.disable("bad").enabled
    assert not manager.enable("bad").loaded
    assert not [module for module in sys.modules if module.startswith(package_of("bad"))]


def test_a_damaged_file_of_choices_switches_nothing_off(folder):
    write_extension(folder, "a")
    (folder.parent / "extensions.toml").write_text("disabled = ")
    assert load(folder).find("a").loaded


def test_an_unknown_name_is_told(folder):
    with pytest.raises(PluginError, match="There is no extension “x”"):
        load(folder).disable("x")


def test_one_that_fails_at_the_start_is_switched_off_by_name(folder):
    write_extension(folder, "bad", "@hookimpl\ndef on_start():\n    raise OSError('no')\n" + ADDS_A_WORD.format(word="x"))
    manager = load(folder)
    manager.start()
    assert manager.find("bad").problem == "The extension bad failed in on_start: OSError: no"
    assert manager.fold("alter_request", GenerationRequest()).prompt == ""


# ---- modules


def test_the_web_process_never_loads_the_engines_part(folder):
    write_extension(folder, "a", engine="raise RuntimeError('loaded')")
    assert load(folder).find("a").loaded
    assert "engine.py, line 7: RuntimeError: loaded." in (load(folder, engine=True).find("a").problem or "")


def test_modules_of_an_extension_import_each_other(folder):
    path = write_extension(folder, "my-words", "from .words import WORD\n" + ADDS_A_WORD.format(word="").replace('" "', "WORD"))
    (path / "words.py").write_text("WORD = 'hello'\n")
    assert load(folder).fold("alter_request", GenerationRequest()).prompt == "hello"


def test_options_are_checked_with_their_full_names(folder):
    write_extension(folder, "five", FIVE_KINDS)
    manager = load(folder)
    request = GenerationRequest.from_dict({"extras": {"five": {"strength": 1, "note": "x"}}})
    checked = manager.check(request)
    (kind,) = manager.kinds
    assert checked.extra(kind) == kind(strength=1.0, note="x") == request.extra(kind)
    assert checked.to_dict()["extras"] == {"five": {"strength": 1.0, "count": 2, "note": "x", "shape": "round", "soft": False}}
    assert manager.check(GenerationRequest.from_dict({"extras": {"five": {"count": 2}}})).extras == ()
    for extras, field in (
        ({"five": {"strength": 2}}, "five.strength"),
        ({"five": {"depth": 2}}, "five.depth"),
        ({"six": {"depth": 2}}, "extras"),
        ([], "extras"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            manager.check(GenerationRequest.from_dict({"extras": extras}))
        assert caught.value.field == field
