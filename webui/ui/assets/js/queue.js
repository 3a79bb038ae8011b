// The drawer with the queue, on every tab: what runs, what waits, what was made lately.

import { button, coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { act } from "./queue-actions.js";
import { rowOf, update } from "./queue-rows.js";
import { grouped, waitingList } from "./queue-waiting.js";
import { finished, newestFirst, onChange, running, state, waiting } from "./state.js";
import { t } from "./texts.js";

const RECENT = 20;

let drawer = null;
let parts = null;
let opener = null;

export function mountQueueButton(host) {
  const label = h("span");
  opener = h("button", { type: "button", id: "queue_opener", class: "plain-button", "aria-expanded": "false", onclick: toggle }, icon("queue"), label);
  host.replaceChildren(opener);
  const draw = coalesce(() => {
    const count = state.jobs.size ? waiting().length + (running() ? 1 : 0) : 0;
    const paused = Boolean(state.queue?.paused);
    setText(label, t(paused ? "queue.button.paused" : "queue.button", { count }));
    opener.classList.toggle("busy", count > 0);
    opener.classList.toggle("paused", paused);
    if (drawer && !drawer.hidden) drawDrawer();
  });
  onChange(draw);
  draw();
  // On a phone the drawer lies over the form that is to be looked at now.
  document.addEventListener("periplus:editing", () => drawerIsOpen() && window.matchMedia("(max-width: 899px)").matches && toggle());
}

export const drawerIsOpen = () => drawer !== null && !drawer.hidden;

export function toggle() {
  drawer ??= build();
  setHidden(drawer, !drawer.hidden);
  opener.setAttribute("aria-expanded", String(!drawer.hidden));
  if (drawer.hidden) return opener.focus();
  drawDrawer();
  drawer.querySelector("button").focus();
}

function build() {
  const made = h("aside", { id: "queue", class: "drawer", "aria-label": t("queue.title"), hidden: true });
  const pause = button("", null, () => act(state.queue?.paused ? "queue/resume" : "queue/pause"), { id: "queue_pause" });
  const head = h("header", {}, h("h2", {}, t("queue.title")), pause, iconButton(t("action.close"), "close", toggle));
  const note = h("p", { class: "queue-note", role: "status", hidden: true }, t("queue.paused"));
  const list = (part) => h("ul", { class: `queue-${part}` });
  const waits = waitingList(made);
  const count = h("span", { class: "subdued" });
  made.append(head, note, h("h3", {}, t("queue.running")), list("running"), h("h3", {}, t("queue.waiting"), " ", count), waits.element, h("h3", {}, t("queue.recent")), list("recent"));
  document.body.append(made);
  parts = { pause, note, waits, count };
  return made;
}

function drawDrawer() {
  const active = running();
  const jobs = waiting();
  const paused = Boolean(state.queue?.paused);
  const word = paused ? "queue.resume" : "queue.pause";
  if (parts.pause.dataset.word !== word) {
    parts.pause.dataset.word = word;
    parts.pause.replaceChildren(icon(paused ? "play" : "pause"), t(word));
  }
  setHidden(parts.note, !paused);
  setText(parts.count, jobs.length > 1 ? String(jobs.length) : "");
  fill("running", active ? [active] : []);
  parts.waits.show(jobs);
  fill("recent", grouped(newestFirst().filter(finished)).slice(0, RECENT).map(({ jobs: [newest] }) => newest));
}

// Rows are kept by job, so that a picture is not loaded again and a focused button keeps the focus.
function fill(part, jobs) {
  const list = drawer.querySelector(`.queue-${part}`);
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const rows = jobs.map((job) => {
    const key = `${job.id}/${job.state}/${job.pictures.length}`;
    return update(known.get(key) ?? rowOf(job, key), job);
  });
  if (!rows.length) rows.push(known.get("none") ?? h("li", { class: "none", "data-key": "none" }, t(`queue.none_${part}`)));
  if (rows.some((row, index) => list.children[index] !== row) || list.children.length !== rows.length) list.replaceChildren(...rows);
}
