// The drawer with the queue, on every tab: what runs, what waits, what was made lately.

import { coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { changed, finished, newestFirst, onChange, running, state, waiting } from "./state.js";
import { percent, statusText } from "./status.js";
import { choose } from "./page.js";
import { stop } from "./output.js";
import { url } from "./stream.js";
import { queueAgain, showTab } from "./form.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

const RECENT = 20;
const UNDO_SECONDS = 8;

let drawer = null;
let opener = null;

export function mountQueueButton(host) {
  const label = h("span");
  opener = h("button", { type: "button", id: "queue_opener", class: "plain-button", "aria-expanded": "false", onclick: toggle }, icon("queue"), label);
  host.replaceChildren(opener);
  const draw = coalesce(() => {
    const count = state.jobs.size ? waiting().length + (running() ? 1 : 0) : 0;
    setText(label, t("queue.button", { count }));
    opener.classList.toggle("busy", count > 0);
    if (drawer && !drawer.hidden) drawDrawer();
  });
  onChange(draw);
  draw();
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
  const head = h("header", {}, h("h2", {}, t("queue.title")), iconButton(t("action.close"), "close", toggle));
  made.append(head, ...["running", "waiting", "recent"].flatMap((part) => [h("h3", {}, t(`queue.${part}`)), h("ul", { class: `queue-${part}` })]));
  document.body.append(made);
  return made;
}

function drawDrawer() {
  const active = running();
  fill("running", active ? [active] : []);
  fill("waiting", waiting());
  fill("recent", newestFirst().filter(finished).slice(0, RECENT));
}

// Rows are kept by job, so that a picture is not loaded again and a focused button keeps the focus.
function fill(part, jobs) {
  const list = drawer.querySelector(`.queue-${part}`);
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const rows = jobs.map((job) => {
    const key = `${job.id}/${job.state}/${job.pictures.length}`;
    return update(known.get(key) ?? row(job, key), job);
  });
  if (!rows.length) rows.push(known.get("none") ?? h("li", { class: "none", "data-key": "none" }, t(`queue.none_${part}`)));
  if (rows.some((row, index) => list.children[index] !== row) || list.children.length !== rows.length) list.replaceChildren(...rows);
}

function row(job, key) {
  const last = job.pictures[job.pictures.length - 1];
  const image = h("img", { alt: "", src: last && url(last.url), loading: "lazy", decoding: "async", hidden: !last });
  const place = h("span", { class: "row-picture" }, icon("picture"), image);
  const { width, height, steps } = job.request;
  const facts = { width, height, steps: t(steps === 1 ? "queue.step" : "queue.steps", { steps }), count: job.image_count };
  const text = h(
    "span",
    { class: "row-text" },
    h("span", { class: "row-prompt" }, titleOf(job)),
    h("span", { class: "row-facts" }, job.extras ? t("queue.facts.extras", facts) : t(job.image_count > 1 ? "queue.facts" : "queue.facts.one", facts)),
    h("span", { class: "row-status" }),
    job.state === "running" && h("span", { class: "bar active" }, h("span", { class: "bar-fill" })),
  );
  const open = h("button", { type: "button", class: "row-open", onclick: () => show(job) }, place, text);
  const made = h("li", { "data-key": key, "data-job": job.id }, open);
  if (job.state === "running") made.append(iconButton(t("action.interrupt"), "stop", () => stop(state.jobs.get(job.id), "interrupt")));
  if (job.state === "queued") made.append(iconButton(t("action.remove"), "close", () => remove(state.jobs.get(job.id))));
  return made;
}

// What it was asked for; of Extras the first file.
const titleOf = (job) => (job.extras ? job.extras.sources[0]?.name || t("tab.extras") : job.request.prompt) || t("queue.no_prompt");

async function remove(job) {
  if (!(await stop(job, "interrupt"))) return;
  const text = t("queue.removed", { prompt: titleOf(job).slice(0, 60) });
  post(text, "info", { action: { text: t("action.undo"), press: () => queueAgain(job.id) }, seconds: UNDO_SECONDS });
}

function show(job) {
  choose(job.id);
  showTab(job.extras ? "extras" : "txt2img");
  changed();
}

function update(made, job) {
  const words = finished(job) ? (job.error || job.note || t(`queue.state.${job.state}`)) : statusText(job);
  setText(made.querySelector(".row-status"), words);
  const preview = state.previews.get(job.id);
  if (preview && state.preferences.live_preview) {
    const image = made.querySelector("img");
    image.src = preview;
    image.hidden = false;
  }
  const fill = made.querySelector(".bar-fill");
  if (fill) fill.style.width = `${percent(job)}%`;
  return made;
}
