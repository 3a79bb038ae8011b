// The buttons Save and Zip: a copy of a finished picture in the log folder, and all pictures of a job in one file.

import { button, h, icon, once } from "./dom.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const placeOf = (job) => `api/v1/jobs/${encodeURIComponent(job.id)}`;

// `shown` gives the job and the picture that are looked at.
export function savingButtons(shown) {
  const save = button(t("action.save"), "file", () => keep(shown(), save), { id: "output_save", title: t("action.save.help") });
  const zip = h("a", { class: "plain-button", id: "output_zip", title: t("action.zip.help"), download: "" }, icon("layers"), t("action.zip"));
  // A link, so that the browser saves the file by itself; where it leads is settled when it is pressed.
  const aim = () => shown().job && (zip.href = url(`${placeOf(shown().job)}/pictures.zip`));
  for (const event of ["pointerenter", "pointerdown", "focus", "click"]) zip.addEventListener(event, aim);
  return [save, zip];
}

async function keep({ job, picture }, pressed) {
  if (!job || !picture) return;
  try {
    const { files, folder } = await request("POST", `${placeOf(job)}/save`, { pictures: [picture.index] });
    once(pressed, t("action.saved"));
    post(t("save.done", { file: files[0], folder }));
  } catch (error) {
    post(t("save.failed", { reason: error.message }), "error");
  }
}
