"""Puts the parts together, once: services, HTTP application, server."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webui import __version__
from webui.checkpoints.catalog import Catalog
from webui.checkpoints.embedding_files import EmbeddingFiles
from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.engine.client import EngineClient, make_engine
from webui.history.service import History
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus, ModelsChanged, SettingsChanged, TaskChanged
from webui.jobs.keeper import PictureKeeper
from webui.jobs.plots import PlotService
from webui.jobs.restarting import Restart
from webui.jobs.series import SeriesService
from webui.jobs.store import JobStore
from webui.library.inserting import Inserting
from webui.library.models import ModelLibrary
from webui.library.nearby import Neighbours, with_neighbours
from webui.library.notes import read_notes
from webui.library.tasks import TaskBoard
from webui.library.watching import Watch
from webui.listening import address_of, listening_socket, told_of_others
from webui.plugins.installing.installer import Installer
from webui.plugins.installing.places import Places
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.form_defaults import FormDefaults
from webui.storage.lock import FolderLock
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.storage.styles import Styles, style_files
from webui.upscaling.files import UpscalerFiles

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What the HTTP routes and the page work with. Built once and handed on; nothing is fetched from a module."""

    settings: Settings
    store: JobStore
    bus: EventBus
    dispatcher: Dispatcher
    catalog: Catalog
    preferences: PreferencesFile
    form_defaults: FormDefaults
    styles: Styles
    sources: SourceStore
    embeddings: EmbeddingFiles
    tasks: TaskBoard
    library: ModelLibrary
    neighbours: Neighbours
    watch: Watch
    plugins: PluginManager
    upscalers: UpscalerFiles
    plots: PlotService
    history: History
    series: SeriesService
    installer: Installer
    restart: Restart


