from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.plugins.writing import write_extension
from webui.plugins.loader import PluginManager
from webui.ui import extras

RESTORES = "@hookimpl\ndef alter_extras_image(image, request):\n    return image\n"


def services_with(folder: Path) -> Any:
    plugins = PluginManager([folder])
    plugins.load_all()
    return SimpleNamespace(plugins=plugins)


def test_faces_are_offered_only_where_an_extension_restores_them(tmp_path: Path):
    write_extension(tmp_path / "one", "other", engine="raise RuntimeError")
    write_extension(tmp_path / "two", "faces", engine=RESTORES)
    assert not extras.restores_faces(services_with(tmp_path / "one"))
    assert extras.restores_faces(services_with(tmp_path / "two"))
