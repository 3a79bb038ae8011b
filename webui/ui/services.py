"""What the page needs of the application. A protocol, because the application stands above the page and imports it."""

from __future__ import annotations

from typing import Protocol

from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus
from webui.jobs.series import SeriesService
from webui.jobs.store import JobStore
from webui.library.models import ModelLibrary
from webui.library.tasks import TaskBoard
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.form_defaults import FormDefaults
from webui.storage.preferences import PreferencesFile
from webui.storage.styles import Styles
from webui.upscaling.files import UpscalerFiles


class PageServices(Protocol):
    """Filled by `webui.app.Services`."""

    @property
    def settings(self) -> Settings: ...
    @property
    def bus(self) -> EventBus: ...
    @property
    def store(self) -> JobStore: ...
    @property
    def series(self) -> SeriesService: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def preferences(self) -> PreferencesFile: ...
    @property
    def form_defaults(self) -> FormDefaults: ...
    @property
    def styles(self) -> Styles: ...
    @property
    def embeddings(self) -> EmbeddingFiles: ...
    @property
    def tasks(self) -> TaskBoard: ...
    @property
    def library(self) -> ModelLibrary: ...
    @property
    def plugins(self) -> PluginManager: ...
    @property
    def upscalers(self) -> UpscalerFiles: ...
