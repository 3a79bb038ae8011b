"""What is made of a plot's pictures beside the work on them: figures of each cell, and the grid at the end."""

from __future__ import annotations

import io
import itertools
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from webui.checkpoints.catalog import Catalog
from webui.core import infotext
from webui.core.plot_cells import Expanded
from webui.core.xyz import grid_facts
from webui.errors import JobNotFound, SaveFailed, WebUIError
from webui.jobs import following
from webui.jobs.grid_altering import altered
from webui.jobs.grid_files import write_grid
from webui.jobs.plot_store import CellState, PlotCell, PlotRow, PlotState, PlotStore
from webui.jobs.resolve import model_hashes
from webui.jobs.store import JobStore, Picture
from webui.plugins.loader import PluginManager
from webui.settings import Settings
from webui.storage.figures import grey_of, sharpness, similarity
from webui.storage.grids import Layout, grid_chunks
from webui.storage.preferences import PreferencesFile

log = logging.getLogger(__name__)

#: Pictures that wait, shrunk, for their neighbour along X.
_GREYS = 64

BASE_NAME = "xyz_grid"

#: (plot, index of the cell that changed or None)
Tell = Callable[[str, Sequence[int] | None], None]


class PlotOutput:
    """One thread works off what it is given, so that the queue is fed meanwhile."""

    def __init__(
        self,
        plots: PlotStore,
        settings: Settings,
        plugins: PluginManager,
        catalog: Catalog,
        bytes_of: Callable[[Picture], bytes],
        jobs: JobStore,
        preferences: PreferencesFile,
    ) -> None:
        self._plots, self._settings, self._plugins, self._catalog = plots, settings, plugins, catalog
        self._bytes_of, self._jobs, self._preferences = bytes_of, jobs, preferences
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._greys: OrderedDict[tuple[str, tuple[int, ...]], Any] = OrderedDict()
        self._tell: Tell = lambda plot_id, index: None
        self._thread = threading.Thread(target=self._work, daemon=True, name="plot-output")

    def start(self, tell: Tell) -> None:
        """`tell` is called when a cell has got its figures, or a plot its grid."""
        self._tell = tell
        self._thread.start()

    def close(self) -> None:
        """Leave what is not done yet; the next start does it."""
        self._tasks.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def measure(self, plot_id: str, index: Sequence[int]) -> None:
        """Work out the figures of a finished cell, later."""
        self._tasks.put(partial(self._measure, plot_id, tuple(index)))

    def finish(self, row: PlotRow, expanded: Expanded) -> None:
        """Write the grids of a plot whose cells are finished, later; then it is done."""
        self._tasks.put(partial(self._finish, row.id, expanded))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:  # figures are no reason to stop
                log.exception("While working on a plot")

    # ---- figures

    def _measure(self, plot_id: str, index: tuple[int, ...]) -> None:
        grey = self._grey(plot_id, index)
        if grey is None:
            return
        before, after = (index[0] - 1, *index[1:]), (index[0] + 1, *index[1:])
        found: dict[str, float | None] = {"sharpness": sharpness(grey)}
        if (other := self._grey(plot_id, before)) is not None:
            found["similarity"] = similarity(other, grey)
        self._plots.set_cell(plot_id, index, **found)
        self._tell(plot_id, index)
        if (other := self._grey(plot_id, after)) is not None:
            self._plots.set_cell(plot_id, after, similarity=similarity(grey, other))
            self._tell(plot_id, after)

    def _grey(self, plot_id: str, index: tuple[int, ...]) -> Any:
        """None where there is no picture."""
        key = plot_id, index
        if key not in self._greys:
            try:
                data = self.picture(self._plots.cell(plot_id, index))
            except WebUIError:
                return None
            self._greys[key] = grey_of(data)
            while len(self._greys) > _GREYS:
                self._greys.popitem(last=False)
        self._greys.move_to_end(key)
        return self._greys[key]

    # ---- pictures

    def picture(self, cell: PlotCell) -> bytes:
        """A cell's PNG file. Raise JobNotFound if there is none."""
        if cell.state is not CellState.DONE or cell.job_id is None:
            raise JobNotFound("This cell has no picture yet.")
        return self._bytes_of(self._jobs.picture(cell.job_id, 0))

    def thumbnail(self, cell: PlotCell, side: int) -> bytes:
        """A cell's picture as WebP, no side longer than that."""
        with Image.open(io.BytesIO(self.picture(cell))) as picture:
            small = picture.convert("RGB")
        small.thumbnail((side, side), Image.Resampling.BOX)
        out = io.BytesIO()
        small.save(out, "WEBP", quality=85, method=2)
        return out.getvalue()

    # ---- grids

    def saved_grid(self, row: PlotRow) -> Path | None:
        """The PNG file of the whole grid, where the plot is done and nobody has taken it away."""
        if row.state is not PlotState.DONE or not row.grids:
            return None
        path = Path(row.grids[0])
        return path if path.suffix == ".png" and path.is_file() else None

    def grid(self, row: PlotRow, expanded: Expanded, beyond: tuple[int, ...] | None = None) -> Iterator[bytes]:
        """A PNG file of the cells that are there, part by part.

        Args:
            beyond: the place along Z and further axes of a sub-grid; None: the whole.
        """
        cells = {cell.index: cell for cell in self._plots.cells(row.id)}
        shown = [cell for cell in cells.values() if beyond is None or cell.index[2:] == beyond]
        sizes = [(cell.width, cell.height) for cell in shown if cell.width and cell.height]
        base = row.plot.base
        width = max((width for width, _ in sizes), default=base.width)
        height = max((height for _, height in sizes), default=base.height)
        shape, labels = (expanded.shape, expanded.labels) if beyond is None else (expanded.shape[:2], expanded.labels[:2])
        layout = Layout(shape, labels, (width, height), row.plot.margin, row.plot.draw_legend)

        def load(index: tuple[int, ...]) -> Image.Image | str:
            return self._drawn(cells.get(index if beyond is None else (*index, *beyond)))

        return grid_chunks(layout, load, self._infotext(row, shown, None if beyond is None else 2))

    def _drawn(self, cell: PlotCell | None) -> Image.Image | str:
        if cell is None or cell.state is not CellState.DONE:
            return cell.error if cell else ""
        try:
            with Image.open(io.BytesIO(self.picture(cell))) as picture:
                return picture.convert("RGB")
        except (JobNotFound, OSError) as error:
            return str(error)

    def base_infotext(self, row: PlotRow) -> str:
        """Of what is varied, as it stood in the form."""
        checkpoint, vae = model_hashes(row.plot.base, self._catalog)
        return infotext.format(row.plot.base, {"Model hash": checkpoint, "VAE hash": vae}, kinds=self._plugins.kinds)

    def infotext(self, row: PlotRow) -> str:
        """Of the whole grid."""
        return self._infotext(row, self._plots.cells(row.id), None)

    def _infotext(self, row: PlotRow, cells: Sequence[PlotCell], axes: int | None) -> str:
        """That of the first cell, with the axes."""
        first = min((cell for cell in cells if cell.state is CellState.DONE), key=lambda cell: cell.index[::-1], default=None)
        facts = grid_facts(row.plot, axes)
        if first is None or first.job_id is None:
            return infotext.format(row.plot.base, facts, kinds=self._plugins.kinds)
        request = self._jobs.get(first.job_id).request
        checkpoint, vae = model_hashes(request, self._catalog)
        hashes: Mapping[str, object] = {"Model hash": checkpoint, "VAE hash": vae}
        return infotext.format(request.single(0), {**hashes, **facts}, kinds=self._plugins.kinds)

    def _finish(self, plot_id: str, expanded: Expanded) -> None:
        row = self._plots.get(plot_id)
        if row.state is not PlotState.RUNNING or self._plots.unfinished(plot_id):
            return
        note = ""
        try:
            if row.save and self._plots.counts(plot_id).get(CellState.DONE):
                self._plots.set_grids(plot_id, [*self._save(row, expanded), *row.grids])
        except (WebUIError, OSError, MemoryError) as error:
            note = f"The grid could not be saved, but all cells are: {str(error) or type(error).__name__}"
        if self._plots.get(plot_id).plot == row.plot:  # else it got more values meanwhile, and is finished once they are made
            self._end(plot_id, note)

    def _end(self, plot_id: str, note: str) -> None:
        try:
            self._plots.set_done(plot_id, note)
        except SaveFailed:
            log.exception("A plot's end is tried again")
            later = threading.Timer(following.AGAIN, self._tasks.put, [partial(self._end, plot_id, note)])
            later.daemon = True
            later.start()
        else:
            self._tell(plot_id, None)

    def _save(self, row: PlotRow, expanded: Expanded) -> Iterator[str]:
        yield str(self._write(row, self.grid(row, expanded)))
        if row.plot.include_subgrids and len(expanded.shape) > 2 and expanded.total > len(expanded.shape[:2]):
            for beyond in itertools.product(*(range(length) for length in expanded.shape[2:])):
                yield str(self._write(row, self.grid(row, expanded, beyond)))

    def _write(self, row: PlotRow, chunks: Iterator[bytes]) -> Path:
        chosen, root = self._preferences.current, self._settings.outputs_dir
        whole = altered(chunks, row.plot.base, self._plugins)
        return write_grid(whole, row.plot.base, chosen, root, BASE_NAME)
