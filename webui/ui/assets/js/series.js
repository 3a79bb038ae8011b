// How far scripts and batches are. The server is asked whenever one of their jobs changes; what it says is drawn at each place.

import { button, coalesce, h, iconButton, setHidden, setText } from "./dom.js";
import { post } from "./notices.js";
import { pageId } from "./page.js";
import { about } from "./plot-words.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { t } from "./texts.js";

const OF_SERIES = /^series-[0-9a-f]+-/; // ids of jobs
const PAUSE_MS = 300; // between two questions
const AGAIN_MS = 2000; // while something is worked on
const DISMISSED = "periplus.series.dismissed";

let listed = []; // newest first
let told = ""; // which jobs there were in which state when the server was last asked
let timer = null;
let asking = false;
const views = [];

// The place where those series stand that `belongs` says yes to; of them the one that is worked on, else the newest.
export function seriesView(belongs) {
  const words = h("p", { class: "script-progress", "aria-live": "polite" });
  const fill = h("div", { class: "bar-fill" });
  const bar = h("div", { class: "bar active", role: "progressbar", "aria-label": t("series.bar"), "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const view = { belongs, series: null, words, fill, bar };
  view.stop = button(t("script.stop"), "stop", () => steer(view, "cancel"), { class: "plain-button script-stop" });
  view.resume = button(t("series.resume"), "play", () => steer(view, "resume"), { class: "plain-button script-resume" });
  view.close = iconButton(t("notice.close"), "close", () => dismiss(view));
  view.count = h("summary");
  view.list = h("ul", { class: "script-failed-list" });
  view.failed = h("details", { class: "script-failed" }, view.count, view.list);
  view.running = h("div", { class: "script-running", hidden: true }, words, view.stop, view.resume, view.close);
  view.element = h("div", { class: "series", hidden: true }, view.running, bar, view.failed);
  views.push(view);
  ask();
  return view.element;
}

// Whether a series that this page began has jobs to come.
export const isWorking = () => listed.some((each) => each.state === "running" && each.owner === pageId);

const isOver = ({ state: at }) => at === "done" || at === "cancelled";

// What is worked on, whoever began it; and what this page began and must still be looked at.
function isShown(series) {
  if (series.state === "running") return true;
  const complete = series.state === "done" && !series.failed.length;
  return series.owner === pageId && !complete && sessionStorage.getItem(DISMISSED) !== series.id;
}

function draw(view) {
  const own = listed.filter(view.belongs);
  const series = own.find((each) => each.state === "running") ?? own[0];
  view.series = series && isShown(series) ? series : null;
  setHidden(view.element, !view.series);
  if (!view.series) return setHidden(view.running, true);
  const { done, total, failed, note, state: at, seconds_left: left } = series;
  const parts = [series.script, t("series.progress", { done, total }), at === "running" && left > 0 && t("state.left", { time: about(left) })];
  const words = at === "running" ? parts.filter(Boolean).join(" · ") : [t("series.over", { script: series.script, done, total }), at === "done" ? "" : note].filter(Boolean).join(" ");
  setText(view.words, words);
  setHidden(view.running, false);
  setHidden(view.stop, at !== "running");
  setHidden(view.resume, at === "running");
  setHidden(view.close, at === "running");
  setHidden(view.bar, isOver(series));
  const share = Math.round((100 * (done + failed.length)) / total);
  view.fill.style.width = `${share}%`;
  view.bar.setAttribute("aria-valuenow", share);
  setHidden(view.failed, !failed.length);
  if (view.list.childElementCount !== failed.length || view.list.dataset.of !== series.id) {
    view.list.dataset.of = series.id;
    setText(view.count, t(failed.length === 1 ? "series.failed.one" : "series.failed", { count: failed.length }));
    view.list.replaceChildren(...failed.map(({ name, error }) => h("li", {}, error.startsWith(name) ? error : `${name}: ${error}`)));
  }
}

function dismiss(view) {
  sessionStorage.setItem(DISMISSED, view.series.id);
  draw(view);
}

async function steer({ series }, how) {
  await request("POST", `api/v1/series/${encodeURIComponent(series.id)}/${how}`).catch((error) => post(error.message, "warning"));
  ask();
}

// Not while an answer is on its way, and not more often than people can see.
function ask() {
  if (asking || !views.length) return;
  asking = true;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    listed = (await request("GET", "api/v1/series").catch(() => null)) ?? listed;
    asking = false;
    views.forEach(draw);
    if (told !== jobsNow()) onJobs();
    else if (listed.some((series) => series.state === "running")) timer = setTimeout(ask, AGAIN_MS);
  }, PAUSE_MS);
}

const jobsNow = () => [...state.jobs.values()].filter((job) => OF_SERIES.test(job.id)).map((job) => `${job.id} ${job.state}`).join();

function onJobs() {
  const now = jobsNow();
  if (told === now) return;
  if (!asking) told = now;
  ask();
}

onChange(coalesce(onJobs));
document.addEventListener("periplus:submitted", ask);
