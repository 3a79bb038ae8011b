"""Keeping finished pictures: encoded, written, recorded, in this order, so that a crash neither loses nor doubles one."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from webui.core import infotext
from webui.core.postprocessing import ExtrasRequest
from webui.engine.protocol import ImageDone, PictureAside
from webui.errors import JobNotFound, PluginError, SaveFailed
from webui.jobs.naming import Styles, facts_of, folder_of, name_of
from webui.jobs.store import Job, JobStore, Picture, Writing
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.encoding import Encoded, encode_picture
from webui.storage.file_names import safe_name
from webui.storage.images import digest_of, write_new
from webui.storage.name_patterns import NameFacts
from webui.storage.preferences import Preferences, PreferencesFile

log = logging.getLogger(__name__)

#: Pictures that could not be saved are held in memory for download, this many at most.
UNSAVED_LIMIT = 64

#: What a file's name may not have on one system or another; and how long it may be.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f/\\:*?<>|"]|^\.|[. ]$')
_LONGEST_NAME = 200

#: Given back when the disk is full, so that the job's end can still be recorded.
BALLAST_BYTES = 1 << 20


class PictureKeeper:
    """Writes the pictures of jobs and hands their bytes out again."""

    def __init__(
        self,
        store: JobStore,
        settings: Settings,
        plugins: PluginManager | None = None,
        preferences: PreferencesFile | None = None,
        styles: Styles = list,
    ) -> None:
        self._store = store
        self._plugins = plugins or PluginManager()
        self._settings, self._preferences, self._styles = settings, preferences, styles
        self._staging = settings.outputs_dir / ".writing"
        self._ballast = settings.state_dir / "ballast"
        self._unsaved: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        #: Where the pictures of a job go that have a place of their own: the folder, and what they are called there.
        self.place_of: Callable[[Job], tuple[Path, str] | None] = lambda job: None

    @property
    def _chosen(self) -> Preferences:
        return self._preferences.current if self._preferences else Preferences()

    def keep(self, job: Job, done: ImageDone, facts: Mapping[str, object]) -> Picture:
        """Save one picture and record it.

        Raises:
            SaveFailed: the picture is then held in memory and recorded without a path.
            PluginError: an extension failed; the picture is saved as if it were not there.
        """
        if job.extras is not None:
            return self._keep_extras(job, job.extras, done)
        single = job.request.single(done.index)
        told = self._told(job, done.index, {**facts, **done.facts}, lambda: done.pixels)
        folder = self._folder(job, told)
        entries, name, problem = self._altered(job, done, {**facts, **done.facts}, self._name(told, folder))
        if job.save and (place := self.place_of(job)) is not None:
            folder, name = place[0], safe_name(place[1])
        text = infotext.format(single, entries, kinds=self._plugins.kinds)
        picture = Picture(job.id, done.index, single.seed, done.width, done.height, text, None, False)
        picture = self._saved(job, picture, self._encoded(done, text), name, folder)
        if problem is not None:
            raise problem
        return picture

    def _keep_extras(self, job: Job, request: ExtrasRequest, done: ImageDone) -> Picture:
        """Named after its source, with what the source's file said; as in A1111, a chunk of its own says what was done to it."""
        source = request.source_of(done.index)
        text = request.describe(source)
        chunks = {"postprocessing": infotext.line_of(request.entries())} if request.entries() else {}
        picture = Picture(job.id, done.index, 0, done.width, done.height, text, None, False)
        folder = Path(request.output_folder) if request.output_folder else self._folder(job, self._told(job, done.index, {}))
        return self._saved(job, picture, self._encoded(done, text, chunks), safe_name(source.name) or "picture", folder)

    def _told(self, job: Job, index: int, facts: Mapping[str, object], pixels: Callable[[], bytes] = bytes) -> NameFacts:
        chosen = self._chosen
        wanted = "styles" in f"{chosen.samples_filename_pattern}{chosen.directories_filename_pattern}".lower()
        model_hash = str(facts.get("Model hash") or "")
        return facts_of(job, index, self._styles if wanted else list, model_hash=model_hash, pixels=pixels)

    def _folder(self, job: Job, told: NameFacts) -> Path:
        if not job.save:
            return self._settings.state_dir / "pictures"
        kind = job.request.kind if job.extras is None else job.extras.kind
        root = self._settings.outputs_dir / f"{kind}-images"
        return folder_of(root, told, self._chosen) if self._chosen.save_to_dirs else root

    def _name(self, told: NameFacts, folder: Path) -> str:
        return name_of(told, self._chosen, folder, subdirectory=self._chosen.save_to_dirs)

    def _encoded(self, done: ImageDone | PictureAside, text: str, chunks: Mapping[str, str] | None = None) -> Encoded:
        chosen = self._chosen
        text, chunks = (text, chunks) if chosen.enable_pnginfo else ("", None)
        ways = {"quality": chosen.jpeg_quality, "lossless": chosen.webp_lossless}
        return encode_picture(done.pixels, done.width, done.height, text, chosen.samples_format, chunks=chunks, **ways)

    def _saved(self, job: Job, picture: Picture, made: Encoded, name: str, folder: Path) -> Picture:
        try:
            picture = self._write(job, picture, made, name, folder)
            self._take_ballast()
        except SaveFailed:
            self._ballast.unlink(missing_ok=True)
            self._unsaved[job.id, picture.index] = made.data
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
        made = self._encoded(aside, text)
        told = self._told(job, aside.index, facts, lambda: aside.pixels)
        folder = self._folder(job, told)
        name = f"{self._name(told, folder)}-{aside.what.replace(' ', '-')}".lstrip("-")
        write_new(folder, name, made.data, staging=self._staging, ending=made.ending, text=self._beside(text, made))

    def _beside(self, text: str, made: Encoded) -> str | None:
        """What goes into a text file beside a picture."""
        wanted = self._chosen.save_txt or made.sidecar is not None
        return f"{text}\n" if wanted and text else None

    def _altered(
        self, job: Job, done: ImageDone, facts: dict[str, object], name: str
    ) -> tuple[dict[str, object], str, PluginError | None]:
        """Infotext entries and file name as extensions want them. Where one fails they are as without any: no picture is lost."""
        single = job.request.single(done.index)
        try:
            entries = self._plugins.fold("alter_infotext", facts, request=single)
            altered = self._plugins.fold("alter_file_name", name, request=job.request, index=done.index)
        except PluginError as error:
            return facts, name, error
        if altered != name and (not 0 < len(altered) <= _LONGEST_NAME or _NOT_IN_NAMES.search(altered)):
            text = f"An extension named a file {altered!r:.200}; the marks / \\ : * ? < > | and quotes cannot be in a name."
            return entries, name, PluginError("", "", text)
        return entries, altered, None

    def _write(self, job: Job, picture: Picture, made: Encoded, name: str, folder: Path) -> Picture:
        digest = digest_of(made.data)

        def announce(path: Path) -> None:
            nonlocal picture
            picture = replace(picture, path=str(path), saved=job.save)
            self._store.begin_picture(picture, digest)

        if job.save:
            staging, text, numbered = self._staging, self._beside(picture.infotext, made), self._chosen.save_images_add_number
        else:
            staging, text, numbered, name = folder, None, True, f"{job.id}-{picture.index}"
        ways = {"announce": announce, "ending": made.ending, "numbered": numbered, "text": text}
        write_new(folder, name, made.data, staging=staging, **ways)
        self._store.finish_picture(picture)
        return picture

    def bytes_of(self, picture: Picture) -> bytes:
        """The file's content. Raise JobNotFound if it is gone."""
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
