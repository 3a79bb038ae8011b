// Work on files that goes on beside the jobs (download, hash, convert, merge): its bar, the time it still takes, and cancel.

import { coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { refreshLists } from "./form.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { t, wholeSeconds } from "./texts.js";

const FIRST_ESTIMATE_MS = 1500; // before, a pace is mostly chance

const seen = new Map(); // by id: the state as last seen

// What a task has changed shows in the header's lists; how it ended is said where nobody looks at its row.
export function watchTasks() {
  onChange(() => {
    for (const task of state.tasks.values()) {
      if (seen.get(task.id) === "running" && task.state !== "running") ended(task);
      seen.set(task.id, task.state);
    }
  });
}

function ended(task) {
  if (task.state === "done") refreshLists();
  if (document.querySelector(`.task[data-task="${CSS.escape(task.id)}"]`)?.checkVisibility()) return;
  if (task.state === "done") post(t("tasks.ended", { title: task.title }));
  if (task.state === "failed") post(`${task.title}: ${taskWords(task)}`, "error");
}

// The list of tasks of these kinds, newest first; `act(task)` may give a button for one that is done.
export function taskList(kinds, act = () => null) {
  const list = h("ul", { class: "tasks", "aria-label": t("tasks.title") });
  const element = h("section", { class: "tasks-box", hidden: true }, h("h3", {}, t("tasks.title")), list);
  const draw = coalesce(() => {
    const shown = [...state.tasks.values()].filter((task) => kinds.includes(task.kind) && !hidden.has(task.id)).reverse();
    const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const rows = shown.map((task) => update(known.get(key(task)) ?? row(task, act), task));
    if (rows.length !== list.children.length || rows.some((made, index) => list.children[index] !== made)) list.replaceChildren(...rows);
    setHidden(element, !rows.length);
  });
  onChange(draw);
  redraws.add(draw);
  setInterval(() => shownRunning(list) && draw(), 1000);
  draw();
  return element;
}

const hidden = new Set(); // put away by hand
const redraws = new Set();
const key = (task) => `${task.id}/${task.state}`;
const shownRunning = (list) => list.querySelector(".bar") && list.checkVisibility();

function row(task, act) {
  const running = task.state === "running";
  const mark = { done: "check", failed: "warning", cancelled: "stop" }[task.state];
  const bar = h("span", { class: "bar active", role: "progressbar", "aria-label": task.title, "aria-valuemin": 0, "aria-valuemax": 100 }, h("span", { class: "bar-fill" }));
  const end = running
    ? iconButton(t("tasks.cancel"), "close", () => cancel(task), { class: "bare-button task-cancel" })
    : iconButton(t("tasks.dismiss"), "close", () => (hidden.add(task.id), redraws.forEach((draw) => draw())));
  const text = h("div", { class: "task-text" }, h("span", { class: "task-title" }, task.title), running && bar, h("span", { class: "task-words", role: task.state === "failed" ? "alert" : null }));
  return h("li", { class: `task task-${task.state}`, "data-key": key(task), "data-task": task.id }, mark && icon(mark), text, task.state === "done" && act(task), end);
}

function update(made, task) {
  setText(made.querySelector(".task-words"), taskWords(task));
  const bar = made.querySelector(".bar");
  if (!bar) return made;
  const known = task.fraction !== null && task.fraction !== undefined;
  const percent = Math.floor((task.fraction ?? 0) * 100);
  bar.classList.toggle("unsure", !known);
  bar.firstChild.style.width = `${percent}%`;
  if (known) bar.setAttribute("aria-valuenow", percent);
  return made;
}

export function taskWords(task) {
  if (task.state === "failed") return task.error || t("tasks.failed");
  if (task.kept) return t("tasks.cancelled.kept");
  if (task.state !== "running") return task.text || t(`tasks.${task.state}`);
  const percent = task.fraction === null || task.fraction === undefined ? null : `${Math.floor(task.fraction * 100)} %`;
  const left = secondsLeft(task);
  return [task.text, percent, left === null ? null : t("state.left", { time: wholeSeconds(left) })].filter(Boolean).join(" · ");
}

function secondsLeft({ fraction, first }) {
  if (!first) return null; // the stream has not told of it yet
  const took = performance.now() - first.at;
  const done = (fraction ?? 0) - first.fraction;
  return took < FIRST_ESTIMATE_MS || done <= 0 ? null : ((1 - fraction) * took) / done / 1000;
}

async function cancel(task) {
  await request("DELETE", `api/v1/tasks/${encodeURIComponent(task.id)}`).catch((error) => post(t("notice.request_failed", { reason: error.message }), "warning"));
}