def build_services(settings: Settings, engine: EngineClient | None = None) -> Services:
    """Open the data folder. Nothing is started: that is `services.dispatcher.start()`."""
    settings = with_neighbours(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    store = JobStore(settings.state_dir / "jobs.sqlite")
    bus = EventBus()
    catalog = Catalog(
        settings.all_checkpoint_dirs,
        settings.all_vae_dirs,
        settings.state_dir / "hashes.json",
        preferred_vae=lambda checkpoint: read_notes(checkpoint).vae,
    )
    preferences = PreferencesFile(settings.preferences_file, lambda changed: bus.publish(SettingsChanged(changed)))
    places = Places(settings.extension_dirs[0])
    places.sweep()  # first: what was half installed is no extension
    plugins = PluginManager.of(settings)
    plugins.settings.tell = lambda changed: bus.publish(SettingsChanged(changed))
    styles = style_files(settings.styles_files, settings.data_dir)
    keeper = PictureKeeper(store, settings, plugins, preferences, styles.all)
    sources = SourceStore(settings.sources_dir)
    upscalers = UpscalerFiles(settings.all_upscaler_dirs, plugins.upscalers)
    engine = engine or make_engine(settings)
    dispatcher = Dispatcher(store, bus, engine, catalog, keeper, preferences, sources, plugins, upscalers)
    embeddings = EmbeddingFiles(settings.all_embedding_dirs)
    tasks = TaskBoard(lambda task: bus.publish(TaskChanged(task)))
    bus.connect_tasks(tasks.all)
    library = ModelLibrary(settings, catalog, tasks, lambda: _inserting(preferences))
    series = SeriesService(store, bus, dispatcher, keeper, catalog, preferences, sources, upscalers, settings)
    sources.sweep({*store.sources(), *series.sources()})
    plots = PlotService(store, bus, dispatcher, catalog, preferences, styles, plugins, settings, upscalers.names)
    return Services(
        settings=settings,
        store=store,
        bus=bus,
        dispatcher=dispatcher,
        catalog=catalog,
        preferences=preferences,
        form_defaults=FormDefaults(settings.form_defaults_file, lambda: {**params_of(GenerationRequest), **plugins.kinds.fields}),
        styles=styles,
        sources=sources,
        embeddings=embeddings,
        tasks=tasks,
        library=library,
        neighbours=Neighbours(settings),
        watch=Watch(library, lambda kinds: bus.publish(ModelsChanged(tuple(kinds)))),
        plugins=plugins,
        upscalers=upscalers,
        plots=plots,
        history=History(settings, bus),
        series=series,
        installer=Installer(settings, plugins, places),
        restart=Restart(),
    )


def _inserting(preferences: PreferencesFile) -> Inserting:
    """How models are put into prompts, as a person chose it."""
    chosen = preferences.current
    aliases = chosen.lora_preferred_name != "Filename"
    return Inserting(aliases, chosen.extra_networks_default_multiplier, chosen.extra_networks_add_text_separator)


def create_app(services: Services) -> FastAPI:
    """The HTTP application: both APIs and, unless switched off, the page."""
    from fastapi import FastAPI  # half a second, which --help need not pay

    from webui.api import (
        docs,
        errors,
        extensions,
        history,
        jobs,
        metadata,
        models,
        names,
        nearby,
        plots,
        polls,
        postprocessing,
        queue,
        saving,
        sdapi,
        second_pass,
        security,
        series,
        sources,
        tasks,
    )

    app = FastAPI(title="Periplus", version=__version__, docs_url=None, redoc_url=None, responses=errors.ANSWERS)
    errors.add_handlers(app)
    app.include_router(sdapi.router(services))
    app.include_router(jobs.router(services))
    app.include_router(queue.router(services))
    app.include_router(saving.router(services))
    app.include_router(metadata.router(services))
    app.include_router(postprocessing.router(services))
    app.include_router(series.router(services))
    app.include_router(plots.router(services))
    app.include_router(history.router(services))
    app.include_router(second_pass.router(services))
    app.include_router(sources.router(services))
    app.include_router(models.router(services))
    app.include_router(nearby.router(services))
    app.include_router(names.router(services))
    app.include_router(tasks.router(services))
    app.include_router(extensions.router(services))
    docs.add_routes(app)
    _add_extensions_routes(app, services.plugins)
    if services.settings.mcp:
        from webui.api.mcp import server  # a package that only those who ask for it have

        server.add_server(app, services)
    if services.settings.page:
        from webui.ui import blocks  # gradio takes seconds

        blocks.mount(app, services)
    app.add_middleware(polls.PollMiddleware, bus=services.bus)
    security.add_security(app, services.settings)
    return app


def _add_extensions_routes(app: FastAPI, plugins: PluginManager) -> None:
    from fastapi import APIRouter

    for name, router in plugins.registered("register_routes", lambda router: isinstance(router, APIRouter)):
        app.include_router(router, prefix=f"/api/extensions/{name}", tags=[name])


def run(settings: Settings) -> int | None:
    """Serve until Ctrl-C. Returns the port at which to start anew, where the page asked for that, else None.

    Raise WebUIError where it cannot start.
    """
    lock = FolderLock(settings.state_dir)
    try:
        with listening_socket(settings) as listener:
            port = listener.getsockname()[1]  # the server closes the socket
            _use_own_uploads_folder(settings)
            services = build_services(settings)
            if services.store.problem:
                log.warning(services.store.problem)
            services.plugins.start()
            services.dispatcher.start()  # first: torch loads in the engine while gradio loads here
            services.plots.start()
            services.history.start()
            services.series.start()
            services.watch.start()
            try:
                _serve(services, listener, lock)
            finally:
                services.watch.close()
                services.history.close()
                services.tasks.close()
                services.plots.close()
                services.series.close()
                services.dispatcher.close()
                services.store.close()
            return port if services.restart.asked else None
    finally:
        lock.release()


def _use_own_uploads_folder(settings: Settings) -> None:
    """Gradio would put what people drop on the page into a folder that all users of the machine share, and leave it there."""
    uploads = settings.state_dir / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)


def _serve(services: Services, listener: socket.socket, lock: FolderLock) -> None:
    import uvicorn

    address = address_of(listener)

    def on_ready() -> None:
        lock.tell_address(address)
        print(f"\nPeriplus is at {address}   (Ctrl-C stops it)", flush=True)
        for line in told_of_others(services.settings, listener):
            print(line, flush=True)
        if services.settings.open_browser and services.settings.page:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    config = uvicorn.Config(create_app(services), log_level="warning", timeout_graceful_shutdown=1)
    server = _make_server(config, on_ready=on_ready, on_stop=services.bus.close)
    services.restart.stop = lambda: setattr(server, "should_exit", True)
    server.run(sockets=[listener])


def _make_server(config: uvicorn.Config, *, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            on_stop()  # open event streams would keep the server from stopping
            await super().shutdown(sockets)

    return Server(config)
