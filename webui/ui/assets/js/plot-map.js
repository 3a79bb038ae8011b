// A plot as a map: any number of cells on one canvas, moved by dragging and zoomed by the wheel or two fingers. The labels of
// columns and rows stay at its edges. What a cell looks like is drawn by plot-draw.js.

import { coalesce, h } from "./dom.js";
import { pressed } from "./key-table.js";
import { drawCell, drawLabels, readColours } from "./plot-draw.js";
import { pictureStore } from "./plot-pictures.js";
import { t } from "./texts.js";

export const SLOT = 100; // a cell's width on the map; a screen shows it `scale` times as large
export const GAP = 4;
const MOST = 12; // times the size of a picture's own pixels' slot: closer one sees single pixels only
const CLICK_PX = 5;
const BAND_TOP = 40;
const MARGIN = 8;

// `on.open(cell)`, `on.point(cell)`: a cell was pressed; the keyboard or the mouse is at it (null: at none).
export function plotMap(on) {
  const canvas = h("canvas", { class: "plot-canvas", id: "plot_canvas", tabindex: "0", role: "application", "aria-label": t("plot.map"), "aria-describedby": "plot_map_keys" });
  const spoken = h("div", { class: "off-screen", role: "status", "aria-live": "polite" });
  const keys = h("p", { class: "off-screen", id: "plot_map_keys" }, t("plot.map.keys"));
  const element = h("div", { class: "plot-map" }, canvas, spoken, keys);
  const pen = canvas.getContext("2d", { alpha: false });
  const redraw = coalesce(draw);
  const pictures = pictureStore(redraw);
  const view = { x: 0, y: 0, scale: 1 };
  let grid = null; // {columns: [label], rows: [label], cellAt(column, row), aspect, count, look}
  let band = { left: 0, top: BAND_TOP };
  let size = { width: 0, height: 0 };
  let cursor = null; // [column, row]
  let hover = null;
  let fitted = true; // until somebody moves it, the map fits its place
  let colours = null;

  new ResizeObserver(([entry]) => resize(entry.contentRect)).observe(element);
  new MutationObserver(() => ((colours = null), redraw())).observe(document.body, { attributes: true, attributeFilter: ["class"] });

  // ---- where things are

  const slotHeight = () => SLOT * grid.aspect;
  const stepX = () => SLOT + GAP;
  const stepY = () => slotHeight() + GAP;
  const whole = () => ({ width: grid.columns.length * stepX() - GAP, height: grid.rows.length * stepY() - GAP });
  const room = () => ({ width: Math.max(1, size.width - band.left), height: Math.max(1, size.height - band.top) });

  // A cell's place on the canvas, in CSS pixels.
  function rectOf(column, row) {
    return { x: band.left + column * stepX() * view.scale - view.x, y: band.top + row * stepY() * view.scale - view.y, width: SLOT * view.scale, height: slotHeight() * view.scale };
  }

  function placeAt(x, y) {
    if (!grid || x < band.left || y < band.top) return null;
    const column = Math.floor((x - band.left + view.x) / view.scale / stepX());
    const row = Math.floor((y - band.top + view.y) / view.scale / stepY());
    const inside = column >= 0 && row >= 0 && column < grid.columns.length && row < grid.rows.length;
    const rect = inside && rectOf(column, row);
    return rect && x <= rect.x + rect.width && y <= rect.y + rect.height ? [column, row] : null;
  }

  function resize({ width, height }) {
    if (!width || !height) return;
    size = { width, height };
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    if (fitted) fit();
    else settle();
    draw(); // at once: a canvas of another size is empty
  }

  const smallest = () => Math.min((room().width - 2 * MARGIN) / whole().width, (room().height - 2 * MARGIN) / whole().height, 4);

  function fit() {
    fitted = true;
    if (!grid || !size.width) return;
    view.scale = smallest();
    view.x = view.y = 0;
    settle();
  }

  // The map never leaves its place: smaller than that it stands in the middle, else no edge comes in further than the place's.
  function settle() {
    if (!grid) return;
    view.scale = Math.min(MOST, Math.max(Math.min(smallest(), 1), view.scale));
    for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
      const spare = room()[side] - whole()[side] * view.scale;
      view[axis] = spare >= 0 ? -spare / 2 : Math.min(-spare, Math.max(0, view[axis]));
    }
    redraw();
  }

  function zoom(factor, x = band.left + room().width / 2, y = band.top + room().height / 2) {
    if (!grid) return;
    const before = view.scale;
    const scale = Math.min(MOST, Math.max(Math.min(smallest(), 1), before * factor));
    view.x = ((x - band.left + view.x) * scale) / before - (x - band.left);
    view.y = ((y - band.top + view.y) * scale) / before - (y - band.top);
    view.scale = scale;
    fitted = Math.abs(scale - smallest()) < 1e-6;
    settle();
  }

  function move(dx, dy) {
    view.x += dx;
    view.y += dy;
    fitted = false;
    settle();
  }

  function reveal([column, row]) {
    const rect = rectOf(column, row);
    const shift = (start, length, from, to) => (start < from ? start - from : start + length > to ? Math.min(start - from, start + length - to) : 0);
    const dx = shift(rect.x, rect.width, band.left, size.width);
    const dy = shift(rect.y, rect.height, band.top, size.height);
    if (dx || dy) move(dx, dy);
  }

  // ---- drawing

  function draw() {
    if (!size.width) return;
    colours ??= readColours(element);
    const ratio = canvas.width / size.width;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colours.ground;
    pen.fillRect(0, 0, size.width, size.height);
    if (!grid) return;
    const [firstColumn, lastColumn] = span(view.x, room().width, stepX(), grid.columns.length);
    const [firstRow, lastRow] = span(view.y, room().height, stepY(), grid.rows.length);
    pen.save();
    pen.beginPath();
    pen.rect(band.left, band.top, room().width, room().height);
    pen.clip();
    for (let row = firstRow; row <= lastRow; row++) {
      for (let column = firstColumn; column <= lastColumn; column++) {
        const cell = grid.cellAt(column, row);
        const rect = rectOf(column, row);
        const image = cell?.picture ? pictures.best(cell, Math.max(rect.width, rect.height) * ratio, grid.count) : null;
        drawCell(pen, rect, cell, image, grid.look(cell), colours);
      }
    }
    for (const [place, line] of [[hover, 1], [cursor, 2]]) if (place) outline(rectOf(...place), line);
    pen.restore();
    drawLabels(pen, { band, size, grid, rectOf, columns: [firstColumn, lastColumn], rows: [firstRow, lastRow], colours });
  }

  function span(start, length, step, count) {
    const first = Math.floor(start / view.scale / step);
    const last = Math.floor((start + length) / view.scale / step);
    return [Math.max(0, first), Math.min(count - 1, last)];
  }

  function outline(rect, width) {
    pen.strokeStyle = colours.accent;
    pen.lineWidth = width;
    pen.strokeRect(rect.x - width / 2, rect.y - width / 2, rect.width + width, rect.height + width);
  }

  // ---- mouse, fingers, keys

  const pointers = new Map();
  let moved = 0;
  let spread = 0;

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
    if (event.shiftKey) move(event.deltaY * lines || event.deltaX * lines, 0);
    else zoom(Math.exp((-event.deltaY * lines) / 400), ...at(event));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (pointers.size === 1) moved = 0;
    spread = distance();
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return pointAt(placeAt(...now));
    const [dx, dy] = [before[0] - now[0], before[1] - now[1]];
    moved += Math.hypot(dx, dy);
    pointers.set(event.pointerId, now);
    if (moved < CLICK_PX) return;
    move(dx / pointers.size, dy / pointers.size);
    const wide = distance();
    if (spread && wide) zoom(wide / spread, ...middle());
    spread = wide;
  });

  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      const began = pointers.delete(event.pointerId);
      spread = 0;
      if (kind === "pointercancel" || !began || pointers.size || moved >= CLICK_PX || event.button) return;
      const place = placeAt(...at(event));
      if (place) go(place, false);
      const cell = place && grid.cellAt(...place);
      if (cell) on.open(cell, event.shiftKey);
    });
  }

  canvas.addEventListener("pointerleave", () => pointAt(null));

  function distance() {
    if (pointers.size !== 2) return 0;
    const [one, other] = [...pointers.values()];
    return Math.hypot(one[0] - other[0], one[1] - other[1]);
  }

  function middle() {
    const [one, other] = [...pointers.values()];
    return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
  }

  function pointAt(place) {
    if (String(place) === String(hover)) return;
    hover = place;
    const cell = place && grid.cellAt(...place);
    canvas.title = cell ? grid.describe(cell) : "";
    canvas.classList.toggle("pointing", Boolean(cell));
    redraw();
  }

  function go(place, told = true) {
    cursor = place;
    reveal(place);
    redraw();
    const cell = grid.cellAt(...place);
    if (told && cell) spoken.textContent = grid.describe(cell);
    on.point(cell ?? null);
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  canvas.addEventListener("keydown", (event) => {
    if (!grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const asked = pressed({ key: event.key }, "plot"); // with Shift a cell opens in another way
    const cell = cursor && grid.cellAt(...cursor);
    if (step) go(inside(cursor ? [cursor[0] + step[0], cursor[1] + step[1]] : [0, 0]));
    else if (asked === "open" && cell) on.open(cell, event.shiftKey);
    else if (asked === "larger") zoom(1.25);
    else if (asked === "smaller") zoom(0.8);
    else if (asked === "fit") fit();
    else if (!on.key?.(event.key, cell)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  const inside = ([column, row]) => [Math.min(grid.columns.length - 1, Math.max(0, column)), Math.min(grid.rows.length - 1, Math.max(0, row))];

  // ---- for those who use it

  // How wide the labels of rows need their band to be.
  function measure() {
    pen.font = `500 12px ${getComputedStyle(element).fontFamily}`;
    const widest = Math.max(0, ...grid.rows.map((label) => pen.measureText(label).width));
    const most = Math.max(64, Math.min(150, size.width * 0.25 || 150));
    band = { left: Math.min(most, Math.ceil(widest) + 18), top: grid.columns.some(Boolean) ? BAND_TOP : 12 };
  }

  canvas.rectOf = rectOf; // where a test presses
  canvas.picturesWaiting = pictures.waiting;

  return {
    element,
    canvas,
    redraw,
    fit,
    zoom,
    // `same`: the same plot in another state, which stays where it is on the screen.
    show(given, same) {
      grid = given;
      if (!same) {
        pictures.clear();
        cursor = hover = null;
        fitted = true;
      } else if (cursor) cursor = inside(cursor);
      measure();
      if (fitted) fit();
      else settle();
    },
    hide() {
      grid = null;
      pictures.clear();
      redraw();
    },
    go: (place) => grid && go(inside(place), false),
    get cursor() {
      return cursor;
    },
  };
}
