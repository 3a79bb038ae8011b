"""The documents keep up with the program: flags, commands, paths, links and pictures."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

from webui import __version__
from webui.app import build_services, create_app
from webui.cli import make_parser
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.preferences import Preferences

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "examples", "benchmarks", "extensions", "tests", ".")
DOCUMENTS = sorted({path for folder in FOLDERS for path in (ROOT / folder).glob("*.md")} | set((ROOT / "docs").rglob("*.md")))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def anchors(path: Path) -> set[str]:
    """The names under which a page shows a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Files and headings that a document refers to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = unquote(target).partition("#")
            yield (path.parent / file if file else path), anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_of_a_document_exist(path: Path):
    broken = [f"{file}#{anchor}" for file, anchor in links(path) if not file.exists() or (anchor and anchor not in anchors(file))]
    assert broken == []


def test_every_flag_is_documented():
    flags = {flag for action in make_parser()._actions for flag in action.option_strings if flag.startswith("--")}
    documented = set(re.findall(r"^\| `(--[\w-]+)", read("docs/getting-started.md"), re.MULTILINE))
    assert documented == flags


FLAGS = make_parser()._option_string_actions


def wrong_flags(words: list[str]) -> list[str]:
    """Of a start's arguments those that are no flags, or choices that a flag does not take."""
    wrong = [word for word in words if word.startswith("--") and word.partition("=")[0] not in FLAGS]
    for flag, value in pairwise(words):
        if flag in FLAGS and value not in (FLAGS[flag].choices or (value,)):
            wrong.append(f"{flag} {value}")
    return wrong


def wrong_command(words: list[str]) -> list[str]:
    """What does not exist of a command of ours, split into words; nothing where it is somebody else's."""
    if "launch.py" in words:
        arguments = words[words.index("launch.py") + 1 :]
        if arguments[:1] != ["test"]:
            return wrong_flags(arguments)
        return [word for word in arguments[1:] if "/" in word and not (ROOT / word).exists()]
    if "-m" in words[:2] or "-m" in words[1:3]:
        module, *arguments = words[words.index("-m") + 1 :]
        if module == "webui" and arguments[:1] != ["new-extension"]:
            return wrong_flags(arguments)
        return [] if importlib.util.find_spec(module) else [f"-m {module}"]
    return [word for word in words[:2] if word.endswith(".py") and not (ROOT / word).exists()]


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if shell_lines(path.read_text("utf-8"))], ids=lambda path: path.name)
def test_commands_in_documents_start_something_that_exists(path: Path):
    commands = [shlex.split(line, comments=True) for line in shell_lines(path.read_text(encoding="utf-8")) if "<<" not in line]
    assert [(words, wrong) for words in commands if (wrong := wrong_command(words))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_within_sentences_start_something_that_exists(path: Path):
    found = re.findall(r"`((?:python3?(?:\.\d+)? )?(?:launch\.py|-m webui)\b[^`\n]*)`", path.read_text(encoding="utf-8"))
    assert [text for text in found if wrong_command(shlex.split(text.replace("…", "")))] == []


def test_the_checker_of_commands_finds_what_is_wrong():
    assert wrong_command(["python", "launch.py", "--ckpt-dri", "x"]) == ["--ckpt-dri"]
    assert wrong_command(["python", "launch.py", "--engine", "thread"]) == ["--engine thread"]
    assert wrong_command(["python", "-m", "webui", "--prt", "1"]) == ["--prt"]
    assert wrong_command(["python", "-m", "nothing_here"]) == ["-m nothing_here"]
    assert wrong_command(["python", "launch.py", "test", "tests/none.py"]) == ["tests/none.py"]
    assert wrong_command(["git", "pull"]) == wrong_command(["python", "launch.py", "--port", "7861"]) == []


# ---- labels


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """All words that the page shows: its sentences, and the labels and choices of what is declared once."""
    plugins = PluginManager.of(Settings(data_dir=tmp_path_factory.mktemp("data")))
    plugins.start()
    specs = [*params_of(GenerationRequest).values(), *params_of(Preferences).values(), *plugins.kinds.fields.values()]
    sentences = json.loads((ROOT / "webui/ui/assets/locales/en.json").read_text(encoding="utf-8"))
    axes = {sentences["plot.type"].format(name=name) for name in "XYZ"}
    return {*axes, *sentences.values(), *(spec.param.label for spec in specs), *(c for spec in specs for c in spec.param.choices)}


#: Pages in whose lists and sentences bold words are the page's own.
BY_LABEL = ("docs/coming-from-a1111.md", "docs/find-good-settings.md", "docs/inpaint-a-detail.md")


@pytest.mark.parametrize("document", BY_LABEL)
def test_what_a_guide_tells_to_press_is_on_the_page(document: str, labels: set[str]):
    named = re.findall(r"\*\*\[?([^*\]]+)\]?(?:\([^)]*\))?\*\*", read(document).partition("## What is not there")[0])
    assert len(named) > 5
    assert [name for name in named if name not in labels] == []


def test_the_readme_needs_two_commands():
    commands = [line for line in shell_lines(read("README.md")) if "launch.py" in line and "--" not in line]
    assert commands == ["python launch.py", "python launch.py test"]


def test_every_path_of_the_http_api_is_documented(tmp_path: Path):
    services = build_services(Settings(data_dir=tmp_path, page=False))
    paths = create_app(services).openapi()["paths"]
    services.store.close()
    text = read("docs/api.md")
    missing = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert [entry for entry in missing if f"`{entry}`" not in text] == []


def test_every_field_of_a_request_is_documented():
    fields, labels = read("docs/api.md"), read("docs/getting-started.md")
    for spec in params_of(GenerationRequest).values():
        assert f"`{spec.name}`" in fields
        assert spec.param.label in labels


def test_the_readme_names_every_sampler_and_schedule_type():
    text = read("README.md")
    assert [name for name in (*SAMPLER_NAMES, *SCHEDULER_LABELS) if name not in text] == []


def test_the_changelog_tells_of_this_version():
    assert re.search(rf"^## {re.escape(__version__)}\b", read("CHANGELOG.md"), re.MULTILINE)
