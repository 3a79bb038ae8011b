"""Which module may import which, read from the source: imports point down, and the front stays light."""

from __future__ import annotations

import ast
import graphlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: What a part may import beside itself; the longest matching name decides. `webui.errors`, `webui.settings` and the version
#: in `webui` are open to all, as is what stands on the standard library alone: `webui.core`.
FOR_ALL = ("webui.errors", "webui.settings", "webui.core")
LIGHT_CHECKPOINTS = tuple(
    f"webui.checkpoints.{name}"
    for name in (
        "catalog", "embedding_files", "families", "hashes", "header", "keys", "lora.files", "lora.header", "lora.keys",
        "pickled", "scan", "text_widths", "token_count", "vocabulary",
    )
)  # fmt: skip
#: Of the library all but the two modules that work in processes of their own and need torch there.
LIGHT_LIBRARY = tuple(
    f"webui.library.{name}"
    for name in (
        "answers", "calling", "child", "download", "entries", "facts", "folders", "header_facts", "inserting", "merge",
        "mix_plan", "models", "names", "nearby", "notes", "open_models", "partial", "previews", "shelves", "sidecar", "sources",
        "tasks", "tensor_files", "tree", "watching",
    )
)  # fmt: skip
#: What lists the files of upscalers; the rest of the package runs them.
LIGHT_UPSCALING = ("webui.upscaling.files",)
FRONT = (
    *("webui.jobs", "webui.plugins", "webui.storage", "webui.history", "webui.engine.protocol"),
    *(*LIGHT_LIBRARY, *LIGHT_CHECKPOINTS, *LIGHT_UPSCALING),
)
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    "webui.errors": (),
    "webui.settings": (),
    "webui.core": ("webui.errors",),
    "webui.storage": FOR_ALL,
    "webui.plugins": FOR_ALL,
    "webui.plugins.testing": ("webui",),  # the whole program, for the tests of extensions
    "webui.library": (*FOR_ALL, "webui.storage", *LIGHT_CHECKPOINTS),
    "webui.checkpoints": FOR_ALL,
    "webui.diffusion": (*FOR_ALL, "webui.checkpoints"),
    "webui.upscaling": (*FOR_ALL, "webui.checkpoints"),
    "webui.generation": (
        *FOR_ALL,
        "webui.diffusion",
        "webui.upscaling",
        "webui.checkpoints",
        "webui.engine.protocol",
        "webui.plugins",
        "webui.storage.sources",
        "webui.library.lora_hashes",
    ),
    "webui.engine.protocol": FOR_ALL,
    "webui.engine": (*FOR_ALL, "webui.generation", *LIGHT_CHECKPOINTS),
    "webui.jobs": (*FOR_ALL, *FRONT, "webui.engine.client"),
    "webui.history": (*FOR_ALL, "webui.storage", "webui.jobs", "webui.library.previews"),
    "webui.api": (*FOR_ALL, *FRONT),
    "webui.ui": (*FOR_ALL, *FRONT),
    "webui.listening": FOR_ALL,
    "webui.app": ("webui",),
    "webui.cli": ("webui",),
    "webui.__main__": ("webui.cli",),
}

#: Modules of the web process. What they import when they are loaded must not lead to the heavy packages.
LIGHT = ("webui.cli", "webui.app", "webui.ui", "webui.api", "webui.core", "webui.engine.client", *FRONT)
HEAVY = {"torch", "diffusers", "transformers", "accelerate"}
NOT_BEFORE_START = HEAVY | {"gradio", "fastapi", "starlette", "pydantic", "uvicorn", "numpy", "PIL"}


@dataclass(frozen=True)
class Import:
    """One imported module. `deferred`: inside a function; `typing_only`: under TYPE_CHECKING, so never at run time."""

    module: str
    line: int
    deferred: bool = False
    typing_only: bool = False


class Source:
    """The modules of a package under `root`, and what they import."""

    def __init__(self, root: Path, package: str = "webui") -> None:
        files = {".".join(path.relative_to(root).with_suffix("").parts): path for path in (root / package).rglob("*.py")}
        self.files = {name.removesuffix(".__init__"): path for name, path in files.items()}
        self.imports = {name: list(self._read(path)) for name, path in self.files.items()}

    def _read(self, path: Path) -> Iterator[Import]:
        yield from self._visit(ast.parse(path.read_text(encoding="utf-8")), False, False)

    def _visit(self, node: ast.AST, deferred: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                yield from self._visit(child, inside, True)
            elif isinstance(child, ast.Import | ast.ImportFrom):
                for module in self._modules(child):
                    yield Import(module, child.lineno, inside, typing_only)
            else:
                yield from self._visit(child, inside, typing_only)

    def _modules(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        assert node.level == 0, f"line {node.lineno}: a relative import; write the full name"
        base = node.module or ""
        inner = [name for alias in node.names if (name := f"{base}.{alias.name}") in self.files]
        whole = [base] if len(inner) < len(node.names) else []
        return inner + whole

    def at_load(self, module: str) -> Iterator[str]:
        """What is imported when the module is loaded: its own imports and the packages that it lies in."""
        yield from (part.module for part in self.imports[module] if not part.deferred and not part.typing_only)
        parts = module.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts)))

    def way_to(self, start: str, targets: set[str]) -> list[str] | None:
        """The chain of imports that leads from a module to one of the packages when it is loaded."""
        chains, seen = [[start]], {start}
        while chains:
            chain = chains.pop(0)
            for module in self.at_load(chain[-1]):
                if module.split(".")[0] in targets:
                    return [*chain, module]
                if module in self.files and module not in seen:
                    seen.add(module)
                    chains.append([*chain, module])
        return None


