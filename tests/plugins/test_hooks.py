"""Every hook is documented, called somewhere, and tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from webui.plugins.hooks import ENGINE_HOOKS, HOOKS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \| \S", PAGE, re.MULTILINE))


def test_the_documentation_lists_every_hook_with_its_arguments_and_no_other():
    assert {name: ", ".join(inspect.signature(hook).parameters) for name, hook in HOOKS.items()} == DOCUMENTED


def test_the_documentation_says_which_process_calls_a_hook():
    engine = PAGE.partition("### In the engine")[2]
    assert {name for name in HOOKS if f"| `{name}(" in engine} == ENGINE_HOOKS


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_docstring_is_called_and_is_tested(name: str):
    assert HOOKS[name].__doc__
    calls = [path for path in (ROOT / "webui").rglob("*.py") if f'("{name}"' in path.read_text(encoding="utf-8")]
    assert [path for path in calls if path.name != "hooks.py"]
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if name in path.read_text(encoding="utf-8")]
    assert tests
