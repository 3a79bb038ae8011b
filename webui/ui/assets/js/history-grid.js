// A grid of very many pictures, of which only those in the window are elements. It scrolls with the page.

import { coalesce, forward, h, icon } from "./dom.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const CELL = 168; // pixels at least
const CELL_PHONE = 108;
const GAP = 6;
const MARGIN_ROWS = 2; // above and below the window
const HUNGRY_ROWS = 12; // so many rows before the end more are asked for
const HOLD_MS = 450;

// `hungry()`: more pictures are wanted; `chosen(active, several)`: another one is active, or others are selected; `opened(item)`.
export function pictureGrid({ hungry, chosen, opened }) {
  let items = [];
  let places = new Map(); // by id
  let active = 0;
  let anchor = 0; // where a range begins
  let touching = false; // taps select
  const selected = new Set(); // ids
  const cells = new Map(); // by id: what is in the window
  const element = h("div", { class: "history-grid", id: "history_grid", role: "listbox", "aria-multiselectable": "true", "aria-label": t("history.grid") });
  const shape = { columns: 1, cell: CELL, row: CELL + GAP, forward: 1 };
  const later = coalesce(draw);

  new ResizeObserver(later).observe(element);
  window.addEventListener("scroll", later, { passive: true, capture: true });
  window.addEventListener("resize", later);
  element.addEventListener("keydown", onKey);
  element.addEventListener("click", onClick);
  element.addEventListener("dblclick", (event) => itemOf(event) && opened(itemOf(event)));
  element.addEventListener("pointerdown", onPointerDown);

  // ---- what is drawn

  function measure() {
    const width = element.clientWidth;
    const least = width < 560 ? CELL_PHONE : CELL;
    shape.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    shape.cell = (width - GAP * (shape.columns - 1)) / shape.columns;
    shape.row = shape.cell + GAP;
    shape.forward = forward(element);
    element.style.height = `${Math.max(0, Math.ceil(items.length / shape.columns) * shape.row - GAP)}px`;
  }

  function draw() {
    if (!element.checkVisibility()) return;
    measure();
    const top = element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / shape.row) - MARGIN_ROWS) * shape.columns;
    const last = (Math.ceil((window.innerHeight - top) / shape.row) + MARGIN_ROWS) * shape.columns;
    const wanted = items.slice(first, Math.max(first, last));
    if (items[active] && (active < first || active >= last)) wanted[active < first ? "unshift" : "push"](items[active]); // what has the focus stays
    const ids = new Set(wanted.map(({ id }) => id));
    const focused = element.contains(document.activeElement);
    for (const [id, cell] of cells) if (!ids.has(id)) drop(id, cell);
    // In their order also as elements, as a screen reader goes through them.
    let before = null;
    for (const item of wanted) before = place(item, before);
    if (focused && !element.contains(document.activeElement)) cells.get(items[active]?.id)?.focus({ preventScroll: true }); // keys go on where it was
    if (items.length && last >= items.length - HUNGRY_ROWS * shape.columns) hungry();
  }

  function drop(id, cell) {
    cell.querySelector("img")?.removeAttribute("src"); // what is on its way is not wanted any more
    cell.remove();
    cells.delete(id);
  }

  function place(item, before) {
    const at = places.get(item.id);
    let cell = cells.get(item.id);
    if (!cell) cells.set(item.id, (cell = made(item)));
    const next = before ? before.nextSibling : element.firstChild;
    if (before !== undefined && next !== cell) put(cell, next);
    const [row, column] = [Math.floor(at / shape.columns), at % shape.columns];
    cell.style.cssText = `width:${shape.cell}px;height:${shape.cell}px;transform:translate(${column * shape.row * shape.forward}px,${row * shape.row}px)`;
    cell.tabIndex = at === active ? 0 : -1;
    cell.setAttribute("aria-posinset", at + 1);
    cell.setAttribute("aria-setsize", items.length);
    cell.setAttribute("aria-selected", String(selected.has(item.id)));
    cell.classList.toggle("favourite", item.favourite);
    return cell;
  }

  // What is moved among the elements loses the focus.
  function put(cell, next) {
    const focused = cell === document.activeElement;
    element.insertBefore(cell, next);
    if (focused) cell.focus({ preventScroll: true });
  }

  function made(item) {
    const label = item.prompt || item.name;
    const image = h("img", { src: url(item.thumbnail), alt: "", decoding: "async", draggable: "true" });
    image.addEventListener("error", () => image.hasAttribute("src") && image.remove());
    return h("div", { class: "history-cell", role: "option", "data-id": item.id, title: `${item.name}\n${label}`, "aria-label": label }, icon("picture"), image, h("span", { class: "history-star" }, icon("star")), h("span", { class: "history-tick" }, icon("check")));
  }

  // ---- what is chosen

  const tell = () => chosen(items[active] ?? null, items.filter((item) => selected.has(item.id)));
  const itemOf = (event) => items[places.get(Number(event.target.closest?.(".history-cell")?.dataset.id))];

  function choose(at, { toggle = false, range = false, focus = true } = {}) {
    if (!items.length) return;
    active = Math.min(items.length - 1, Math.max(0, at));
    const { id } = items[active];
    if (range) {
      if (!toggle) selected.clear();
      for (const item of items.slice(Math.min(anchor, active), Math.max(anchor, active) + 1)) selected.add(item.id);
    } else if (toggle) {
      if (!selected.delete(id)) selected.add(id);
    } else {
      selected.clear();
      selected.add(id);
    }
    if (!range) anchor = active;
    reveal();
    draw();
    if (focus) cells.get(id)?.focus({ preventScroll: true });
    tell();
  }

  // Scrolls so far that the active one is seen.
  function reveal() {
    measure();
    const top = element.getBoundingClientRect().top + Math.floor(active / shape.columns) * shape.row;
    const covered = parseFloat(getComputedStyle(element).scrollMarginTop) || 0;
    if (top < covered) window.scrollBy(0, top - covered);
    else if (top + shape.row > window.innerHeight) window.scrollBy(0, top + shape.row - window.innerHeight);
  }

  function onClick(event) {
    const item = itemOf(event);
    if (!item || held) return;
    choose(places.get(item.id), { toggle: event.ctrlKey || event.metaKey || touching, range: event.shiftKey });
  }

  let held = false; // a finger that rests on a picture selects it; the click that follows does nothing more

  function onPointerDown(event) {
    held = false;
    const item = itemOf(event);
    if (!item || event.pointerType !== "touch") return;
    const timer = setTimeout(() => ((held = true), choose(places.get(item.id), { toggle: true })), HOLD_MS);
    for (const kind of ["pointerup", "pointercancel", "pointermove"]) element.addEventListener(kind, () => clearTimeout(timer), { once: true });
  }

  const STEPS = { ArrowLeft: () => -shape.forward, ArrowRight: () => shape.forward, ArrowUp: () => -shape.columns, ArrowDown: () => shape.columns, PageUp: () => -shape.columns * pageRows(), PageDown: () => shape.columns * pageRows(), Home: () => -items.length, End: () => items.length };
  const pageRows = () => Math.max(1, Math.floor(window.innerHeight / shape.row) - 1);

  function onKey(event) {
    if (event.altKey || !items.length) return;
    const held = event.ctrlKey || event.metaKey;
    if (STEPS[event.key]) choose(active + STEPS[event.key](), { range: event.shiftKey });
    else if (event.key === " ") choose(active, { toggle: true });
    else if (event.key === "Enter" && !held) opened(items[active]);
    else if (event.key === "a" && held) selectAll();
    else if (event.key === "Escape" && selected.size) clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function selectAll() {
    for (const item of items) selected.add(item.id);
    draw();
    tell();
  }

  function clear() {
    selected.clear();
    draw();
    tell();
  }

  // ---- what others set

  // The pictures that there are now; what is selected and active stays so where it is still there.
  function show(given) {
    const id = items[active]?.id;
    items = given;
    places = new Map(items.map((item, at) => [item.id, at]));
    active = places.get(id) ?? Math.min(active, Math.max(0, items.length - 1));
    anchor = active;
    for (const each of [...selected]) if (!places.has(each)) selected.delete(each);
    draw();
    tell();
  }

  // The same picture with news of it.
  function update(item) {
    const at = places.get(item.id);
    if (at === undefined) return;
    items[at] = { ...items[at], ...item };
    if (cells.has(item.id)) place(items[at]);
    tell();
  }

  return {
    element,
    show,
    update,
    clear,
    choose: (item, options) => places.has(item.id) && choose(places.get(item.id), options),
    set touching(value) {
      touching = value;
    },
    get items() {
      return items;
    },
  };
}
