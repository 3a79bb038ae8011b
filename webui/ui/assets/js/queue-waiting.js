// The jobs that wait, of which only those in the drawer's window are elements: dragged, moved by buttons and keys, held back,
// changed, repeated, taken out. The jobs of a plot or a series are one line.

import { coalesce, h, iconButton, setHidden, setText } from "./dom.js";
import { duplicate, hold, move, remove } from "./queue-actions.js";
import { edit } from "./queue-edit.js";
import { factsOf, groupOf, groupWords, openerOf, setSeries, titleOf } from "./queue-rows.js";
import { request } from "./server.js";
import { state } from "./state.js";
import { statusText } from "./status.js";
import { t } from "./texts.js";

const ROW = 100; // pixels, as in queue.css
const ROW_PHONE = 124;
const MARGIN = 3; // rows above and below the window

// Jobs in their order, those of a plot or a series together at the place of their first: [{id, jobs, group}].
export function grouped(jobs) {
  const found = new Map();
  for (const job of jobs) {
    const group = groupOf(job);
    const id = group ?? job.id;
    if (found.has(id)) found.get(id).jobs.push(job);
    else found.set(id, { id, group, jobs: [job] });
  }
  return [...found.values()];
}

// `scroller`: the element that the list scrolls in.
export function waitingList(scroller) {
  const element = h("ul", { class: "queue-waiting" });
  const none = h("li", { class: "none" }, t("queue.none_waiting"));
  const rows = new Map(); // by id of the line: what is in the window
  let lines = [];
  let dragged = null;
  const later = coalesce(draw);
  scroller.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(scroller);
  element.addEventListener("dragover", onDragOver);
  element.addEventListener("drop", onDrop);
  element.addEventListener("keydown", onKey);

  const height = () => (window.matchMedia("(max-width: 899px)").matches ? ROW_PHONE : ROW);

  function show(jobs) {
    lines = grouped(jobs);
    askForSeries(lines);
    draw();
  }

  function draw() {
    if (!element.checkVisibility()) return;
    if (!lines.length) {
      rows.clear();
      element.style.height = "";
      if (element.firstChild !== none || element.childElementCount > 1) element.replaceChildren(none);
      return;
    }
    none.remove();
    element.style.height = `${lines.length * height()}px`;
    const top = element.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height()) - MARGIN);
    const last = Math.min(lines.length, Math.ceil((scroller.clientHeight - top) / height()) + MARGIN);
    const wanted = new Map(lines.slice(first, last).map((line, index) => [line.id, first + index]));
    const focused = document.activeElement?.closest?.(".queue-waiting > li")?.dataset.line;
    const place = focused ? lines.findIndex(({ id }) => id === focused) : -1;
    if (place >= 0) wanted.set(focused, place); // what has the focus stays
    for (const [id, row] of rows) if (!wanted.has(id)) (row.remove(), rows.delete(id));
    // In their order also as elements: the key Tab goes from one to the next.
    let before = null;
    for (const [id, at] of [...wanted].sort((one, other) => one[1] - other[1])) before = put(lines[at], at, id, before);
  }

  function put(line, at, id, before) {
    let row = rows.get(id);
    if (!row) rows.set(id, (row = made(line)));
    const next = before ? before.nextSibling : element.firstChild;
    if (next !== row) place(row, next);
    row.style.transform = `translateY(${at * height()}px)`;
    row.setAttribute("aria-posinset", at + 1);
    row.setAttribute("aria-setsize", lines.length);
    refresh(row, line, at);
    return row;
  }

  // What is moved among the elements loses the focus.
  function place(row, next) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    element.insertBefore(row, next);
    focused?.focus({ preventScroll: true });
  }

  function made({ id, group, jobs: [job] }) {
    const can = { edit: !group && !job.extras && !job.request.hires_source, single: !group };
    const press = (action) => () => action(lines.find((each) => each.id === id));
    const tools = h(
      "span",
      { class: "row-tools" },
      iconButton(t("queue.first"), "first", press((line) => to(line, 0)), { class: "bare-button row-first" }),
      iconButton(t("queue.up"), "up", press((line) => to(line, lines.indexOf(line) - 1)), { class: "bare-button row-up" }),
      iconButton(t("queue.down"), "down", press((line) => to(line, lines.indexOf(line) + 1)), { class: "bare-button row-down" }),
      can.edit && iconButton(t("queue.edit"), "brush", press((line) => edit(line.jobs[0])), { class: "bare-button row-edit" }),
      can.single && iconButton(t("queue.duplicate"), "copy", (event) => press((line) => duplicate(line.jobs[0], event.shiftKey))(), { class: "bare-button row-duplicate" }),
      can.single && iconButton(t("queue.hold"), "pause", press((line) => hold(line.jobs[0])), { class: "bare-button row-hold" }),
      iconButton(t(group ? "queue.remove_group" : "action.remove"), "close", press((line) => remove(line, lines)), { class: "bare-button row-remove" }),
    );
    const row = h("li", { "data-line": id, "data-job": job.id, draggable: "true" }, openerOf(job), tools);
    row.addEventListener("dragstart", (event) => ((dragged = id), event.dataTransfer.setData("text/plain", id), (event.dataTransfer.effectAllowed = "move"), row.classList.add("dragged")));
    row.addEventListener("dragend", () => ((dragged = null), row.classList.remove("dragged"), mark(null)));
    return row;
  }

  function refresh(row, { group, jobs }, at) {
    const [job] = jobs;
    row.dataset.job = job.id;
    row.classList.toggle("held", job.held);
    setText(row.querySelector(".row-prompt"), titleOf(job));
    setText(row.querySelector(".row-facts"), group ? groupWords(job) : factsOf(job));
    setText(row.querySelector(".row-status"), job.held ? t("queue.held") : statusText(job));
    row.querySelector(".row-first").disabled = row.querySelector(".row-up").disabled = at === 0;
    row.querySelector(".row-down").disabled = at === lines.length - 1;
    const holding = row.querySelector(".row-hold");
    if (holding && holding.getAttribute("aria-pressed") !== String(job.held)) {
      holding.setAttribute("aria-pressed", String(job.held));
      holding.title = holding.ariaLabel = t(job.held ? "queue.let_go" : "queue.hold");
    }
  }

  // ---- another place

  function to(line, at) {
    const others = lines.filter((each) => each !== line);
    const place = Math.min(others.length, Math.max(0, at));
    if (lines.indexOf(line) === place) return;
    move(line, place === others.length ? null : others[place]);
  }

  function onDragOver(event) {
    if (!dragged) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    mark(placeAt(event));
  }

  function onDrop(event) {
    if (!dragged) return;
    event.preventDefault();
    const line = lines.find(({ id }) => id === dragged);
    const gap = placeAt(event); // between lines, the dragged one counted
    if (line) to(line, gap > lines.indexOf(line) ? gap - 1 : gap);
    mark(null);
  }

  const placeAt = (event) => Math.min(lines.length, Math.max(0, Math.round((event.clientY - element.getBoundingClientRect().top) / height())));

  const gap = h("li", { class: "queue-gap", "aria-hidden": "true", hidden: true });

  function mark(at) {
    setHidden(gap, at === null);
    if (at === null) return gap.remove();
    gap.style.transform = `translateY(${at * height() - 2}px)`;
    if (gap.parentElement !== element) element.append(gap);
  }

  function onKey(event) {
    const line = lines.find(({ id }) => id === event.target.closest("li")?.dataset.line);
    if (!line) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && event.altKey) to(line, lines.indexOf(line) + step);
    else if (step) focus(lines[lines.indexOf(line) + step]);
    else if (event.key === "Delete") remove(line, lines);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function focus(line) {
    if (!line) return;
    const top = lines.indexOf(line) * height() + element.offsetTop;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height() > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height() - scroller.clientHeight;
    draw();
    rows.get(line.id)?.querySelector(".row-open").focus({ preventScroll: true });
  }

  return { element, show };
}

// ---- how far a series is, of which the stream does not tell

const askedFor = new Map(); // by series: the jobs that were there when it was asked for last

async function askForSeries(lines) {
  for (const { group, jobs } of lines) {
    if (!group?.startsWith("series-")) continue;
    const now = jobs.map(({ id }) => id).join();
    if (askedFor.get(group) === now || !state.online) continue;
    askedFor.set(group, now);
    await request("GET", `api/v1/series/${group}`).then(setSeries, () => {});
  }
}
