"""The extensions that come along are small enough to be read as examples."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from webui.settings import BUNDLED_EXTENSIONS

_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(text: str) -> int:
    """Lines that hold more than a comment or a docstring."""
    documented = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    docstrings = [node.body[0] for node in documented if ast.get_docstring(node)]
    told = {line for node in docstrings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    tokens = (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _NO_CODE)
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - told)


def test_blank_lines_docstrings_and_comments_are_no_code():
    assert (
        lines_of_code('"""A."""\n\nX = 1  # one\n# two\n\ndef f():\n    """B\n\n    C."""\n    return (\n        1\n    )\n') == 5
    )


@pytest.mark.parametrize("name", ["freeu", "tiling", "wildcards"])
def test_a_small_extension_has_150_lines_of_code_at_most(name: str):
    files = (BUNDLED_EXTENSIONS / name).glob("*.py")
    assert sum(lines_of_code(path.read_text(encoding="utf-8")) for path in files) <= 150


@pytest.mark.parametrize(
    "path", sorted(path for path in BUNDLED_EXTENSIONS.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_each_has_a_manifest_a_readme_and_tests(path: Path):
    assert (path / "extension.toml").is_file() and (path / "README.md").is_file() and list((path / "tests").glob("test_*.py"))
