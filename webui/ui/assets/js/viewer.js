// A picture over the whole window: fit, or pixel by pixel; arrows go through the job's pictures.

import { h, iconButton } from "./dom.js";
import { pressed } from "./key-table.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

let open = null;

export function openViewer(job, index, onSelect) {
  const dialog = h("dialog", { class: "viewer", "aria-label": t("action.full_size") });
  const image = h("img", { class: "viewer-image", alt: job.request.prompt || t("picture.alt.empty") });
  const show = (position) => {
    const count = job.pictures.length;
    open.at = (position + count) % count;
    image.src = url(job.pictures[open.at].url);
    onSelect(job.pictures[open.at].index);
  };
  const move = (by) => job.pictures.length > 1 && show(open.at + by);
  const arrows = job.pictures.length > 1;
  dialog.append(
    h("div", { class: "viewer-scroll", onclick: (event) => event.target !== image && dialog.close() }, image),
    iconButton(t("action.close"), "close", () => dialog.close(), { class: "bare-button viewer-close" }),
    arrows && iconButton(t("action.previous"), "previous", () => move(-1), { class: "bare-button viewer-previous" }),
    arrows && iconButton(t("action.next"), "next", () => move(1), { class: "bare-button viewer-next" }),
  );
  image.addEventListener("click", () => dialog.classList.toggle("actual-size"));
  dialog.addEventListener("keydown", (event) => {
    const asked = pressed(event, "viewer");
    if (asked === "previous") move(-1);
    if (asked === "next") move(1);
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    open = null;
  });
  document.body.append(dialog);
  open = { at: 0 };
  show(Math.max(0, job.pictures.findIndex((picture) => picture.index === index)));
  dialog.showModal();
}
