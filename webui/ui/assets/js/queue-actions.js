// What people do to the jobs that wait, as the server is asked for it. The list shows it at once, the stream tells how it came out.

import { post } from "./notices.js";
import { stop } from "./output.js";
import { titleOf } from "./queue-rows.js";
import { request } from "./server.js";
import { apply, changed, state } from "./state.js";
import { t } from "./texts.js";

const UNDO_SECONDS = 8;

const path = (job, action) => `jobs/${encodeURIComponent(job.id)}/${action}`;

// Returns the answer, or null where it was refused, which people are told.
export async function act(what, body = undefined) {
  try {
    return await request("POST", `api/v1/${what}`, body);
  } catch (error) {
    post(t("queue.refused", { reason: error.message }), "warning");
    return null;
  }
}

// Puts the jobs of a line before those of another, or (null) at the end.
export async function move({ jobs }, before) {
  const ids = jobs.map(({ id }) => id);
  const next = before?.jobs[0].id ?? null;
  const order = (state.queue?.waiting ?? []).filter((id) => !ids.includes(id));
  order.splice(next ? order.indexOf(next) : order.length, 0, ...ids);
  if (state.queue) state.queue = { ...state.queue, waiting: order };
  changed();
  state.moves += 1;
  try {
    for (const id of ids) if (!(await act(`jobs/${encodeURIComponent(id)}/move`, next ? { to: "before", other: next } : { to: "last" }))) break;
  } finally {
    state.moves -= 1;
    if (!state.moves) confirm();
  }
}

// What the server says of the order once the last move has arrived there; it is what was shown, unless something was refused.
async function confirm() {
  const told = await request("GET", "api/v1/queue").catch(() => null);
  if (told && state.queue && !state.moves) apply({ ...state.queue, ...told });
}

export const hold = (job) => act(path(job, job.held ? "resume" : "pause"));

export const duplicate = (job, newSeed) => act(`${path(job, "duplicate")}${newSeed ? "?new_seed=true" : ""}`);

// Takes a line out; one of a plot or a series ends that.
export async function remove({ id, group, jobs: [job] }, lines) {
  const next = lines[lines.findIndex((line) => line.id === id) + 1]?.jobs[0];
  const prompt = titleOf(job).slice(0, 60);
  if (group) return void ((await act(`${group.startsWith("plot-") ? "plots" : "series"}/${group}/cancel`)) && post(t("queue.ended", { prompt }), "info"));
  if (!(await stop(state.jobs.get(job.id), "interrupt"))) return;
  post(t("queue.removed", { prompt }), "info", { action: { text: t("action.undo"), press: () => putBack(job, next) }, seconds: UNDO_SECONDS });
}

async function putBack(job, next) {
  const again = await act(path(job, "duplicate"));
  if (again && next && state.jobs.get(next.id)?.state === "queued") await act(path(again, "move"), { to: "before", other: next.id });
}
