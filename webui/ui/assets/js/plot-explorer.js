// The right of the tab Plot: one plot, running or over, as a map; which axis runs where, the figures of its cells, what can be
// done with it. A pressed cell opens large (plot-cell.js).

import { selectBox } from "./controls.js";
import { button, coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { post } from "./notices.js";
import { openCell } from "./plot-cell.js";
import { openComparison } from "./plot-compare.js";
import { act, cellOf, plot as fetchPlot } from "./plot-data.js";
import { openExtend } from "./plot-extend.js";
import { exportMenu } from "./plot-export.js";
import { toggle } from "./plot-favourites.js";
import { openList } from "./plot-list.js";
import { plotMap } from "./plot-map.js";
import { METRICS, ramp, ranges, shownValue } from "./plot-overlay.js";
import { cellName, isOver, progressWords, title } from "./plot-words.js";
import { onChange, state } from "./state.js";
import { t } from "./texts.js";

const STORED = "periplus.plot.shown";
const FRESH_MS = 700; // between two looks at a plot that runs

// `edit(plot)`: its axes are wanted in the editor.
export function plotExplorer(edit) {
  let plot = null;
  let cells = new Map(); // by index, as text
  let layout = { columns: 0, rows: 1, at: [] };
  let limits = {}; // of the overlay's figures
  let picked = null; // a cell that waits for the one it is to be compared with
  let lastOpened = null;
  let asked = null; // the request for a plot that is under way
  let seen = 0; // how much the stream has told of this plot
  let later = null;
  let online = true;

  const parts = build();
  const map = plotMap({ open: pressed, point: () => {}, key: onKey });
  parts.stage.append(map.element, parts.empty, parts.picking);
  onChange(follow);
  onChange(coalesce(() => plot?.state === "running" && map.redraw())); // the bar of the cell that runs
  const redrawn = coalesce(() => plot && draw(true));

  function build() {
    const words = { heading: h("h3", { class: "plot-title" }), words: h("p", { class: "plot-progress", "aria-live": "polite" }) };
    const fill = h("div", { class: "bar-fill" });
    const bar = h("div", { class: "bar", role: "progressbar", "aria-label": t("plot.running"), "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
    const actions = {
      pause: button(t("plot.pause"), "pause", () => press("pause"), { id: "plot_pause" }),
      resume: button(t("plot.resume"), "play", () => press("resume"), { id: "plot_resume", class: "plain-button primary" }),
      cancel: button(t("plot.cancel"), "close", () => press("cancel"), { id: "plot_cancel" }),
      extend: button(t("plot.extend"), "add", () => openExtend(plot, refresh), { id: "plot_extend" }),
      edit: button(t("plot.edit"), "send", () => edit(plot), { id: "plot_edit", title: t("plot.edit.help") }),
      save: exportMenu(() => plot, () => layout),
    };
    const older = button(t("plot.older"), "queue", () => openList(plot?.id, show), { id: "plot_older" });
    const columns = selectBox("plot_columns", "columns", t("plot.columns"), []);
    const rows = selectBox("plot_rows", "rows", t("plot.rows"), []);
    const overlay = selectBox("plot_overlay", "overlay", t("plot.overlay"), [["", t("plot.overlay.none")], ...METRICS.map((name) => [name, t(`plot.overlay.${name}`)])], { help: t("plot.overlay.help") });
    for (const [name, box] of [["columns", columns], ["rows", rows]]) box.input.onchange = () => turn(name, Number(box.value));
    overlay.input.onchange = () => draw();
    const only = h("label", { class: "checkbox", title: t("plot.only_favourites.help") }, h("input", { type: "checkbox", id: "plot_only_favourites", onchange: () => map.redraw() }), t("plot.only_favourites"));
    const zooms = h("div", { class: "plot-zooms" },
      iconButton(t("plot.zoom_out"), "minus", () => map.zoom(0.8), { id: "plot_zoom_out", class: "bare-button framed" }),
      iconButton(t("plot.fit"), "fit", () => map.fit(), { id: "plot_fit", class: "bare-button framed" }),
      iconButton(t("plot.zoom_in"), "add", () => map.zoom(1.25), { id: "plot_zoom_in", class: "bare-button framed" }));
    const tools = h("div", { class: "plot-tools" }, columns.element, rows.element, overlay.element, only, zooms);
    const sliders = h("div", { class: "plot-sliders" });
    const empty = h("div", { class: "plot-empty" }, icon("plot"), h("p", {}, t("plot.empty")));
    const picking = h("div", { class: "plot-picking", role: "status", hidden: true }, h("span"), button(t("action.cancel"), "close", () => pickFor(null)));
    const scale = h("div", { class: "plot-scale faded" }, h("span"), h("span", { class: "plot-ramp", style: `background: ${ramp()}` }), h("span"));
    const stage = h("div", { class: "plot-stage" });
    const head = h("header", { class: "plot-head" }, words.heading, h("div", { class: "plot-actions" }, ...Object.values(actions).map((each) => each.element ?? each), older));
    const root = h("section", { class: "plot-explorer", id: "plot_explorer", "aria-label": t("plot.explorer") }, head, h("div", { class: "plot-how-far" }, bar, words.words), tools, sliders, stage, scale);
    return { root, ...words, bar, fill, actions, columns, rows, overlay, only, tools, sliders, stage, empty, picking, scale };
  }

  // ---- which plot

  async function show(id, quietly = false) {
    const heard = state.plots.get(id)?.seen ?? 0;
    sessionStorage.setItem(STORED, id);
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    try {
      const found = await fetchPlot(id, signal);
      if (signal.aborted) return;
      seen = heard; // what was told meanwhile may not be in it
      take(found);
      follow();
    } catch (error) {
      if (signal.aborted) return;
      if (quietly) sessionStorage.removeItem(STORED);
      else post(t("notice.request_failed", { reason: error.message }), "warning");
      if (!plot) draw();
    }
  }

  const refresh = () => plot && show(plot.id);

  function take(found) {
    const same = plot?.id === found.id;
    const grew = same && String(plot.shape) !== String(found.shape);
    plot = found;
    cells = new Map(plot.cells.map((cell) => [String(cell.index), cell]));
    if (!same) {
      layout = standard(plot);
      pickFor(null);
      parts.overlay.value = "";
    }
    if (!same || grew) drawAxes();
    draw(same);
    parts.root.dispatchEvent(new Event("periplus:plot"));
  }

  // The first two axes that have more than one value lie along the edges.
  function standard({ shape }) {
    const long = shape.map((_, axis) => axis).filter((axis) => shape[axis] > 1);
    const [columns = 0, rows = shape.findIndex((_, axis) => axis !== columns)] = long;
    return { columns, rows, at: shape.map(() => 0) };
  }

  // The stream tells of one cell after the other; where something was missed, the whole plot is asked for again.
  function follow() {
    const back = state.online && !online;
    online = state.online;
    const told = plot && state.plots.get(plot.id);
    if (back && plot) return refresh();
    if (!told || told.seen === seen) return;
    const known = told.cell && cells.get(String(told.cell.index));
    const next = told.seen === seen + 1 && told.total === plot.total && (known || !told.cell);
    seen = told.seen;
    if (!next || isOver(told)) later ??= setTimeout(() => ((later = null), refresh()), FRESH_MS);
    if (known) Object.assign(known, cellOf(told.cell));
    Object.assign(plot, { state: told.state, done: told.done, failed: told.failed, note: told.note, secondsLeft: told.seconds_left });
    redrawn();
  }

  async function press(action) {
    for (const name of ["pause", "resume", "cancel"]) parts.actions[name].disabled = true;
    try {
      await act(plot.id, action);
      await refresh();
    } catch (error) {
      post(t("notice.request_failed", { reason: error.message }), "warning");
    } finally {
      for (const name of ["pause", "resume", "cancel"]) parts.actions[name].disabled = false;
    }
  }

  // ---- what is seen

  const indexAt = (column, row) => {
    const index = [...layout.at];
    index[layout.columns] = column;
    if (layout.rows >= 0) index[layout.rows] = row;
    return index;
  };
  const cellAt = (column, row) => cells.get(String(indexAt(column, row))) ?? null;
  const placeOf = (cell) => [cell.index[layout.columns], layout.rows >= 0 ? cell.index[layout.rows] : 0];

  function turn(name, axis) {
    const other = name === "columns" ? "rows" : "columns";
    if (layout[other] === axis) layout[other] = layout[name];
    layout[name] = axis;
    layout.at[axis] = 0;
    drawAxes();
    draw();
  }

  function drawAxes() {
    const names = plot.axes.map((name, axis) => [axis, name]);
    const none = [-1, t("plot.nothing")];
    parts.columns.input.replaceChildren(...names.map(([axis, name]) => h("option", { value: axis }, name)));
    parts.rows.input.replaceChildren(...(names.length > 1 ? names : [none]).map(([axis, name]) => h("option", { value: axis }, name)));
    parts.columns.value = layout.columns;
    parts.rows.value = layout.rows;
    const others = plot.shape.map((_, axis) => axis).filter((axis) => axis !== layout.columns && axis !== layout.rows && plot.shape[axis] > 1);
    parts.sliders.replaceChildren(...others.map(slider));
  }

  function slider(axis) {
    const value = h("output", { class: "plot-at" });
    const last = plot.shape[axis] - 1;
    const range = h("input", { type: "range", min: 0, max: last, step: 1, value: layout.at[axis], "aria-label": plot.axes[axis], "data-axis": axis, oninput: () => set(Number(range.value)) });
    const set = (at) => {
      layout.at[axis] = Math.min(last, Math.max(0, at));
      range.value = layout.at[axis];
      range.style.setProperty("--filled", `${(layout.at[axis] / Math.max(1, last)) * 100}%`);
      range.setAttribute("aria-valuetext", plot.labels[axis][layout.at[axis]]);
      setText(value, plot.labels[axis][layout.at[axis]]);
      if (ready) draw(true);
    };
    let ready = false;
    set(layout.at[axis]);
    ready = true;
    return h("div", { class: "plot-slider" }, h("span", { class: "field-label" }, plot.axes[axis]), iconButton(t("plot.step_back"), "previous", () => set(layout.at[axis] - 1)), range, iconButton(t("plot.step_on"), "next", () => set(layout.at[axis] + 1)), value);
  }

  function draw(same = false) {
    const { root, heading, words, bar, fill, actions } = parts;
    root.dataset.state = plot?.state ?? "empty";
    root.dataset.plot = plot?.id ?? "";
    setHidden(parts.empty, Boolean(plot));
    for (const each of [parts.tools, bar]) each.classList.toggle("faded", !plot);
    parts.tools.toggleAttribute("inert", !plot);
    setText(heading, plot ? title(plot) : t("plot.none_shown"));
    heading.title = heading.textContent;
    setText(words, plot ? [progressWords(plot, plot.secondsLeft), plot.note].filter(Boolean).join(" · ") : "");
    words.title = words.textContent;
    setHidden(actions.pause, plot?.state !== "running");
    setHidden(actions.resume, !plot || plot.state === "running" || plot.done === plot.total);
    setHidden(actions.cancel, !plot || isOver(plot));
    for (const each of [actions.extend, actions.edit, actions.save.element]) setHidden(each, !plot);
    if (!plot) return map.hide();
    const percent = plot.total ? ((plot.done + plot.failed) / plot.total) * 100 : 0;
    fill.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", Math.floor(percent));
    bar.classList.toggle("active", plot.state === "running");
    limits = ranges(plot.cells);
    drawScale();
    map.show({
      columns: plot.labels[layout.columns],
      rows: layout.rows >= 0 ? plot.labels[layout.rows] : [""],
      cellAt,
      aspect: aspect(),
      count: plot.cells.length,
      look,
      describe: (cell) => [cellName(plot, cell), wordsOf(cell)].filter(Boolean).join("\n"),
    }, same);
  }

  function drawScale() {
    const range = limits[parts.overlay.value];
    parts.scale.classList.toggle("faded", !range);
    const [from, , to] = parts.scale.children;
    setText(from, range ? shownValue(parts.overlay.value, range[0]) : "");
    setText(to, range ? shownValue(parts.overlay.value, range[1]) : "");
  }

  // Height over width of a slot that every picture fits into.
  function aspect() {
    const made = plot.cells.filter((cell) => cell.picture && cell.width);
    if (!made.length) return plot.height / plot.width;
    return Math.min(4, Math.max(0.25, Math.max(...made.map((cell) => cell.height)) / Math.max(...made.map((cell) => cell.width))));
  }

  const nowIn = (cell) => (cell.state === "queued" && state.jobs.get(cell.job)?.state === "running" ? "running" : cell.state);
  const wordsOf = (cell) => (cell.state === "failed" ? cell.error : cell.picture ? "" : t(`plot.cell.${nowIn(cell)}`));

  function look(cell) {
    const overlay = parts.overlay.value;
    const range = overlay && limits[overlay];
    const value = range && cell ? cell[overlay] : null;
    const known = typeof value === "number";
    return {
      value: known ? shownValue(overlay, value) : "",
      fraction: known ? (range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 0.5) : null,
      star: Boolean(cell?.favourite),
      faded: Boolean(cell) && parts.only.firstChild.checked && !cell.favourite,
      progress: cell && nowIn(cell) === "running" ? (state.progress.get(cell.job)?.fraction ?? 0) : null,
      words: cell ? wordsOf(cell) : "",
    };
  }

  // ---- what is pressed

  function pressed(cell, shift) {
    if (picked && picked !== cell) return compare(picked, cell);
    if (shift && lastOpened && lastOpened !== cell) return compare(lastOpened, cell);
    lastOpened = cell;
    openCell({ plot: () => plot, cells: () => cells, star, cell, layout, moved: (to) => ((lastOpened = to), reveal(to)), pickFor });
  }

  const star = (cell) => toggle(plot, cell, map.redraw);

  function reveal(cell) {
    let turned = false;
    cell.index.forEach((at, axis) => {
      if (axis === layout.columns || axis === layout.rows || layout.at[axis] === at) return;
      layout.at[axis] = at;
      turned = true;
    });
    if (turned) (drawAxes(), draw(true));
    map.go(placeOf(cell));
  }

  // The next cell that is pressed is compared with this one.
  function pickFor(cell) {
    picked = cell;
    setHidden(parts.picking, !cell);
    if (cell) setText(parts.picking.firstChild, t("plot.pick_other", { name: cellName(plot, cell) }));
    if (cell) map.canvas.focus({ preventScroll: true });
  }

  function compare(one, other) {
    pickFor(null);
    const [now, then] = [one, other].map((cell) => cells.get(String(cell.index)) ?? cell);
    openComparison(plot, now, then);
  }

  function onKey(key, cell) {
    if (key === "f" && cell) star(cell);
    else if (key === "c" && cell) picked ? compare(picked, cell) : pickFor(cell);
    else if (key === "Escape" && picked) pickFor(null);
    else if (key === "[" || key === "]") step(key === "]" ? 1 : -1);
    else return false;
    map.redraw();
    return true;
  }

  function step(by) {
    const range = parts.sliders.querySelector("input");
    if (!range) return;
    range.value = Number(range.value) + by;
    range.dispatchEvent(new Event("input"));
  }

  const stored = sessionStorage.getItem(STORED);
  draw(); // what can be pressed without a plot, until there is one
  if (stored) {
    setText(parts.heading, t("plot.reading"));
    setHidden(parts.empty, true);
    show(stored, true);
  }
  return { element: parts.root, show, refresh };
}