def within(module: str, parts: tuple[str, ...]) -> bool:
    return any(module == part or module.startswith(part + ".") for part in parts)


def layer_of(module: str) -> str | None:
    return max((part for part in MAY_IMPORT if within(module, (part,))), key=len, default=None)


def imports_that_point_up(source: Source) -> list[str]:
    found = []
    for name, imports in source.imports.items():
        layer = layer_of(name)
        if name == "webui":
            continue
        if layer is None:
            found.append(f"{name} is in no layer: add it to MAY_IMPORT")
            continue
        # A layer that is split, as the engine's protocol is from the engine, may be used by the rest of its own package.
        package = ".".join(layer.split(".")[:2])
        own = (layer,) if layer != package else (package,)
        allowed = (*own, *MAY_IMPORT[layer])
        found += [
            f"{name}:{part.line} imports {part.module}"
            for part in imports
            if part.module.startswith("webui.") and not part.typing_only and not within(part.module, allowed)
        ]
    return found


def heavy_ways(source: Source) -> list[str]:
    starts = (name for name in source.files if within(name, LIGHT))
    return [" → ".join(way) for start in starts if (way := source.way_to(start, HEAVY))]


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(ROOT)


def test_imports_point_down_only(source: Source):
    assert imports_that_point_up(source) == []


def test_no_module_of_the_front_loads_torch_diffusers_or_transformers(source: Source):
    assert heavy_ways(source) == []


def test_the_front_imports_no_heavy_package_inside_a_function_either(source: Source):
    found = [
        f"{name}:{part.line} imports {part.module}"
        for name, imports in source.imports.items()
        if within(name, LIGHT)
        for part in imports
        if part.module.split(".")[0] in HEAVY and not part.typing_only
    ]
    assert found == []


def test_gradio_is_imported_by_the_ui_alone(source: Source):
    users = {name for name, imports in source.imports.items() for part in imports if part.module.split(".")[0] == "gradio"}
    assert [name for name in users if not within(name, ("webui.ui",))] == []


@pytest.mark.parametrize("module", ["webui.cli", "webui.__main__", "webui.core.request", "webui.checkpoints.catalog"])
def test_what_help_and_the_catalog_need_loads_no_package_that_takes_time(source: Source, module: str):
    assert source.way_to(module, NOT_BEFORE_START) is None


def test_core_uses_the_standard_library_alone(source: Source):
    found = [
        f"{name}:{part.line} imports {part.module}"
        for name, imports in source.imports.items()
        if within(name, ("webui.core", "webui.errors", "webui.settings"))
        for part in imports
        if (top := part.module.split(".")[0]) not in sys.stdlib_module_names and top != "webui"
    ]
    assert found == []


def test_no_modules_import_each_other_in_a_circle(source: Source):
    graph = {
        name: [part.module for part in imports if part.module in source.files and not part.typing_only and not part.deferred]
        for name, imports in source.imports.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_every_package_that_is_imported_is_pinned(source: Source):
    names = {"PIL": "pillow"}
    imported = {part.module.split(".")[0] for imports in source.imports.values() for part in imports}
    by_name = re.compile(r'(?:resources\.files|import_module|find_spec)\("(\w+)')
    imported |= {name for path in source.files.values() for name in by_name.findall(path.read_text(encoding="utf-8"))}
    foreign = {names.get(name, name) for name in imported - {"webui"} if name not in sys.stdlib_module_names}
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = told["project"]["optional-dependencies"]["mcp"]
    dependencies = told["project"]["dependencies"] + told["tool"]["periplus"]["alone"] + extra
    pinned = {match.group(1) for text in dependencies if (match := re.fullmatch(r"([\w-]+)==[\w.]+", text))}
    assert len(pinned) == len(dependencies)
    assert {name for name in foreign if name.replace("_", "-") not in pinned} == set()


def test_what_only_assistants_need_is_imported_for_them_alone(source: Source):
    users = {name for name, imports in source.imports.items() for part in imports if part.module.split(".")[0] == "mcp"}
    assert users and all(name.startswith("webui.api.mcp.") for name in users)


# ---- the reader itself


@pytest.fixture
def make_source(tmp_path: Path):
    def make(**files: str) -> Source:
        for name, text in files.items():
            path = tmp_path / "webui" / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Source(tmp_path)

    return make


def test_an_import_that_points_up_is_found_inside_a_function_too(make_source):
    source = make_source(core__request="def late():\n    from webui.jobs import store\n", jobs__store="")
    assert imports_that_point_up(source) == ["webui.core.request:2 imports webui.jobs.store"]


def test_an_import_for_the_type_checker_alone_is_no_import(make_source):
    source = make_source(jobs__store="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch, webui.app\n", app="")
    assert imports_that_point_up(source) == []
    assert heavy_ways(source) == []


def test_torch_behind_two_modules_is_found_with_the_way_to_it(make_source):
    source = make_source(
        api__jobs="import webui.checkpoints.families", checkpoints__families="from webui.checkpoints import keys",
        checkpoints__keys="from torch import nn",
    )  # fmt: skip
    assert "webui.api.jobs → webui.checkpoints.families → webui.checkpoints.keys → torch" in heavy_ways(source)


def test_a_module_outside_every_layer_is_named(make_source):
    assert imports_that_point_up(make_source(stray="")) == ["webui.stray is in no layer: add it to MAY_IMPORT"]
