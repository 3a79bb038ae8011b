// A picture over the whole window: fit, or closer; arrows go through the job's pictures. One can be kept and compared with
// another.

import { h, icon, iconButton, setHidden, setText } from "./dom.js";
import { pressed } from "./key-table.js";
import { url } from "./stream.js";
import { t } from "./texts.js";
import { zoomable } from "./viewer-zoom.js";

let open = null;

// `on`: {select(index), saving(picture), compare(picture, picture, {wanted(), failed(text)})}; `saving` gives the href and download
// of a link that saves it.
export function openViewer(job, index, on) {
  const { pictures } = job;
  const several = pictures.length > 1;
  const dialog = h("dialog", { class: "viewer", "aria-label": t("action.full_size") });
  const image = h("img", { class: "viewer-image", alt: job.request.prompt || t("picture.alt.empty"), draggable: "false" });
  const stage = h("div", { class: "viewer-stage" }, image);
  const told = h("p", { class: "viewer-scale", hidden: true });
  const larger = iconButton(t("viewer.closer"), "zoom", () => zoom.toggle(), { class: "bare-button viewer-zoom" });
  const save = h("a", { class: "bare-button viewer-save", title: t("action.download"), "aria-label": t("action.download") }, icon("download"));
  const zoom = zoomable(stage, image, { drawn, beside: () => dialog.close() });
  const keeping = several && keeper(pictures, on.compare);
  const show = (position) => {
    open.at = (position + pictures.length) % pictures.length;
    image.src = url(pictures[open.at].url);
    Object.assign(save, on.saving(pictures[open.at]));
    if (keeping) keeping.draw(pictures[open.at]);
    on.select(pictures[open.at].index);
  };
  const move = (by) => several && show(open.at + by);
  dialog.append(
    stage,
    told,
    ...(several ? [
      iconButton(t("action.previous"), "previous", () => move(-1), { class: "bare-button viewer-previous" }),
      iconButton(t("action.next"), "next", () => move(1), { class: "bare-button viewer-next" }),
    ] : []),
    h("div", { class: "viewer-tools" }, larger, save, several && keeping.element, iconButton(t("action.close"), "close", () => dialog.close(), { class: "bare-button viewer-close", autofocus: true })),
    ...(several ? [keeping.foot] : []),
  );
  const acts = {
    previous: () => move(-1),
    next: () => move(1),
    closer: zoom.closer,
    further: zoom.further,
    fit: zoom.fit,
    look: ({ key }) => zoom.look(key),
    save: ({ repeat }) => repeat || save.click(),
    compare: ({ repeat }) => repeat || (keeping && keeping.press()),
  };
  dialog.addEventListener("keydown", (event) => {
    const act = acts[pressed(event, "viewer")];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    open = null;
  });
  document.body.append(dialog);
  open = { at: 0 };
  show(Math.max(0, pictures.findIndex((picture) => picture.index === index)));
  dialog.showModal();

  function drawn(fitted, scale) {
    larger.classList.toggle("closer", !fitted);
    for (const name of ["title", "aria-label"]) larger.setAttribute(name, t(fitted ? "viewer.closer" : "viewer.fit"));
    setText(told, fitted ? "" : `${Math.round(scale * 100)} %`);
    setHidden(told, fitted);
  }
}

// The first press keeps the picture that is shown, the next compares it with the one that is shown then; of two pictures there is
// no other to go to.
function keeper(pictures, compare) {
  let kept = null;
  let shown = null;
  let asking = false;
  const element = iconButton(t("viewer.compare"), "compare", press, { class: "bare-button viewer-compare", "aria-pressed": "false" });
  const small = h("img", { class: "viewer-kept", alt: t("viewer.kept"), hidden: true });
  const told = h("p", { class: "viewer-told", role: "status", hidden: true });

  function press() {
    if (pictures.length === 2) return both(shown, pictures.find((picture) => picture !== shown));
    if (kept && kept !== shown) return both(kept, shown);
    kept = kept ? null : shown;
    draw(shown);
  }

  // Their settings are asked for: a second press meanwhile is none.
  async function both(one, other) {
    if (asking) return;
    asking = true;
    await compare(one, other, { wanted: () => element.isConnected, failed: say });
    asking = false;
  }

  // Messages of the page lie below this window.
  function say(text) {
    told.textContent = text;
    setHidden(told, false);
  }

  function draw(picture) {
    shown = picture;
    const words = !kept ? "viewer.compare" : kept === shown ? "viewer.keep_no_more" : "viewer.compare.kept";
    for (const name of ["title", "aria-label"]) element.setAttribute(name, t(words));
    element.setAttribute("aria-pressed", String(Boolean(kept)));
    if (kept) small.src = url(kept.url);
    told.textContent = kept ? t(kept === shown ? "viewer.pick_other" : "viewer.compare_now") : "";
    for (const each of [small, told]) setHidden(each, !kept);
  }

  return { element, foot: h("div", { class: "viewer-foot" }, small, told), press, draw };
}
