// Changing a job that waits: its settings come into the form, and Generate puts them back to its place. Meanwhile it is held back.

import { button, h } from "./dom.js";
import { TABS, press } from "./fields.js";
import { post } from "./notices.js";
import { beforeSetting } from "./prompt-set.js";
import { act } from "./queue-actions.js";
import { titleOf } from "./queue-rows.js";
import { state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const STORED = "periplus.editing";

let editing = JSON.parse(sessionStorage.getItem(STORED) ?? "null"); // {id, tab, title, held: whether it was so before}
let strip = null;

// The job that Generate of a tab changes, or "".
export const replacedBy = (tab) => (editing?.tab === tab ? editing.id : "");

export async function edit(job) {
  if (editing) await discard();
  if (!job.held && !(await act(`jobs/${encodeURIComponent(job.id)}/pause`))) return;
  const tab = job.kind === "img2img" ? "img2img" : TABS[0];
  try {
    if (tab === "img2img") await sendSource(job.request);
  } catch (error) {
    post(t("send.failed", { reason: error.message }), "error");
  }
  set({ id: job.id, tab, title: titleOf(job).slice(0, 60), held: job.held });
  press(`${tab}_bridge_edit`);
  document.dispatchEvent(new Event("periplus:editing"));
}

async function sendSource({ source, mask }) {
  if (!source) return;
  const { sendPicture } = await import("./img2img.js");
  const picture = (digest) => url(`api/v1/sources/${digest}.png`);
  await sendPicture(mask ? "inpaint_upload" : "img2img", picture(source), "", mask ? picture(mask) : null);
}

export async function takeEdited(tab) {
  await beforeSetting(tab);
  return [editing?.id ?? ""];
}

// Generate was pressed: `answer.job` is the job that was changed; where it was refused, the form says why.
export function replaced(tab, answer) {
  if (!replacedBy(tab)) return;
  if (answer?.job === editing.id) {
    post(t("queue.changed", { prompt: editing.title }), "info");
    discard();
  } else if (answer?.gone) set(null);
}

// Leaves the job as it is.
async function discard() {
  const { id, held } = editing;
  set(null);
  if (!held && state.jobs.get(id)?.state === "queued") await act(`jobs/${encodeURIComponent(id)}/resume`);
}

function set(given) {
  editing = given;
  if (editing) sessionStorage.setItem(STORED, JSON.stringify(editing));
  else sessionStorage.removeItem(STORED);
  draw();
}

function draw() {
  strip?.remove();
  strip = null;
  if (!editing) return;
  const words = h("p", {}, t("queue.editing", { prompt: editing.title }));
  strip = h("div", { class: "queue-editing", id: "queue_editing", role: "status" }, words, button(t("queue.discard"), "close", discard, { id: "queue_discard" }));
  document.body.append(strip);
}

draw();
