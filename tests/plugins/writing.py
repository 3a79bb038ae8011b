"""Extensions for tests, written where a test wants them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

IMPORTS = """
from dataclasses import dataclass
from typing import Annotated
from webui.core.params import Param
from webui.core.request import GenerationRequest
from webui.plugins.hooks import hookimpl
"""

#: One option of each of the five kinds.
FIVE_KINDS = '''
@dataclass(frozen=True, kw_only=True)
class Options:
    """Of every kind."""
    strength: Annotated[float, Param("Strength", infotext="Five strength", low=0, high=1)] = 0.0
    count: Annotated[int, Param("Count", infotext="Five count", low=0, high=9)] = 2
    note: Annotated[str, Param("Note", infotext="Five note", max_length=100)] = ""
    shape: Annotated[str, Param("Shape", infotext="Five shape", choices=("round", "square"))] = "round"
    soft: Annotated[bool, Param("Soft", infotext="Five soft")] = False

@hookimpl
def register_params():
    return [Options]
'''


def write_extension(
    folder: Path, name: str, plugin: str | None = "", *, engine: str | None = None, manifest: str = "", api: int = 1
) -> Path:
    """`plugin` and `engine`: what the modules hold below the usual imports; None: no such module."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "extension.toml").write_text(f'name = "{name}"\nversion = "1.0"\napi = {api}\n{manifest}\n')
    for part, code in (("plugin", plugin), ("engine", engine)):
        if code is not None:
            (path / f"{part}.py").write_text(IMPORTS + dedent(code))
    return path
