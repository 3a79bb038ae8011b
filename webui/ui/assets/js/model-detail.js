// The chosen model beside the cards: what is known of its file, notes about it, and what can be done with it.

import { button, copyText, h, iconButton, once } from "./dom.js";
import { chosen, useModel } from "./form.js";
import { day, size } from "./model-words.js";
import { post } from "./notices.js";
import { selectedPicture } from "./output.js";
import { modelPath, request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";
import { buildNotes } from "./model-notes.js";
import { buildHeader } from "./model-header.js";

const PREVIEW_SIDE = 512; // pixels
// What the panel shows of a model.
const known = ({ adds, fits, ...entry }) => JSON.stringify(entry);

const PICKLED = /\.(ckpt|pt|pth|bin)$/i;

// `close()` puts the panel away, `reload()` has the list read anew. `prefix` begins the ids of what is in it.
export function buildDetail({ close, reload, prefix = "" }) {
  let entry = null;
  const element = h("section", { class: "detail sheet-like", "aria-label": t("detail.title"), tabindex: "-1", onkeydown: (event) => event.key === "Escape" && (event.stopPropagation(), close()) });
  const hint = h("p", { class: "subdued detail-hint" }, t("detail.hint"));
  element.append(hint);

  function show(given) {
    saveLeft();
    entry = given;
    element.classList.toggle("open", Boolean(entry));
    if (!entry) return element.replaceChildren(hint);
    draw();
    element.scrollTop = 0;
    if (matchMedia("(max-width: 899px)").matches) element.focus();
  }

  // The same model with news of it; what is being typed stays.
  function update(given) {
    if (!entry || known(given) === drawn) return;
    const typing = notes?.changed();
    entry = given;
    drawn = known(entry);
    if (typing) element.querySelector(".facts")?.replaceWith(facts(entry));
    else draw();
  }

  let notes = null;
  let drawn = ""; // what is known of the model, as it is shown
  const saveLeft = () => notes?.changed() && notes.save();

  function draw() {
    const own = (notes = buildNotes(entry, () => saved(own), prefix));
    drawn = known(entry);
    const image = h("img", { class: "detail-picture", alt: t("detail.preview", { name: entry.name }), src: entry.preview && `${url(entry.preview)}&side=${PREVIEW_SIDE}`, hidden: !entry.preview });
    element.replaceChildren(
      h("header", {}, h("h3", {}, entry.title || entry.name), iconButton(t("action.close"), "close", close, { class: "bare-button detail-close" })),
      image,
      entry.problem && h("p", { class: "warning", role: "alert" }, entry.problem),
      actions(entry),
      facts(entry),
      notes.element,
      buildHeader(entry, notes),
    );
    for (const child of [...element.childNodes]) if (child.nodeType === Node.TEXT_NODE) child.remove();
  }

  // A form that is not shown any more may be saved later than the same model is shown again: then its text is not on the screen.
  function saved(form) {
    if (form === notes) drawn = known(entry);
    reload();
  }

  function actions(model) {
    const words = model.kind === "vae" ? "detail.use_vae" : "detail.use";
    const inUse = chosen(model.kind) === model.name;
    const usable = ["checkpoint", "vae"].includes(model.kind) && !model.problem;
    const use = usable && button(t(inUse ? "detail.used" : words), null, () => use1(use, model), { class: "plain-button primary", id: `${prefix}detail_use` });
    const hashed = !model.sha256 && button(t("detail.hash"), null, () => hash({ kind: model.kind, name: model.name }), { id: `${prefix}detail_hash` });
    const convert = PICKLED.test(model.path) && button(t("detail.convert"), null, () => start("convert", { kind: model.kind, name: model.name }), { id: `${prefix}detail_convert`, title: t("detail.convert.help") });
    const picture = button(t("detail.set_preview"), "picture", () => setPreview(model), { id: `${prefix}detail_preview`, title: t("detail.set_preview.help") });
    return h("div", { class: "actions" }, use, convert, hashed, picture);
  }

  function use1(pressed, model) {
    useModel(model.kind, model.name);
    once(pressed, t("detail.used"));
  }

  async function setPreview(model) {
    const picture = selectedPicture();
    if (!picture) return post(t("detail.no_picture"), "warning");
    try {
      const file = await (await fetch(url(picture.url))).blob();
      await request("PUT", `${modelPath(model.kind, model.name)}/preview`, file);
      post(t("detail.preview_set", { name: model.name }));
      reload();
    } catch (error) {
      post(error.message, "error");
    }
  }

  return { element, show, update, hash };
}

async function start(what, body) {
  try {
    await request("POST", `api/v1/models/${what}`, body);
  } catch (error) {
    post(error.message, "error");
  }
}

const hash = (body) => start("hash", body);

function copying(text) {
  const made = button(t("action.copy"), null, () => copyText(text).then(() => once(made, t("action.copied"))), { class: "plain-button link" });
  return made;
}

function facts(entry) {
  const rows = [
    ["detail.family", entry.family],
    ["detail.size", size(entry.size)],
    ["detail.modified", day(entry.modified)],
    ["detail.created", day(entry.created)],
    ["detail.alias", entry.alias],
    ["detail.path", h("span", {}, h("code", {}, entry.path), copying(entry.path))],
    ["detail.sha256", entry.sha256 ? h("span", {}, h("code", {}, entry.sha256), copying(entry.sha256)) : h("span", { class: "subdued" }, t("detail.unhashed"))],
  ];
  return h("table", { class: "settings-table facts" }, h("tbody", {}, ...rows.filter(([, value]) => value).map(([label, value]) => h("tr", {}, h("th", { scope: "row" }, t(label)), h("td", {}, value)))));
}
