// Who this page is and which job it shows. A page follows its own jobs, also after a reload.

import { finished, state, waiting } from "./state.js";

const NAME = "periplus.page";

function makeName() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return "page-" + [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// sessionStorage belongs to this tab and survives its reload.
export const pageId = sessionStorage.getItem(NAME) ?? makeName();
sessionStorage.setItem(NAME, pageId);

let chosen = null; // a job that was opened from the drawer
const submitted = new Set(); // jobs of this page that the stream has not told of yet

export function follow(jobId) {
  submitted.add(jobId);
  chosen = null;
}

export function choose(jobId) {
  chosen = jobId;
}

export const isOwn = (job) => job.owner === pageId || submitted.has(job.id);
export const isChosen = () => chosen !== null;

// Whether a job's picture may be seen while another one waits.
export const mayStay = (job) => isOwn(job) || finished(job);

// The last job of this page that has made something.
export const lastPictured = () => [...state.jobs.values()].filter((job) => isOwn(job) && finished(job) && job.pictures.length).sort(lastFirst)[0] ?? null;

const lastFirst = (a, b) => b.finished - a.finished;

// The job in the panel: what was opened; else this page's running job, its next waiting one, its newest;
// where this page has made none, the same among all jobs.
export function shownJob() {
  if (chosen !== null && state.jobs.has(chosen)) return state.jobs.get(chosen);
  const own = [...state.jobs.values()].filter(isOwn);
  const candidates = own.length ? own : [...state.jobs.values()].filter((job) => job.kind !== "plot");
  const active = candidates.find((job) => job.state === "running");
  if (active) return active;
  const next = waiting().find((job) => candidates.includes(job));
  if (next) return next;
  // The one that ended last: a job that was taken out of the queue long ago does not come before one that has run since.
  return candidates.filter(finished).sort(lastFirst)[0] ?? null;
}
