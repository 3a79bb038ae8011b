"""The buttons Save and Zip: copies of finished pictures in the log folder, and several of them in one archive."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from webui.errors import JobNotFound
from webui.jobs.naming import Styles, archive_facts, archive_name, facts_of, folder_of, name_of
from webui.jobs.store import Job, JobStore, Picture
from webui.settings import Settings
from webui.storage.encoding import ending_of, pixels_of
from webui.storage.images import write_new
from webui.storage.log_csv import add_row
from webui.storage.preferences import PreferencesFile

LOG_NAME = "log.csv"


class PictureSaver:
    """Works on what jobs have made.

    Args:
        bytes_of: gives a picture's file.
        hash_of: gives the short hash of a job's checkpoint, "" while it is not known.
    """

    def __init__(
        self,
        store: JobStore,
        settings: Settings,
        preferences: PreferencesFile,
        styles: Styles,
        bytes_of: Callable[[Picture], bytes],
        hash_of: Callable[[Job], str],
    ) -> None:
        self._store, self._settings, self._preferences = store, settings, preferences
        self._styles, self._bytes_of, self._hash_of = styles, bytes_of, hash_of

    @property
    def folder(self) -> Path:
        """Where copies go, and the list of them."""
        return self._settings.data_dir / "log" / "images"

    def save(self, job_id: str, indexes: Sequence[int] | None = None) -> list[Path]:
        """Copy pictures of a job into the log folder; all of them where no index is given.

        Raises:
            JobNotFound: there is no such picture.
            SaveFailed: what was copied before stays.
        """
        job = self._store.get(job_id)
        return [self._copy(job, picture) for picture in _chosen(job, indexes)]

    def _copy(self, job: Job, picture: Picture) -> Path:
        chosen, data = self._preferences.current, self._bytes_of(picture)
        facts = facts_of(job, picture.index, self._styles, model_hash=self._hash_of(job), pixels=lambda: pixels_of(data))
        folder = folder_of(self.folder, facts, chosen) if chosen.use_save_to_dirs_for_ui else self.folder
        name = name_of(facts, chosen, folder, subdirectory=chosen.use_save_to_dirs_for_ui)
        text = f"{picture.infotext}\n" if picture.infotext and (chosen.save_txt or _text_beside(picture)) else None
        ways = {"ending": ending_of(data) or "png", "numbered": chosen.save_images_add_number, "text": text}
        path = write_new(folder, name, data, staging=self.folder / ".writing", **ways)
        if chosen.save_write_log_csv:
            add_row(self.folder / LOG_NAME, self._row(job, picture, path))
        return path

    def _row(self, job: Job, picture: Picture, path: Path) -> dict[str, object]:
        request = job.request.single(picture.index) if job.extras is None else None
        row: dict[str, object] = {"width": picture.width, "height": picture.height}
        row["filename"] = path.relative_to(self.folder).as_posix()
        if request is None:
            return row
        return row | {
            "prompt": request.prompt,
            "seed": picture.seed,
            "sampler": request.sampler,
            "cfgs": request.guidance_scale,
            "steps": request.steps,
            "negative_prompt": request.negative_prompt,
            "sd_model_name": PurePosixPath(request.checkpoint or "").name,
            "sd_model_hash": self._hash_of(job),
        }

    def archive(self, job_id: str, indexes: Sequence[int] | None = None) -> tuple[str, Iterator[bytes]]:
        """The name of a zip archive of a job's pictures, and its bytes, part by part. Raise JobNotFound."""
        job = self._store.get(job_id)
        pictures = _chosen(job, indexes)
        if not pictures:
            raise JobNotFound("This job has no picture yet.")
        facts = archive_facts(job, [picture.index for picture in pictures], self._styles, model_hash=self._hash_of(job))
        return f"{archive_name(facts, self._preferences.current)}.zip", self._zipped(pictures)

    def _zipped(self, pictures: Sequence[Picture]) -> Iterator[bytes]:
        sink, taken = _Sink(), set[str]()
        with zipfile.ZipFile(cast(BinaryIO, sink), "w", zipfile.ZIP_STORED) as archive:  # pictures are packed already
            for picture in pictures:
                try:
                    data = self._bytes_of(picture)
                except JobNotFound:  # somebody has deleted the file since: the others are there all the same
                    continue
                name = _free(Path(picture.path).name if picture.path else f"{picture.seed}.{ending_of(data) or 'png'}", taken)
                archive.writestr(name, data)
                if beside := _text_beside(picture):
                    archive.writestr(_free(f"{Path(name).stem}.txt", taken), beside)
                yield sink.take()
        yield sink.take()


class _Sink:
    """Takes what a zip file writes, for it to be handed on at once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _chosen(job: Job, indexes: Sequence[int] | None) -> list[Picture]:
    known = {picture.index: picture for picture in job.pictures}
    wanted = list(known) if indexes is None else list(dict.fromkeys(indexes))
    if missing := [index for index in wanted if index not in known]:
        raise JobNotFound(f"Job “{job.id:.80}” has no picture {missing[0]}.")
    return [known[index] for index in wanted]


def _text_beside(picture: Picture) -> bytes:
    """The text file beside a picture, for settings that it cannot hold or that were asked for; b"" where there is none."""
    try:
        return Path(picture.path).with_suffix(".txt").read_bytes() if picture.path else b""
    except OSError:
        return b""


def _free(name: str, taken: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    number = 1
    while name.casefold() in taken:
        name, number = f"{stem}-{number}{dot}{ending}", number + 1
    taken.add(name.casefold())
    return name
