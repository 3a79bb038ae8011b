// What a job is doing, in words: the line beside the bar, the page's title, what a screen reader is told.

import { size } from "./model-words.js";
import { state } from "./state.js";
import { duration, ordinal, t, wholeSeconds } from "./texts.js";

const serverSeconds = () => Date.now() / 1000;

export function engineSeconds() {
  return Math.max(0, Math.round(serverSeconds() - (state.engine?.since ?? serverSeconds())));
}

export const starting = () => ["starting", "restarting"].includes(state.engine?.state);

// The seconds a job still takes, counted down between two messages.
export function secondsLeft(job) {
  const progress = state.progress.get(job.id);
  if (!progress || progress.eta === null || progress.eta === undefined) return null;
  return Math.max(0, progress.eta - (performance.now() - progress.at) / 1000);
}

export const fraction = (job) => {
  if (job.state === "done") return 1;
  return state.progress.get(job.id)?.fraction ?? job.pictures.length / Math.max(1, job.image_count);
};

export const percent = (job) => Math.min(100, Math.floor(fraction(job) * 100));

// "outputs/…/00001-1.png"; the whole path is in the tooltip.
function shortPath(path) {
  const parts = path.split(/[\\/]/);
  const from = parts.lastIndexOf("outputs");
  return from < 0 ? parts.at(-1) : `outputs/…/${parts.at(-1)}`;
}

const WORDS = {
  queued(job) {
    if (starting()) return t("state.starting.queued", { seconds: engineSeconds() });
    if (job.held) return t("queue.held");
    if (state.queue?.paused) return t("queue.waits_paused");
    const before = job.ahead - (state.queue?.running ? 1 : 0); // of those that wait
    return before > 0 ? t("state.queued", { place: ordinal(before + 1) }) : t("state.queued.next");
  },
  running(job) {
    const progress = state.progress.get(job.id);
    const asked = state.asked.get(job.id);
    if (asked) return t(asked === "skip" ? "state.skipping" : "state.interrupting");
    if (!progress) return t("state.preparing");
    if (progress.file) return t("state.loading.file", { name: progress.file, size: size(progress.file_size), time: wholeSeconds(engineSeconds()) });
    if (!progress.steps) return progress.text || t("state.loading");
    if (!progress.step && job.kind !== "extras") return t("state.preparing");
    if (progress.step >= progress.steps && progress.fraction >= 0.999) return t("state.saving");
    const left = secondsLeft(job);
    const what = job.kind === "extras" ? "state.enlarging" : "state.sampling";
    const key = progress.images > 1 ? `${what}.image` : what;
    const step = t(key, { step: progress.step, steps: progress.steps, image: progress.image + 1, images: progress.images });
    return [step, `${percent(job)} %`, left === null ? null : t("state.left", { time: wholeSeconds(left) })].filter(Boolean).join(" · ");
  },
  done(job) {
    const time = duration(Math.max(0, (job.finished ?? 0) - (job.started ?? job.finished ?? 0)));
    const { pictures } = job;
    if (!pictures.length) return job.note || t("state.done.none", { time });
    const last = pictures[pictures.length - 1];
    const path = last.saved ? shortPath(last.path) : t("state.unsaved");
    return pictures.length === 1 ? t("state.done", { time, path }) : t("state.done.several", { count: pictures.length, time, path });
  },
  cancelled(job) {
    if (!job.started) return t("state.cancelled");
    if (!job.pictures.length) return t("state.interrupted.one");
    return t("state.interrupted", { kept: job.pictures.length, count: job.image_count });
  },
  failed: (job) => [t("state.failed"), job.pictures.some((picture) => !picture.path) && t("state.unsaved")].filter(Boolean).join(" · "),
};

export function statusText(job) {
  if (!state.online) return t("state.offline");
  if (state.engine?.state === "failed" && (!job || job.state === "queued")) return state.engine.text || t("state.engine_failed");
  if (job) return WORDS[job.state](job);
  return starting() ? t("state.starting", { seconds: engineSeconds() }) : "";
}

export function titleText(job) {
  if (!job || job.state !== "running" || !state.preferences.title_progress) return t("name");
  const left = secondsLeft(job);
  if (left === null) return t("title.progress.unknown", { percent: percent(job) });
  return t("title.progress", { percent: percent(job), time: wholeSeconds(left) });
}
