"""From what was asked for to what can be queued: everything is found, named, drawn and checked here, before a job exists."""

from __future__ import annotations

from webui.checkpoints.catalog import Catalog
from webui.core.postprocessing import ExtrasRequest
from webui.core.request import VAE_BUILT_IN, GenerationRequest
from webui.errors import PluginError
from webui.jobs.file_options import with_named_files
from webui.jobs.resolve import resolve, resolve_extras, with_outpainted_size
from webui.plugins.loader import PluginManager
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.upscaling.files import UpscalerFiles


class Intake:
    """Knows the files, the preferences and the extensions that decide what a request means."""

    def __init__(
        self,
        catalog: Catalog,
        preferences: PreferencesFile,
        sources: SourceStore,
        plugins: PluginManager,
        upscalers: UpscalerFiles,
    ) -> None:
        self._catalog, self._preferences, self._sources = catalog, preferences, sources
        self._plugins, self._upscalers = plugins, upscalers

    def settled(self, request: GenerationRequest) -> GenerationRequest:
        """The request as it is to be carried out. The hashes of its files are worked out from now on.

        Raises:
            InvalidRequest, CheckpointNotFound, UnsupportedCheckpoint, UnreadableImage, PluginError
        """
        for digest in filter(None, (request.source, request.mask, request.hires_source)):
            self._sources.size(digest)  # it is there
        request = with_outpainted_size(request, self._sources)
        request = self._altered(resolve(request, self._catalog, self._preferences.current.checkpoint, self._upscalers))
        self._catalog.hash_later(self._catalog.find_checkpoint(request.checkpoint or ""))
        if request.vae != VAE_BUILT_IN:
            self._catalog.hash_later(self._catalog.find_vae(request.vae))
        return request

    def settled_extras(self, request: ExtrasRequest) -> ExtrasRequest:
        """The same for work on pictures that are there already.

        Raises:
            InvalidRequest: a source or an upscaler is not there.
        """
        return resolve_extras(request, self._sources, self._upscalers)

    def chosen(self) -> GenerationRequest:
        """A request with the checkpoint and the VAE that are chosen. Raise CheckpointNotFound, UnsupportedCheckpoint."""
        preferences = self._preferences.current
        return resolve(GenerationRequest(vae=preferences.vae), self._catalog, preferences.checkpoint)

    def _altered(self, request: GenerationRequest) -> GenerationRequest:
        """A resolved request with the options of extensions checked, and as the extensions leave it."""
        named = with_named_files(self._plugins.check(request), self._catalog)
        altered = self._plugins.fold("alter_request", named)
        if altered.image_count != request.image_count:
            raise PluginError("", "", "An extension changed the number of pictures, which alter_request cannot do.")
        return self._plugins.check(altered)
