"""Pictures that the front puts together out of others: jobs that are finished when they appear."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from PIL import Image

from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.engine.protocol import ImageDone
from webui.errors import SaveFailed
from webui.jobs.events import EventBus, JobChanged
from webui.jobs.keeper import PictureKeeper
from webui.jobs.resolve import model_hashes, vae_to_tell
from webui.jobs.store import Job, JobState, JobStore


class MadePictures:
    """Keeps them as the pictures of jobs are kept, so that lists, the page and the APIs know nothing of the difference."""

    def __init__(self, store: JobStore, bus: EventBus, keeper: PictureKeeper, catalog: Catalog) -> None:
        self._store, self._bus, self._keeper, self._catalog = store, bus, keeper, catalog

    def keep(
        self,
        picture: Image.Image,
        request: GenerationRequest,
        facts: Mapping[str, object],
        *,
        job_id: str,
        owner: str = "",
        save: bool = True,
    ) -> Job:
        """A finished job whose only picture is this one.

        Args:
            request: resolved; its infotext, with `facts` among the entries, is the picture's.

        Raises:
            SaveFailed: it is then held in memory, and the job has failed.
        """
        self._add(job_id, request, owner, save)
        checkpoint, vae = model_hashes(request, self._catalog)
        known = {"Model hash": checkpoint, "VAE hash": vae, "VAE": vae_to_tell(request, self._catalog)}
        done = ImageDone(job_id, 0, picture.width, picture.height, picture.convert("RGB").tobytes())
        try:
            self._keeper.keep(self._store.get(job_id), done, {**known, **facts})
        except SaveFailed as error:
            self._end(job_id, JobState.FAILED, str(error))
            raise
        finally:
            self._bus.publish(JobChanged(self._store.get(job_id)))
        return self._store.get(job_id)

    def _add(self, job_id: str, request: GenerationRequest, owner: str, save: bool) -> None:
        """Not by `JobStore.add`: what it adds waits, and the engine would begin it. A crash may have left one without picture."""
        now, text = time.time(), json.dumps(request.to_dict())
        columns = "id, kind, request, state, owner, save, place, created, finished"  # no start: it says nothing of the engine
        with self._store.transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO jobs ({columns}) VALUES (?,?,?,?,?,?,0,?,?)",
                (job_id, request.kind, text, JobState.DONE, owner, save, now, now),
            )

    def _end(self, job_id: str, state: JobState, error: str) -> None:
        with self._store.transaction() as db:
            db.execute("UPDATE jobs SET state = ?, error = ? WHERE id = ?", (state, error, job_id))
