"""`python -m webui new-extension NAME`: a working extension with its test, to change from there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from webui.plugins.hooks import API
from webui.plugins.manifest import FILE, is_name

_FILES = {
    FILE: """name = "{name}"
version = "0.1"
api = {api}
title = "{title}"
description = "What it does, in one sentence."
""",
    "README.md": """# {title}

What it does, and how to use it. Here: it adds a word to every prompt.

Its tests, with the program's own environment: `python -m pytest tests`
""",
    "plugin.py": '''"""{title}: adds a word to every prompt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from webui.core.params import Param
from webui.core.request import GenerationRequest
from webui.plugins.hooks import hookimpl


@dataclass(frozen=True, kw_only=True)
class {kind}:
    """Options; form, API, infotext and plot read them here."""

    word: Annotated[str, Param("Word", max_length=100, help="Stands after the prompt.")] = ""


@hookimpl
def register_params() -> list[type]:
    return [{kind}]


@hookimpl
def alter_request(request: GenerationRequest) -> GenerationRequest | None:
    """The word joins the prompt before the job is queued, so that the picture's settings have it."""
    options = request.extra({kind})
    if options is None:
        return None
    others = tuple(extra for extra in request.extras if extra is not options)
    return replace(request, prompt=f"{{request.prompt}} {{options.word}}", extras=others)
''',
    "tests/test_plugin.py": """from pathlib import Path

from webui.core.request import GenerationRequest
from webui.plugins.testing import load_extension, running

FOLDER = Path(__file__).resolve().parent.parent


def test_the_word_joins_the_prompt():
    extension = load_extension(FOLDER)
    request = extension.check(GenerationRequest.from_dict({{"prompt": "a cat", "extras": {{"{name}": {{"word": "asleep"}}}}}}))
    assert extension.fold("alter_request", request).prompt == "a cat asleep"


def test_a_picture_is_made_and_says_how():
    with running(FOLDER) as program:
        [made] = program.make(prompt="a cat", extras={{"{name}": {{"word": "asleep"}}}})
    assert made.image.size == (64, 64)
    assert made.infotext.startswith("a cat asleep")
    assert made.restored["prompt"] == "a cat asleep"
""",
}


def write_skeleton(folder: Path, name: str) -> Path:
    """The new extension's folder.

    Raises:
        ValueError: the name cannot be one.
        OSError: the folder is there already, or cannot be made.
    """
    if not is_name(name):
        raise ValueError(f"“{name:.80}” cannot be a name; small letters, digits and hyphens make one.")
    path = folder / name
    path.mkdir(parents=True)
    words = {"name": name, "api": API, "title": name.replace("-", " ").capitalize(), "kind": name.title().replace("-", "")}
    for file, text in _FILES.items():
        (path / file).parent.mkdir(exist_ok=True)
        (path / file).write_text(text.format(**words), encoding="utf-8")
    return path


def main(argv: Sequence[str]) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="webui new-extension", description="Write a working extension to start from.")
    parser.add_argument("name", help="small letters, digits and hyphens")
    parser.add_argument("--data-dir", type=Path, default=Path(), help="its folder extensions/ gets it (default: this folder)")
    arguments = parser.parse_args(argv)
    try:
        path = write_skeleton(arguments.data_dir.absolute() / "extensions", arguments.name)
    except (OSError, ValueError) as error:
        print(f"The extension could not be written: {error}", file=sys.stderr)
        return 1
    print(f"{path} is there. Test it with: python -m pytest {path / 'tests'}")
    return 0
