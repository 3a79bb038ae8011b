"""The documents keep up with the program: flags, commands, paths, links and pictures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from webui import __version__
from webui.app import build_services, create_app
from webui.cli import make_parser
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS
from webui.settings import Settings

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


@pytest.mark.parametrize("document", ["README.md", "docs/getting-started.md", "docs/troubleshooting.md", "docs/development.md"])
def test_commands_in_documents_start_something_that_exists(document: str):
    commands = [shlex.split(line, comments=True) for line in shell_lines(read(document))]
    launches = [words[words.index("launch.py") + 1 :] for words in commands if "launch.py" in words]
    assert launches
    for arguments in launches:
        if arguments[:1] != ["test"]:
            made_up = [word if word.startswith("-") else str(ROOT) for word in arguments]
            make_parser().parse_args(made_up)
        else:
            assert all((ROOT / word).exists() for word in arguments[1:] if "/" in word)


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
