// A line of the queue: a job, or all jobs of a plot or a series as one.

import { h, icon, iconButton, setHidden, setText } from "./dom.js";
import { stop } from "./output.js";
import { choose } from "./page.js";
import { changed, finished, state } from "./state.js";
import { percent, statusText } from "./status.js";
import { url } from "./stream.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

const GROUP = /^(plot|series)-[0-9a-f]+(?=-)/; // ids of jobs that belong together

// The id of the plot or series that a job is of, or null.
export const groupOf = (job) => GROUP.exec(job.id)?.[0] ?? null;

// What it was asked for; of Extras the first file.
export const titleOf = (job) => (job.extras ? job.extras.sources[0]?.name || t("tab.extras") : job.request.prompt) || t("queue.no_prompt");

const series = new Map(); // by id: what the server said of it last

export function setSeries(told) {
  series.set(told.id, told);
}

// "Plot · 12 of 36" for a job that is of many; null for one that is not.
export function groupWords(job) {
  const id = groupOf(job);
  if (!id) return null;
  const told = id.startsWith("plot-") ? state.plots.get(id) : series.get(id);
  const name = told?.script ?? t(id.startsWith("plot-") ? "tab.plot" : "queue.series");
  return told?.total ? t("queue.group", { name, done: told.done, total: told.total }) : name;
}

export function factsOf(job) {
  const { width, height, steps } = job.request;
  const facts = { width, height, steps: t(steps === 1 ? "queue.step" : "queue.steps", { steps }), count: job.image_count };
  return job.extras ? t("queue.facts.extras", facts) : t(job.image_count > 1 ? "queue.facts" : "queue.facts.one", facts);
}

// Running and ended jobs; those that wait have rows of their own (queue-waiting.js).
export function rowOf(job, key) {
  const last = job.pictures[job.pictures.length - 1];
  const made = h("li", { "data-key": key, "data-job": job.id }, openerOf(job, last));
  if (job.state === "running") made.append(iconButton(t("action.interrupt"), "stop", () => stop(state.jobs.get(job.id), "interrupt")));
  return made;
}

export function openerOf(job, picture = null) {
  const image = h("img", { alt: "", src: picture && url(picture.url), loading: "lazy", decoding: "async", hidden: !picture });
  const place = h("span", { class: "row-picture" }, icon(groupOf(job) ? "plot" : "picture"), image);
  const text = h(
    "span",
    { class: "row-text" },
    h("span", { class: "row-prompt" }, titleOf(job)),
    h("span", { class: "row-facts" }, factsOf(job)),
    h("span", { class: "row-status" }),
    job.state === "running" && h("span", { class: "bar active" }, h("span", { class: "bar-fill" })),
  );
  return h("button", { type: "button", class: "row-open", onclick: () => show(state.jobs.get(job.id) ?? job) }, place, text);
}

function show(job) {
  if (job.kind === "plot") return showTab("plot");
  choose(job.id);
  showTab(job.extras ? "extras" : job.kind === "img2img" ? "img2img" : "txt2img");
  changed();
}

export function update(made, job) {
  const group = groupWords(job);
  const words = finished(job) ? job.error || job.note || t(`queue.state.${job.state}`) : statusText(job);
  setText(made.querySelector(".row-status"), words);
  setText(made.querySelector(".row-facts"), [group, factsOf(job)].filter(Boolean).join(" · "));
  const preview = state.previews.get(job.id);
  if (preview && state.preferences.live_preview) {
    const image = made.querySelector("img");
    image.src = preview;
    setHidden(image, false);
  }
  const fill = made.querySelector(".bar-fill");
  if (fill) fill.style.width = `${percent(job)}%`;
  return made;
}
