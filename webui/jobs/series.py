"""Scripts and folders, for the page and the APIs: what they make of a request becomes jobs, and outlives a crash."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.checkpoints.catalog import Catalog
from webui.core.folder_batch import FolderBatch
from webui.core.loopback import Loopback
from webui.core.prompt_lines import WithStyles
from webui.core.request import GenerationRequest
from webui.core.sd_upscale import SDUpscale
from webui.core.series import Script, check_source, script_of, to_dict
from webui.errors import InvalidRequest
from webui.jobs.dispatcher import Dispatcher
from webui.jobs.events import EventBus
from webui.jobs.folder_maker import FolderMaker, settled, stamp_of
from webui.jobs.keeper import PictureKeeper
from webui.jobs.made import MadePictures
from webui.jobs.resolve import RANDOM_SEED_LIMIT, choose_checkpoint
from webui.jobs.series_makers import GRID, KnownBeforehand, LoopbackMaker, Maker, Tools, UpscaleMaker
from webui.jobs.series_store import PREFIX, PartState, Series, SeriesState, SeriesStore
from webui.jobs.series_work import SeriesWorker, report
from webui.jobs.store import Job, JobStore
from webui.settings import Settings
from webui.storage.preferences import PreferencesFile
from webui.storage.sources import SourceStore
from webui.upscaling.files import UpscalerFiles


@dataclass(frozen=True)
class Submitted:
    """`job` is the first one; None where no part of the series could be made. `series` is None without a script."""

    job: Job | None
    series: Series | None = None


class SeriesService:
    """What can be done with scripts. The methods may be called from any thread."""

    def __init__(
        self,
        jobs: JobStore,
        bus: EventBus,
        dispatcher: Dispatcher,
        keeper: PictureKeeper,
        catalog: Catalog,
        preferences: PreferencesFile,
        sources: SourceStore,
        upscalers: UpscalerFiles,
        settings: Settings,
    ) -> None:
        self._jobs, self._bus, self._dispatcher, self._catalog = jobs, bus, dispatcher, catalog
        self._preferences, self._upscalers, self._settings = preferences, upscalers, settings
        self._tools = Tools(jobs, dispatcher, sources)
        self._store = SeriesStore(jobs)
        made = MadePictures(jobs, bus, keeper, catalog)
        self._worker = SeriesWorker(jobs, self._store, bus, dispatcher, made, self._maker)
        keeper.place_of = self._place_of

    def start(self) -> None:
        """Take up what a former process left, and follow the jobs. The dispatcher has been started."""
        self._worker.start()

    def close(self) -> None:
        """Stop following. What runs is taken up again at the next start."""
        self._worker.close()

    # ---- what others ask for

    def submit(
        self,
        request: GenerationRequest,
        options: Mapping[str, Any],
        *,
        owner: str = "",
        save: bool = True,
        with_styles: WithStyles | None = None,
        series_id: str | None = None,
        body: str | None = None,
    ) -> Submitted:
        """Queue a request, or put on the disk what the script that `options` name makes of it, and begin with it.

        All that can be known beforehand is looked through before the first job is queued.

        Args:
            series_id: the id to have, which begins with `PREFIX`.
            body: a digest of what was sent to begin it (see `asked`).

        Raises:
            InvalidRequest and whatever else `Dispatcher.submit` raises.
            ValueError: the id is taken.
        """
        script = script_of(options)
        if script is None:
            return Submitted(self._dispatcher.submit(request, owner=owner, save=save))
        check_source(script, request)
        script, request = self._settled(script, request)
        with self._worker.lock:  # a second press finds what the first began
            series_id = series_id or f"{PREFIX}{secrets.token_hex(5)}"
            series = self._begun(series_id, script, request, owner, save, with_styles)
            self._store.add(series, body)
        self._worker.go_on(series.id)
        return self._submitted(series.id)

    def _begun(
        self, series_id: str, script: Script, request: GenerationRequest, owner: str, save: bool, with_styles: WithStyles | None
    ) -> Series:
        asked = _digest(script, request)
        before = self._same(script, asked)
        seed = before[0].request.seed if before else secrets.randbelow(RANDOM_SEED_LIMIT)
        if request.seed == -1 and script.needs_seed:
            request = replace(request, seed=seed)
        now = time.time()
        series = Series(series_id, script, request, asked, SeriesState.RUNNING, owner, save, now, now)
        parts = self._maker(script, with_styles).parts(series)
        return replace(series, parts=tuple(self._missing(parts, before)))

    def _submitted(self, series_id: str) -> Submitted:
        series = self._store.get(series_id)
        first = next((part.job_id for part in series.parts if part.job_id), None)
        if first is None:
            errors = next((part.error for part in series.parts if part.error), series.note)
            return Submitted(None, replace(series, note=report(series) or errors))
        return Submitted(self._jobs.get(first), series)

    def get(self, series_id: str) -> Series:
        """By its id, or that of one of its jobs. Raise SeriesNotFound."""
        found = self._store.part_of_job(series_id)
        return self._store.get(found[0] if found else series_id)

    def asked(self, series_id: str) -> str | None:
        """The digest of what was sent to begin it, where `submit` was told."""
        return self._store.body(series_id)

    def state(self, series_id: str) -> SeriesState:
        """How a series stands."""
        return self._store.state(series_id)

    def recent(self, limit: int = 5) -> list[Series]:
        """Newest first."""
        return self._store.recent(limit)

    def cancel(self, series_id: str) -> int:
        """Take all jobs of a series out of the queue, and stop the one that runs; what is finished is kept.

        Returns:
            How many parts were left to do.
        """
        with self._worker.lock:
            series = self.get(series_id)
            left = series.count(PartState.QUEUED) + series.count(PartState.WAITING)
            if series.state in (SeriesState.RUNNING, SeriesState.PAUSED):
                self._store.set_state(series.id, SeriesState.CANCELLED, "Stopped; what is finished is kept.")
                self._worker.take_back(series)
                return left
        return 0

    def cancel_of(self, job_id: str) -> bool:
        """End the series that a job is of; False where it is of none."""
        return self._store.part_of_job(job_id) is not None and self.cancel(job_id) > 0

    def resume(self, series_id: str) -> Series:
        """Do what is missing: what was never begun, and once more what could not be made."""
        with self._worker.lock:
            series = self.get(series_id)
            missing = [part for part in series.parts if part.state in (PartState.WAITING, PartState.FAILED)]
            if missing:  # a grid that was made without them is made again
                missing += [part for part in series.parts if part.kind == GRID and part.state is PartState.DONE]
            if series.state is not SeriesState.RUNNING and missing:
                for part in missing:
                    self._store.set_part(series.id, part.number, state=PartState.WAITING, job_id=None, error="")
                self._store.set_state(series.id, SeriesState.RUNNING)
        self._worker.go_on(series.id)
        return self._store.get(series.id)

    def wait(self, series_id: str, timeout: float | None = None) -> Series:
        """Block until a series is no longer running (or `timeout` seconds have passed) and return it."""
        self._bus.wait(lambda: self._store.state(series_id) is not SeriesState.RUNNING, timeout, every=0.02)
        return self._store.get(series_id)

    def sources(self) -> set[str]:
        """The digests of all pictures that are still wanted."""
        return self._store.sources()

    # ---- how

    def _maker(self, script: Script, with_styles: WithStyles | None = None) -> Maker:
        match script:
            case Loopback():
                return LoopbackMaker(self._tools)
            case SDUpscale():
                return UpscaleMaker(self._tools)
            case FolderBatch():
                return FolderMaker(self._tools.sources, self._catalog)
            case _:
                return KnownBeforehand(self._tools, with_styles)

    def _settled(self, script: Script, request: GenerationRequest) -> tuple[Script, GenerationRequest]:
        """Folders are whole paths, upscalers are called as in their list, the checkpoint is one for all."""
        checkpoint = choose_checkpoint(request.checkpoint, self._catalog, self._preferences.current.checkpoint)
        request = replace(request, checkpoint=checkpoint.name)
        if isinstance(script, FolderBatch):
            return settled(script, self._settings), replace(request, source=None, mask=None)
        if isinstance(script, SDUpscale):
            return replace(script, upscaler=self._upscalers.find(script.upscaler, "upscaler").name), request
        return script, request

    def _same(self, script: Script, asked: str) -> list[Series]:
        """Earlier batches over the same pictures with the same settings, whose results are not to be made again."""
        if not isinstance(script, FolderBatch) or not script.only_missing:
            return []
        found = self._store.same(asked)
        if any(
            series.state is SeriesState.RUNNING and getattr(series.script, "pictures", ()) == script.pictures for series in found
        ):
            raise InvalidRequest("folder", "These pictures are being worked on already, with these settings.")
        return found

    def _missing(self, parts: list, before: list[Series]) -> list:
        done = {stamp_of(part) for series in before for part in series.parts if self._has_result(part)}
        missing = [part for part in parts if not done or stamp_of(part) not in done]
        if not missing:
            raise InvalidRequest(
                "folder",
                f"All {len(parts)} pictures have results made with these settings; untick “Only what is missing” to make others.",
            )
        return [replace(part, number=number) for number, part in enumerate(missing, 1)]

    def _has_result(self, part: Any) -> bool:
        if part.state is not PartState.DONE or not part.job_id:
            return False
        rows = self._jobs.query("SELECT path FROM pictures WHERE job_id = ? AND path IS NOT NULL", part.job_id)
        return bool(rows) and all(Path(path).is_file() for (path,) in rows)

    def _place_of(self, job: Job) -> tuple[Path, str] | None:
        """Results of a batch with an output directory are called after their sources; grids lie among the grids."""
        if not job.id.startswith(PREFIX) or (found := self._store.part_of_job(job.id)) is None:
            return None
        series = self._store.get(found[0])
        part = series.parts[found[1] - 1]
        if part.kind == GRID:
            folder = self._settings.outputs_dir / f"{job.request.kind}-grids" / time.strftime("%Y-%m-%d")
            return folder, f"prompt_matrix-{job.request.seed}"
        if isinstance(series.script, FolderBatch) and series.script.output_folder:
            return Path(series.script.output_folder), Path(part.name).stem
        return None


def _digest(script: Script, request: GenerationRequest) -> str:
    """What makes two series the same question; of pictures that were handed in each is looked at by itself."""
    options = {name: value for name, value in to_dict(script).items() if name not in ("only_missing", "pictures")}
    return hashlib.sha256(json.dumps([options, request.to_dict()], sort_keys=True).encode()).hexdigest()
