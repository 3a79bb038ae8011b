"""The library: every model file that the folders hold, and what a person can do with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from webui.checkpoints.catalog import Catalog
from webui.checkpoints.scan import PICKLED
from webui.errors import InvalidRequest, ModelNotFound, SaveFailed, TaskFailed
from webui.library import child
from webui.library.calling import CALLED, Calling, facts_in_header
from webui.library.download import Downloader, Wanted
from webui.library.entries import Entry, Page, Query, chosen, created, folders_among, made_for, modified, preview_address
from webui.library.folders import KINDS, Kind, check_kind, folders_of
from webui.library.header_facts import HeaderFacts
from webui.library.inserting import Inserting
from webui.library.lora_hashes import LoraHashes
from webui.library.merge import Merger, MergeRequest
from webui.library.notes import Notes, read_notes, write_notes
from webui.library.open_models import OpenModel, read_open_models
from webui.library.previews import Thumbnails, etag, set_preview
from webui.library.shelves import Listed, Shelves, family_noted
from webui.library.sidecar import find_preview
from webui.library.tasks import Task, TaskBoard, TaskHandle
from webui.library.tensor_files import part_of
from webui.settings import Settings

THUMBNAIL_SIDES = (64, 1024)


class ModelLibrary:
    """Thread-safe. Names are those of `page`; any other raises ModelNotFound, so none leads out of the folders."""

    def __init__(
        self, settings: Settings, catalog: Catalog, tasks: TaskBoard, inserting: Callable[[], Inserting] = Inserting
    ) -> None:
        """`inserting` tells how a person wants models to be put into prompts."""
        self._settings, self._catalog, self._tasks = settings, catalog, tasks
        self._shelves = Shelves(settings, catalog)
        self._thumbnails = Thumbnails(settings.state_dir / "thumbnails")
        self._downloader = Downloader(tasks, self.refresh)
        self._lora_hashes = LoraHashes(settings.state_dir / "lora_hashes.json")
        self._merger = Merger(settings, self._shelves, tasks, self.hash_now)
        #: How prompts call models.
        self.calling = Calling(self._shelves, inserting)

    # ---- looking

    def refresh(self) -> None:
        """Look at the folders again."""
        self._shelves.refresh()

    def changes(self) -> list[Kind]:
        """The kinds whose folders have changed since this was asked last."""
        return self._shelves.changes()

    def learn(self, rest: Callable[[], object] = lambda: None) -> list[Kind]:
        """Read the headers that were not read yet, which takes a while for thousands; `rest` is called every so often.

        Returns:
            The kinds of which cards look otherwise by that.
        """
        return self._shelves.learn(rest)

    def page(
        self,
        kind: str = "checkpoint",
        search: str = "",
        sort: str = "name",
        descending: bool = False,
        folder: str = "",
        start: int = 0,
        count: int = 60,
        family: str | None = None,
        fitting: bool = False,
    ) -> Page:
        """Some of the models of a kind; see `Query`. Raise InvalidRequest for an unknown kind or order."""
        query = Query(check_kind(kind), search, sort, descending, folder, start, count, family, fitting)
        listed = self._shelves.now(query.kind)

        def fits(model: Listed) -> bool:
            return query.kind not in CALLED or made_for(self._shelves.told(model).family, family)

        found = chosen(listed, query, lambda model: self._shelves.told(model).text, self._catalog.hashes.holding, fits)
        start = max(query.start, 0)
        shown = found[start : start + max(query.count, 0)]
        for model in shown:
            self._shelves.facts_of(model)  # of all first: an alias counts only where no other has it
        entries = tuple(self._entry(model, family) for model in shown)
        return Page(entries, len(found), folders_among(listed))

    def entry(self, kind: str, name: str, family: str | None = None) -> Entry:
        """`family` is that of the checkpoint it is to be used with. Raise ModelNotFound."""
        return self._entry(self._find(kind, name), family)

    def paths(self, kind: str) -> list[Path]:
        """All files of a kind, in natural order of their names."""
        return [model.path for model in self._shelves.now(check_kind(kind))]

    def names(self, kind: str) -> list[str]:
        """Of all models of a kind, in natural order."""
        return [model.name for model in self._shelves.now(check_kind(kind))]

    def family_of(self, checkpoint: str) -> str | None:
        """The family of a checkpoint by its exact name; None where there is none, or it is not known."""
        return next((model.family for model in self._shelves.all("checkpoint") if model.name == checkpoint), None)

    def _entry(self, model: Listed, family: str | None) -> Entry:
        facts, notes, sha256 = self._shelves.facts_of(model), read_notes(model.path), self._catalog.hashes.get(model.path)
        picture, own = self._pictured(model), facts.family or family_noted(notes.sd_version)
        return Entry(
            kind=model.kind,
            name=model.name,
            path=model.path,
            family=own,
            size=model.size,
            sha256=sha256,
            short=sha256[:10] if sha256 else None,
            title=self._title(model),
            problem=facts.problem,
            notes=notes,
            preview=preview_address(model.kind, model.name, picture) if picture else None,
            modified=modified(model),
            created=created(model),
            bundled=model.bundled,
            alias=facts.alias,
            fits=model.kind not in CALLED or made_for(own, family),
            adds=self.calling.insertion(model, notes),
        )

    def header(self, kind: str, name: str) -> HeaderFacts:
        """What its makers wrote into a file. Raise ModelNotFound."""
        return facts_in_header(self._find(kind, name))

    def find_lora(self, digest: str) -> str | None:
        """The name of the LoRA that has this hash, of which twelve digits count; see `LoraHashes.find`."""
        listed = self._shelves.all("lora")
        path = self._lora_hashes.find(digest, {model.path: self._shelves.facts_of(model, read=False).digest for model in listed})
        return next((model.name for model in listed if model.path == path), None)

    def open_models(self) -> tuple[OpenModel, ...]:
        """The shipped catalogue: well-known models that can be downloaded."""
        return read_open_models(self._settings)

    def _find(self, kind: str, name: str) -> Listed:
        return self._shelves.find(check_kind(kind), name)

    def _title(self, model: Listed) -> str:
        """As A1111 shows it: the file's name and, once known, the first ten digits of its hash in brackets."""
        suffix = "" if model.path.is_dir() or model.name.endswith(model.path.suffix) else model.path.suffix
        digest = self._catalog.hashes.get(model.path)
        return model.name + suffix + (f" [{digest[:10]}]" if digest else "")

    # ---- notes and previews

    def save_notes(self, kind: str, name: str, notes: Notes) -> Entry:
        """Write the notes beside the model. Raise ModelNotFound, SaveFailed."""
        model = self._find(kind, name)
        write_notes(model.path, notes)
        self._shelves.look(model.kind)
        return self.entry(kind, name)

    def set_preview(self, kind: str, name: str, picture: bytes) -> Entry:
        """Make a picture (PNG, JPEG, WebP, GIF) the model's preview. Raise ModelNotFound, UnreadableImage, SaveFailed."""
        model = self._find(kind, name)
        set_preview(model.path, picture)
        self._shelves.look(model.kind)
        return self.entry(kind, name)

    def _pictured(self, model: Listed) -> Path | None:
        """The file that holds the preview: a picture beside the model, else the model with a cover in it; None: there is none."""
        return find_preview(model.path) or (model.path if self._shelves.facts_of(model).cover else None)

    def preview_etag(self, kind: str, name: str) -> str:
        """Changes when the preview does; "" where there is none. Raise ModelNotFound for the model."""
        picture = self._pictured(self._find(kind, name))
        return etag(picture) if picture else ""

    def thumbnail(self, kind: str, name: str, side: int = 256) -> bytes:
        """The preview as WebP, at most `side` pixels wide and high. Raise ModelNotFound, UnreadableImage."""
        model = self._find(kind, name)
        picture = self._pictured(model)
        if picture is None:
            raise ModelNotFound(f"{name} has no preview picture.")
        low, high = THUMBNAIL_SIDES
        return self._thumbnails.of(picture, min(max(side, low), high), cover=find_preview(model.path) is None)

    # ---- work

    def hash(self, kind: str, name: str) -> Task:
        """Work the SHA-256 out now. Raise ModelNotFound, InvalidRequest for a folder."""
        model = self._find(kind, name)
        if model.path.is_dir():
            raise InvalidRequest("name", f"{name} is a folder of files; only a single file has a hash.")
        return self._tasks.start("hash", f"Hash of {model.path.name}", lambda handle: self.hash_now([model], handle)[0])

    def hash_all(self) -> Task:
        """Work out every hash that is not known yet; the result is how many that were."""

        def work(handle: TaskHandle) -> str:
            models = [model for kind in KINDS for model in self._shelves.all(kind) if not model.path.is_dir()]
            unknown = [model for model in models if model.problem is None and not self._catalog.hashes.get(model.path)]
            return str(len(self.hash_now(unknown, handle)))

        return self._tasks.start("hash", "Hashes of all models", work)

    def hash_now(self, models: list[Listed], handle: TaskHandle) -> list[str]:
        """The hashes of some models, worked out where they are not known. Raise TaskFailed, Cancelled."""
        total, before = max(sum(model.size for model in models), 1), 0
        found = []
        for index, model in enumerate(models, 1):
            text = f"Hashing {model.path.name}" + (f" ({index} of {len(models)})" if len(models) > 1 else "")
            found.append(self._catalog.hashes.get(model.path) or self._hash(model, handle, text, before, total))
            before += model.size
        return found

    def _hash(self, model: Listed, handle: TaskHandle, text: str, before: int, total: int) -> str:
        def on_bytes(done: int) -> None:
            handle.check()
            handle.report(min((before + done) / total, 1.0), text)

        try:
            return self._catalog.hashes.work_out(model.path, on_bytes)
        except OSError as error:
            raise TaskFailed(f"{model.path.name} cannot be read: {error.strerror or error}.") from error

    def convert(self, name: str, kind: str = "checkpoint") -> Task:
        """Write a pickled file's weights as `<stem>.safetensors` beside it; the old file stays.

        Raises:
            ModelNotFound, InvalidRequest: it is no pickled file, or the new one is there already.
        """
        source = self._find(kind, name).path
        if source.suffix.lower() not in PICKLED:
            raise InvalidRequest("name", f"{source.name} is no pickled file ({', '.join(PICKLED)}); there is nothing to convert.")
        target = source.with_suffix(".safetensors")
        if target.exists():
            raise InvalidRequest("name", f"{target.name} is there already, beside {source.name}.")

        def work(handle: TaskHandle) -> str:
            job = {"source": str(source), "target": str(target), "rubbish": str(part_of(target))}
            child.run("webui.library.convert", job, handle, part_of(target))
            self.refresh()
            return target.name

        return self._tasks.start("convert", f"Convert {source.name}", work)

    def merge(self, request: MergeRequest) -> Task:
        """Merge checkpoints into a new one; see `MergeRequest`. Raise InvalidRequest, ModelNotFound."""
        return self._merger.start(request)

    def foresee_merge(self, request: MergeRequest) -> tuple[Path, int]:
        """The file that `merge` would make and its size in bytes. Raise as `merge`, and TaskFailed for models that do not fit."""
        return self._merger.foresee(request)

    def download(
        self,
        source: str,
        kind: str = "checkpoint",
        file_name: str | None = None,
        sha256: str | None = None,
        token: str | None = None,
        allow_pickled: bool = False,
    ) -> Task:
        """Fetch a model into the folder of its kind.

        Args:
            source: "org/repo/file" of the hub, a link to a file there, or any other http(s) address.
            file_name: what to call it; the server's name for it by default.
            sha256: refuse a file that has another; the hub tells it by itself.
            token: sent to the first host only, for models that ask for an account.
            allow_pickled: take .ckpt, .pt and .pth files too.

        Raises:
            InvalidRequest
        """
        folder = folders_of(self._settings, check_kind(kind))[0]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SaveFailed(f"The folder {folder} could not be made: {error.strerror or error}.") from error
        return self._downloader.start(Wanted(source, folder, file_name, sha256, token, allow_pickled))
