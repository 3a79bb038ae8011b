"""Keeping finished pictures: encoded, written, recorded, in this order, so that a crash neither loses nor doubles one."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from webui.core import infotext
from webui.core.postprocessing import ExtrasRequest
from webui.engine.protocol import ImageDone, PictureAside
from webui.errors import JobNotFound, PluginError, SaveFailed
from webui.jobs.store import Job, JobStore, Picture, Writing
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.images import day_folder, digest_of, encode_png, write_new

log = logging.getLogger(__name__)

#: Pictures that could not be saved are held in memory for download, this many at most.
UNSAVED_LIMIT = 64

#: What a file's name may not have on one system or another; and how long it may be.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f/\\:*?<>|"]|^\.|[. ]$')
_LONGEST_NAME = 150

#: Given back when the disk is full, so that the job's end can still be recorded.
BALLAST_BYTES = 1 << 20


class PictureKeeper:
    """Writes the pictures of jobs and hands their bytes out again."""

    def __init__(self, store: JobStore, settings: Settings, plugins: PluginManager | None = None) -> None:
        self._store = store
        self._plugins = plugins or PluginManager()
        self._settings = settings
        self._staging = settings.outputs_dir / ".writing"
        self._ballast = settings.state_dir / "ballast"
        self._unsaved: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def keep(self, job: Job, done: ImageDone, facts: Mapping[str, object]) -> Picture:
        """Save one picture and record it.

        Raises:
            SaveFailed: the picture is then held in memory and recorded without a path.
            PluginError: an extension failed; the picture is saved as if it were not there.
        """
        if job.extras is not None:
            return self._keep_extras(job, job.extras, done)
        single = job.request.single(done.index)
        entries, name, problem = self._altered(job, done, {**facts, **done.facts})
        text = infotext.format(single, entries, kinds=self._plugins.kinds)
        data = encode_png(done.pixels, done.width, done.height, text)
        picture = Picture(job.id, done.index, single.seed, done.width, done.height, text, None, False)
        picture = self._saved(job, picture, data, name)
        if problem is not None:
            raise problem
        return picture

    def _keep_extras(self, job: Job, request: ExtrasRequest, done: ImageDone) -> Picture:
        """Named after its source, with what the source's file said; as in A1111, a chunk of its own says what was done to it."""
        source = request.source_of(done.index)
        text = request.describe(source)
        chunks = {"postprocessing": infotext.line_of(request.entries())} if request.entries() else {}
        data = encode_png(done.pixels, done.width, done.height, text, chunks)
        picture = Picture(job.id, done.index, 0, done.width, done.height, text, None, False)
        name = _NOT_IN_NAMES.sub("_", source.name)[:_LONGEST_NAME].strip() or "picture"
        return self._saved(job, picture, data, name, Path(request.output_folder) if request.output_folder else None)

    def _saved(self, job: Job, picture: Picture, data: bytes, name: str, folder: Path | None = None) -> Picture:
        try:
            picture = self._write(job, picture, data, name, folder)
            self._take_ballast()
        except SaveFailed:
            self._ballast.unlink(missing_ok=True)
            self._unsaved[job.id, picture.index] = data
            while len(self._unsaved) > UNSAVED_LIMIT:
                self._unsaved.popitem(last=False)
            self._store.finish_picture(picture)
            raise
        return picture

    def keep_aside(self, job: Job, aside: PictureAside, facts: Mapping[str, object]) -> None:
        """Save a picture on the way in a file that no list has, unless the job's are not to be saved. Raise SaveFailed."""
        if not job.save:
            return
        single = job.request.single(aside.index)
        text = infotext.format(single, {**facts, "Picture": aside.what}, kinds=self._plugins.kinds)
        data = encode_png(aside.pixels, aside.width, aside.height, text)
        folder = day_folder(self._settings.outputs_dir, job.kind)
        write_new(folder, f"{single.seed}-{aside.what.replace(' ', '-')}", data, staging=self._staging)

    def _altered(self, job: Job, done: ImageDone, facts: dict[str, object]) -> tuple[dict[str, object], str, PluginError | None]:
        """Infotext entries and file name as extensions want them. Where one fails they are as without any: no picture is lost."""
        single = job.request.single(done.index)
        name = str(single.seed)
        try:
            entries = self._plugins.fold("alter_infotext", facts, request=single)
            altered = self._plugins.fold("alter_file_name", name, request=job.request, index=done.index)
        except PluginError as error:
            return facts, name, error
        if not 0 < len(altered) <= _LONGEST_NAME or _NOT_IN_NAMES.search(altered):
            text = f"An extension named a file {altered!r:.200}; the marks / \\ : * ? < > | and quotes cannot be in a name."
            return entries, name, PluginError("", "", text)
        return entries, altered, None

    def _write(self, job: Job, picture: Picture, data: bytes, name: str, chosen: Path | None = None) -> Picture:
        """`chosen`: another folder than the usual one."""
        digest = digest_of(data)

        def announce(path: Path) -> None:
            nonlocal picture
            picture = replace(picture, path=str(path), saved=job.save)
            self._store.begin_picture(picture, digest)

        kind = job.request.kind if job.extras is None else job.extras.kind
        usual = day_folder(self._settings.outputs_dir, kind) if job.save else self._settings.state_dir / "pictures"
        folder = chosen if chosen and job.save else usual
        name = name if job.save else f"{job.id}-{picture.index}"
        staging = self._staging if job.save else folder
        write_new(folder, name, data, staging=staging, announce=announce)
        self._store.finish_picture(picture)
        return picture

    def bytes_of(self, picture: Picture) -> bytes:
        """The PNG file's content. Raise JobNotFound if it is gone."""
        if picture.path is None:
            data = self._unsaved.get((picture.job_id, picture.index))
            if data is None:
                raise JobNotFound("This picture could not be saved and is no longer in memory.")
            return data
        try:
            return Path(picture.path).read_bytes()
        except OSError as error:
            raise JobNotFound(f"The file {picture.path} is gone: {error.strerror}.") from error

    def forget_unsaved(self, job_id: str) -> None:
        """Delete the pictures that nobody asked to save (`Job.save` false)."""
        for picture in self._store.get(job_id).pictures:
            if not picture.saved and picture.path is not None:
                self._forget(picture)

    def _forget(self, picture: Picture) -> None:
        Path(picture.path or "").unlink(missing_ok=True)
        self._store.drop_picture(picture.job_id, picture.index)

    def recover(self) -> None:
        """Clear up after a crash: a picture whose file is whole is kept, one whose file is not there will be made again."""
        self._settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._take_ballast()
        for writing in self._store.unfinished_writes():
            if _is_whole(writing):
                self._store.finish_picture(writing.picture)
            else:
                self._store.drop_picture(writing.picture.job_id, writing.picture.index)
        for picture in self._store.unsaved_pictures():
            self._forget(picture)
        for rubbish in [*self._staging.glob("*.tmp"), *(self._settings.state_dir / "pictures").glob("*.tmp")]:
            rubbish.unlink(missing_ok=True)

    def _take_ballast(self) -> None:
        if not self._ballast.exists():
            with contextlib.suppress(OSError):  # the disk is nearly full: there is nothing to hold in reserve
                self._ballast.write_bytes(bytes(BALLAST_BYTES))


def _is_whole(writing: Writing) -> bool:
    try:
        return writing.picture.path is not None and digest_of(Path(writing.picture.path).read_bytes()) == writing.digest
    except OSError:
        return False
