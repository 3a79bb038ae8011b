// The chosen model beside the cards: what is known of its file, notes about it, and what can be done with it.

import { button, copyText, h, iconButton, once, setText } from "./dom.js";
import { textBox } from "./controls.js";
import { chosen, useModel } from "./form.js";
import { clearError, markField } from "./errors.js";
import { day, size } from "./model-words.js";
import { post } from "./notices.js";
import { selectedPicture } from "./output.js";
import { picker } from "./picker.js";
import { modelPath, request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";
import { vaeChoices } from "./model-lists.js";

const PREVIEW_SIDE = 512; // pixels
const PICKLED = /\.(ckpt|pt|pth|bin)$/i;

// `close()` puts the panel away, `reload()` has the list read anew.
export function buildDetail({ close, reload }) {
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
    if (!entry || JSON.stringify(given) === JSON.stringify(entry)) return;
    const typing = notes?.changed();
    entry = given;
    if (typing) element.querySelector(".facts")?.replaceWith(facts(entry));
    else draw();
  }

  let notes = null;
  const saveLeft = () => notes?.changed() && notes.save();

  function draw() {
    notes = buildNotes(entry, reload);
    const image = h("img", { class: "detail-picture", alt: t("detail.preview", { name: entry.name }), src: entry.preview && `${url(entry.preview)}&side=${PREVIEW_SIDE}`, hidden: !entry.preview });
    element.replaceChildren(
      h("header", {}, h("h3", {}, entry.title || entry.name), iconButton(t("action.close"), "close", close, { class: "bare-button detail-close" })),
      image,
      entry.problem && h("p", { class: "warning", role: "alert" }, entry.problem),
      actions(entry),
      facts(entry),
      notes.element,
    );
    for (const child of [...element.childNodes]) if (child.nodeType === Node.TEXT_NODE) child.remove();
  }

  function actions(model) {
    const words = model.kind === "vae" ? "detail.use_vae" : "detail.use";
    const inUse = chosen(model.kind) === model.name;
    const usable = ["checkpoint", "vae"].includes(model.kind) && !model.problem;
    const use = usable && button(t(inUse ? "detail.used" : words), null, () => use1(use, model), { class: "plain-button primary", id: "detail_use" });
    const hashed = !model.sha256 && button(t("detail.hash"), null, () => hash({ kind: model.kind, name: model.name }), { id: "detail_hash" });
    const convert = PICKLED.test(model.path) && button(t("detail.convert"), null, () => start("convert", { kind: model.kind, name: model.name }), { id: "detail_convert", title: t("detail.convert.help") });
    const picture = button(t("detail.set_preview"), "picture", () => setPreview(model), { id: "detail_preview", title: t("detail.set_preview.help") });
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

function facts(entry) {
  const copy = entry.sha256 && button(t("action.copy"), null, () => copyText(entry.sha256).then(() => once(copy, t("action.copied"))), { class: "plain-button link" });
  const rows = [
    ["detail.family", entry.family],
    ["detail.size", size(entry.size)],
    ["detail.modified", day(entry.modified)],
    ["detail.path", h("code", {}, entry.path)],
    ["detail.sha256", entry.sha256 ? h("span", {}, h("code", {}, entry.sha256), copy) : h("span", { class: "subdued" }, t("detail.unhashed"))],
  ];
  return h("table", { class: "settings-table facts" }, h("tbody", {}, ...rows.filter(([, value]) => value).map(([label, value]) => h("tr", {}, h("th", { scope: "row" }, t(label)), h("td", {}, value)))));
}

// ---- notes, in the file beside the model that other programs read too

function buildNotes(entry, reload) {
  const description = textBox("notes_description", "description", t("notes.description"), { maxlength: 2000 });
  const text = textBox("notes_notes", "notes", t("notes.notes"), { lines: 4, maxlength: 100_000 });
  const vae = entry.kind === "checkpoint" && picker("notes_vae", "vae", t("notes.vae"), { ...vaeChoices([["", t("notes.vae.none")], ["Automatic", t("vae.automatic")], ["None", t("vae.none")]]), help: t("notes.vae.help") });
  const controls = [description, text, vae].filter(Boolean);
  for (const each of controls) each.value = entry.notes?.[each.name] ?? "";
  const values = () => Object.fromEntries(controls.map((each) => [each.name, each.value ?? ""]));
  let saved = JSON.stringify(values());
  const said = h("span", { class: "saved", role: "status" });
  const press = button(t("notes.save"), null, save, { id: "notes_save" });
  const element = h("form", { class: "notes", onsubmit: (event) => (event.preventDefault(), save()) }, h("h3", {}, t("notes.title")), entry.notes?.problem && h("p", { class: "warning" }, t("notes.problem", { problem: entry.notes.problem })), ...controls.map((each) => each.element), h("div", { class: "actions" }, press, said));
  element.addEventListener("input", () => setText(said, ""));

  async function save() {
    const now = values();
    for (const each of controls) clearError(each.element);
    try {
      await request("PUT", `${modelPath(entry.kind, entry.name)}/notes`, now);
      saved = JSON.stringify(now);
      entry.notes = { ...entry.notes, ...now };
      setText(said, t("notes.saved"));
      reload();
    } catch (error) {
      const control = controls.find((each) => each.name === error.field);
      if (control && element.isConnected) markField(control.element, error.message);
      else post(t("notes.failed", { name: entry.name, reason: error.message }), "error");
    }
  }

  return { element, save, changed: () => JSON.stringify(values()) !== saved };
}

