"""For the tests of extensions."""

from __future__ import annotations

from pathlib import Path

from webui.plugins.finding import found
from webui.plugins.importing import forget
from webui.plugins.loader import PluginManager


def load_extension(folder: Path, *, engine: bool = False, data_dir: Path = Path()) -> PluginManager:
    """A manager with the extension in this folder (and those beside it that it requires): `fold` calls its hooks.

    Args:
        engine: load its engine.py too, and call the engine's hooks instead of the web process's.
        data_dir: what `on_start` is told of the data folder.

    Raises:
        AssertionError: it cannot be loaded; says why.
    """
    for other in found([folder.parent]).values():
        forget(other.name, other.path)  # another test may have loaded what was written there before
    manager = PluginManager([folder.parent], engine=engine, data_dir=data_dir)
    manager.load_all()
    info = next((info for info in manager.plugins() if info.path == folder), None)
    assert info is not None, f"There is no extension in {folder}."
    assert info.loaded, info.problem
    for other in manager.plugins():
        if other.path != folder and other.name not in (info.manifest.requires if info.manifest else ()):
            manager.disable(other.name)
    return manager
