"""What is loaded when: looked up in `sys.modules` of fresh processes, which unlike a stopwatch never flakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}
SLOW = HEAVY | {"gradio", "fastapi", "starlette", "pydantic", "uvicorn", "numpy", "PIL", "pandas"}


def python(*arguments: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def loaded_after(code: str, folder: Path) -> set[str]:
    """The top-level names in `sys.modules` after the code has run in a process of its own."""
    report = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    return set(json.loads(python("-c", f"{code}\n{report}", folder=folder).splitlines()[-1]))


def test_help_loads_no_package_that_takes_time(tmp_path: Path):
    code = "from webui.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code"
    assert loaded_after(code, tmp_path) & SLOW == set()


def test_help_answers_as_a_module_and_makes_no_file(tmp_path: Path):
    assert "--port" in python("-m", "webui", "--help", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_services_of_the_front_load_no_torch_and_no_gradio(tmp_path: Path):
    code = (
        "from pathlib import Path\n"
        "from webui.app import build_services\n"
        "from webui.settings import Settings\n"
        "services = build_services(Settings(data_dir=Path.cwd()))\n"
        "assert services.store.recent() == []\n"
        "services.store.close()"
    )
    assert loaded_after(code, tmp_path) & (HEAVY | {"gradio"}) == set()


def test_the_whole_web_application_loads_no_torch(tmp_path: Path):
    code = (
        "from pathlib import Path\n"
        "from webui.app import build_services, create_app\n"
        "from webui.settings import Settings\n"
        "app = create_app(build_services(Settings(data_dir=Path.cwd())))\n"
        "assert app.routes"
    )
    modules = loaded_after(code, tmp_path)
    assert "gradio" in modules
    assert modules & (HEAVY - {"safetensors"}) == set()


@pytest.mark.parametrize("module", ["webui.core.request", "webui.checkpoints.catalog", "webui.jobs.store", "webui.engine.client"])
def test_importing_a_module_starts_no_thread_and_makes_no_file(tmp_path: Path, module: str):
    python("-c", f"import threading, {module}; assert threading.active_count() == 1", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
