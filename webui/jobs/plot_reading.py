"""What a plot means here: with the files, styles and extensions that there are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from webui.checkpoints.catalog import Catalog
from webui.core.plot_axes import AxisType
from webui.core.plot_axis_list import axis_types
from webui.core.plot_cells import Expanded, InvalidAxes, expand
from webui.core.plot_forecast import Rates, estimate
from webui.core.plot_plan import Plan, idle_axes, plan, plan_of, sample_of
from webui.core.plot_rules import NO_STYLE, style_names
from webui.core.plot_values import split_values
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.core.styles import Style
from webui.core.xyz import MANY_CELLS, PlotRequest
from webui.errors import InvalidRequest
from webui.jobs.plot_store import PlotRow
from webui.jobs.plot_views import Check
from webui.jobs.resolve import choose_checkpoint
from webui.plugins.loader import PluginManager
from webui.storage.preferences import PreferencesFile
from webui.storage.styles import Styles

#: What is expanded stays in memory for the latest plots.
_REMEMBERED = 4


class PlotReader:
    """Thread-safe."""

    def __init__(
        self,
        catalog: Catalog,
        preferences: PreferencesFile,
        styles: Styles,
        plugins: PluginManager,
        upscalers: Callable[[], Iterable[str]],
        loras: Callable[[], Iterable[str]],
    ) -> None:
        self._catalog, self._preferences, self._styles = catalog, preferences, styles
        self._plugins, self._upscalers, self._loras = plugins, upscalers, loras
        self._lock = threading.RLock()
        self._read: OrderedDict[str, tuple[PlotRequest, Expanded, Plan]] = OrderedDict()

    def types(self, styles: Sequence[Style] | None = None, *, as_named: bool = False) -> dict[str, AxisType]:
        """The axes there are, with what can be picked. `as_named`: names of files are taken as they are."""
        checkpoints = [info.name for info in self._catalog.checkpoints() if info.problem is None]
        vaes = [info.name for info in self._catalog.vaes() if info.problem is None]
        theirs = self._plugins.registered("register_axes", lambda axis: isinstance(axis, AxisType))
        own = axis_types(
            checkpoints=checkpoints,
            vaes=vaes,
            upscalers=self._upscalers(),
            loras=None if as_named else self._loras(),
            styles=self._styles.all() if styles is None else styles,
            extras=self._plugins.kinds,
            find_checkpoint=str if as_named else lambda text: self._catalog.find_checkpoint(text).name,
            find_vae=str if as_named else self._find_vae,
            find_upscaler=str if as_named else None,
        )
        return own | {axis.name: axis for _, axis in theirs if axis.name not in own}

    def _find_vae(self, text: str) -> str:
        named = {name.casefold(): name for name in (VAE_AUTOMATIC, VAE_BUILT_IN)}.get(text.casefold())
        return named or self._catalog.find_vae(text).name

    def check(self, request: PlotRequest, rates: Rates) -> Check:
        """What a plot would come to; `rates` are of this machine."""
        types = self.types()
        request = self.based(request)
        try:
            expanded = expand(request, types)
        except InvalidAxes as error:
            return Check(tuple(_count(axis.type, axis.fixed or axis.values, types) for axis in request.axes), error.errors)
        cells = expanded.cells if expanded.total <= MANY_CELLS else sample_of(expanded, MANY_CELLS)
        planned = plan_of(cells)
        bad = [cell for cell in cells if cell.request is None]
        foreseen = estimate(planned.work, rates, expanded.total / len(cells))
        idle = tuple((axis, _why_idle(expanded, axis)) for axis in idle_axes(expanded))
        return Check(expanded.shape, (), expanded, planned, foreseen, idle, len(bad), bad[0].error if bad else "")

    def based(self, request: PlotRequest) -> PlotRequest:
        """The base's checkpoint is the one that is chosen now."""
        base = request.base
        if base.checkpoint is None and not any(axis.type == "Checkpoint name" for axis in request.axes):
            chosen = choose_checkpoint(None, self._catalog, self._preferences.current.checkpoint)
            base = replace(base, checkpoint=chosen.name)
        return replace(request, base=replace(base, batch_count=1, batch_size=1))

    def styles_of(self, request: PlotRequest, former: Sequence[Style] = ()) -> tuple[Style, ...]:
        """What the axis Styles names, as it is now; those that a plot has already stay as they were."""
        names: dict[str, None] = {}
        known = {style.name for style in self._styles.all()}
        for axis in request.axes:
            if axis.type.casefold() == "styles":
                names |= dict.fromkeys(name for value in split_values(axis.text) for name in style_names(value, known))
        kept = {style.name: style for style in former}
        found = {style.name: style for style in self._styles.chosen([name for name in names if name != NO_STYLE])}
        return tuple((found | kept).values())

    def expand(self, row: PlotRow) -> tuple[Expanded, Plan]:
        """As it was when it was submitted: files that have gone since fail their cells, not the plot."""
        with self._lock:
            remembered = self._read.get(row.id)
            if remembered is None or remembered[0] != row.plot:
                expanded = expand(row.plot, self.types(row.plot.styles, as_named=True))
                remembered = row.plot, expanded, plan(expanded)
            self._read[row.id] = remembered
            self._read.move_to_end(row.id)
            while len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
            return remembered[1:]


def _why_idle(expanded: Expanded, axis: int) -> str:
    kind, base = expanded.readings[axis].type, expanded.plot.base
    group = kind.spec.param.group if kind.spec else ""
    reason = ""
    if base.kind not in kind.tabs:
        reason = f": it has no effect in {base.kind}"
    elif group == "hires" and not base.hires:
        reason = ": Hires. fix is off"
    elif kind.field == "variation_seed" and base.variation_strength == 0:
        reason = ": Variation strength is 0"
    return f"{kind.name} changes nothing here{reason}."


def _count(name: str, values: str | Sequence[str], types: dict[str, AxisType]) -> int | None:
    try:
        return len(types[name].parse(values))
    except (InvalidRequest, KeyError):
        return None
