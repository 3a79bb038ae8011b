"""For the tests of extensions: one extension's hooks alone, or whole requests through it on the model that comes along."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.core import infotext
from webui.core.request import GenerationRequest
from webui.plugins.finding import found, read
from webui.plugins.importing import forget
from webui.plugins.loader import PluginManager
from webui.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from webui.app import Services

#: Small and quick: the model that comes along makes 128 × 128.
SMALL = {"width": 64, "height": 64, "steps": 2, "seed": 1}


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


@dataclass(frozen=True)
class Made:
    """A picture as it was saved: with the request that makes it, its infotext, and that read back as a form takes it."""

    request: GenerationRequest
    image: Image
    infotext: str
    restored: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _OneFolder(Settings):
    """Without the extensions that come with the program."""

    @property
    def extension_dirs(self) -> tuple[Path, ...]:
        return (self.data_dir / "extensions",)


class Running:
    """The program with one extension, without a page; web process and engine are one."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def make(self, **fields: Any) -> list[Made]:
        """The pictures of a request, made by the model that comes along, small and in two steps where nothing else is said.

        Args:
            fields: of `GenerationRequest`; `extras` are the options: {"vignette": {"strength": 0.5}}.

        Raises:
            InvalidRequest: a field or an option is not allowed.
            AssertionError: the job failed; says why.
        """
        from PIL import Image

        job = self.services.dispatcher.submit(GenerationRequest.from_dict({**SMALL, **fields}))
        job = self.services.dispatcher.wait(job.id, 120)
        assert job.state.value == "done", job.error or job.state.value
        pictures = []
        for picture in job.pictures:
            values = infotext.restore(infotext.parse(picture.infotext), self.services.plugins.kinds).values
            image = Image.open(io.BytesIO(self.services.dispatcher.picture_bytes(picture)))
            pictures.append(Made(job.request.single(picture.index), image.convert("RGB"), picture.infotext, dict(values)))
        return pictures


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Running]:
    """The whole program with the extension in this folder, and those beside it that it requires, in a data folder of its own.

    Raises:
        AssertionError: it cannot be loaded; says why.
    """
    with tempfile.TemporaryDirectory() as place:
        settings = _OneFolder(data_dir=Path(place), engine="inline", device="cpu", page=False)
        for each in _with_required(folder):
            shutil.copytree(each, settings.extension_dirs[0] / each.name, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        yield from _run(settings, read(folder).name)


def _with_required(folder: Path) -> list[Path]:
    beside = {info.name: info for info in found([folder.parent]).values()}
    wanted, paths = [read(folder).name], []
    for name in wanted:
        if name in beside and beside[name].path not in paths:
            paths.append(beside[name].path)
            manifest = beside[name].manifest
            wanted += manifest.requires if manifest else ()
    return paths


def _run(settings: Settings, name: str) -> Iterator[Running]:
    from webui.app import build_services

    services = build_services(settings)
    try:
        info = services.plugins.find(name)
        assert info.loaded, info.problem
        services.plugins.start()
        services.dispatcher.start()
        yield Running(services)
    finally:
        services.bus.close()
        services.dispatcher.close()
        services.history.close()
        services.store.close()
        services.plugins.close()
