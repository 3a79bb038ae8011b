"""What the routes need of the program. `webui.app.Services` is the real one; the API imports nothing above itself."""

from __future__ import annotations

from typing import Protocol

from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.history.service import History
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus
from webui.jobs.plots import PlotService
from webui.jobs.restarting import Restart
from webui.jobs.series import SeriesService
from webui.jobs.store import JobStore
from webui.library.models import ModelLibrary
from webui.library.nearby import Neighbours
from webui.library.tasks import TaskBoard
from webui.plugins.installing.installer import Installer
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.storage.styles import Styles
from webui.upscaling.files import UpscalerFiles


class Services(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> JobStore: ...
    @property
    def bus(self) -> EventBus: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def history(self) -> History: ...
    @property
    def plots(self) -> PlotService: ...
    @property
    def series(self) -> SeriesService: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def preferences(self) -> PreferencesFile: ...
    @property
    def styles(self) -> Styles: ...
    @property
    def sources(self) -> SourceStore: ...
    @property
    def embeddings(self) -> EmbeddingFiles: ...
    @property
    def tasks(self) -> TaskBoard: ...
    @property
    def library(self) -> ModelLibrary: ...
    @property
    def neighbours(self) -> Neighbours: ...
    @property
    def plugins(self) -> PluginManager: ...
    @property
    def installer(self) -> Installer: ...
    @property
    def restart(self) -> Restart: ...
    @property
    def upscalers(self) -> UpscalerFiles: ...
