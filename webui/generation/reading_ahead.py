"""Reading a checkpoint from the disk while another one works."""

from __future__ import annotations

import threading
from collections.abc import Callable

from webui.checkpoints.catalog import Catalog, CheckpointInfo, VaeInfo
from webui.checkpoints.manager import PipelineManager
from webui.core.request import GenerationRequest
from webui.errors import WebUIError
from webui.generation.legs import files_of


class ReadingAhead:
    """In threads of its own, one file after the other."""

    def __init__(self, catalog: Catalog, manager: Callable[[], PipelineManager]) -> None:
        """
        Args:
            manager: the one of now, for another may take its place.
        """
        self._catalog, self._manager = catalog, manager
        self._reading: threading.Thread | None = None

    def prefetch(self, request: GenerationRequest) -> None:
        """What a later job wants; returns at once."""
        threading.Thread(target=self._prefetch, args=(request,), daemon=True, name="read-ahead").start()

    def _prefetch(self, request: GenerationRequest) -> None:
        try:
            files = files_of(request, self._catalog)
        except WebUIError:
            return  # the job itself will tell
        if (reading := self._reading) is not None:
            reading.join()  # what the running job needs goes first
        self._manager().read_ahead(*files)

    def read(self, checkpoint: CheckpointInfo, vae: VaeInfo | None, *, beside: bool = False) -> None:
        """The checkpoint that comes after the one that samples; `beside`: it may take memory that is not meant to be kept."""

        def read() -> None:
            self._manager().read_ahead(checkpoint, vae, beside=beside)

        self._reading = threading.Thread(target=read, daemon=True, name="read-ahead")
        self._reading.start()
