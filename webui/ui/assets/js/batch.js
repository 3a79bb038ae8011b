// The sub-tab "Batch" of img2img: the form's settings for each of several pictures, which are handed in or lie in a folder.

import { h, icon, iconButton, setHidden, setText } from "./dom.js";
import { keepOver } from "./controls.js";
import { clearError } from "./errors.js";
import { fieldElement } from "./fields.js";
import { optionControl, scriptOf } from "./scripts.js";
import { seriesView } from "./series.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const NAME = "Batch";
const FIELDS = window.periplusConfig?.scripts?.batch ?? {};
const VIEWS = ["upload", "folder"];
const KEY = "periplus.batch.pictures";
const SHOWN = 200; // names in the list; a folder may be handed in

let kept = { view: "upload", pictures: [], ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
let parts = null;

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...kept, pictures: kept.pictures.filter((picture) => picture.digest) }));
  } catch {
    // Thousands of pictures may be more than it takes: they live until the page is left.
  }
}

export function batchPanel() {
  const controls = Object.fromEntries(Object.entries(FIELDS).filter(([name]) => name !== "scale").map(([name, field]) => [name, optionControl(`batch_${name}`, name, field)]));
  const at = (name) => h("div", { id: `img2img_${name}` }, controls[name].element); // where the server's messages stand
  const taken = Object.keys(controls).filter((name) => name.startsWith("take_"));
  const buttons = VIEWS.map((view) => h("button", { type: "button", role: "radio", id: `batch_view_${view}`, onclick: () => ((kept.view = view), keep(), draw()) }, t(`batch.view.${view}`)));
  const input = h("input", { type: "file", accept: "image/*", multiple: true, class: "off-screen", id: "batch_files", "aria-label": t("batch.drop"), onchange: () => (take([...input.files]), (input.value = "")) });
  const drop = h("label", { class: "drop batch-drop", id: "batch_drop" }, input, h("div", { class: "drop-hint" }, icon("picture"), h("strong", {}, t("batch.drop")), h("span", {}, t("batch.hint"))));
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), take([...event.dataTransfer.files])));
  const words = h("span");
  const clear = iconButton(t("batch.clear"), "clear", () => ((kept.pictures = []), keep(), draw()), { id: "batch_clear" });
  const files = h("ul", { class: "batch-files" });
  const head = h("div", { class: "batch-head" }, words, clear);
  const upload = h("div", { class: "batch-upload" }, drop, head, files);
  const own = h("details", { class: "batch-own", id: "batch_png_info_group" }, h("summary", {}, t("batch.png_info")),
    h("div", { class: "script-options" }, controls.png_info.element, h("div", { class: "batch-taken", role: "group", "aria-label": t("batch.taken") }, ...taken.map((name) => controls[name].element)), at("png_info_folder")));
  const element = h("div", { class: "batch drawn" },
    h("div", { class: "segments", role: "radiogroup", "aria-label": t("batch.view") }, ...buttons),
    upload, at("folder"), at("output_folder"), at("mask_folder"), own, controls.only_missing.element, seriesView(({ script }) => script === NAME));
  parts = { controls, buttons, upload, head, words, files, element };
  keepOver("periplus.batch", Object.values(controls));
  draw();
  return element;
}

function draw() {
  const { controls, buttons, upload, head, words, files } = parts;
  buttons.forEach((each, index) => each.setAttribute("aria-checked", String(VIEWS[index] === kept.view)));
  setHidden(upload, kept.view !== "upload");
  setHidden(controls.folder.element, kept.view !== "folder");
  const bad = kept.pictures.filter((picture) => picture.problem);
  const read = kept.pictures.filter((picture) => picture.digest).length;
  setHidden(head, !kept.pictures.length);
  const told = { count: read, total: kept.pictures.length - bad.length };
  setText(words, read < told.total ? t("batch.reading", told) : t(read === 1 ? "batch.count.one" : "batch.count", told));
  files.replaceChildren(...[...bad, ...kept.pictures.filter((picture) => !picture.problem)].slice(0, SHOWN).map(row));
}

function row(picture) {
  const remove = iconButton(t("action.remove"), "close", () => ((kept.pictures = kept.pictures.filter((other) => other !== picture)), keep(), draw()));
  const words = picture.problem ?? picture.name;
  return h("li", { class: picture.problem ? "failed" : null }, h("span", { title: words }, words), remove);
}

// Handed in at once; what cannot be read stays in the list with the reason, and the others go on.
async function take(files) {
  const entries = files.map((file) => ({ name: file.name }));
  kept.pictures = [...kept.pictures, ...entries];
  clearAtSource();
  draw();
  for (const [index, file] of files.entries()) {
    try {
      const { digest, infotext } = await request("POST", "api/v1/sources", file);
      Object.assign(entries[index], { digest, infotext });
    } catch (error) {
      entries[index].problem = `${file.name}: ${error.message}`;
    }
    keep();
    draw();
  }
}

function clearAtSource() {
  const element = fieldElement("source", "img2img");
  if (element) clearError(element);
}

// What goes with Generate. Raises in words where there is nothing to work on.
export function batchScript(scale) {
  if (scriptOf("img2img")) throw new Error(t("batch.no_script"));
  const options = Object.fromEntries(Object.entries(parts.controls).map(([name, control]) => [name, typeof control.value === "string" ? control.value.trim() : control.value]));
  const pictures = kept.pictures.filter((picture) => picture.digest).map(({ digest, name, infotext }) => ({ digest, name, infotext }));
  if (kept.view === "folder") {
    if (!options.folder) throw new Error(t("extras.no_folder"));
    return JSON.stringify({ script: NAME, ...options, scale });
  }
  if (kept.pictures.some((picture) => !picture.digest && !picture.problem)) throw new Error(t("batch.wait"));
  if (!pictures.length) throw new Error(t("batch.nothing"));
  return JSON.stringify({ script: NAME, ...options, folder: "", pictures, scale });
}
