// The tab Extras: pictures that are there already are made larger, cut and mirrored. What is chosen is handed in at once and
// named by its digest from then on, so that it survives a reload.

import { button, h, icon, iconButton, scrolling, setHidden, setText } from "./dom.js";
import { checkBox, keepOver, selectBox, slider, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { post } from "./notices.js";
import { follow, pageId } from "./page.js";
import { call, request } from "./server.js";
import { changed } from "./state.js";
import { url } from "./stream.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

const FIELDS = window.periplusConfig?.extras ?? {};
const VIEWS = ["single", "batch", "folder"];
const MODES = new Map(FIELDS.resize_mode?.choices ?? []); // words by value
const [BY, TO] = MODES.keys();
const FIRST = "Lanczos"; // what the first upscaler is until another is chosen
const RASTER = 8; // sizes are brought down to a multiple of this
const FACES = ["gfpgan_visibility", "codeformer_visibility", "codeformer_weight"]; // only where an extension does it
const KEY = "periplus.extras.pictures";
const STORED = "periplus.extras";

const none = { view: "single", mode: BY, single: null, batch: [] };
let kept = { ...none, ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
let parts = null;
const groups = []; // of what is rarely used: {state, ticks}

const stored = () => JSON.parse(sessionStorage.getItem(STORED) ?? "{}");

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ ...kept, batch: kept.batch.filter((source) => source.digest) }));
  } catch {
    // Thousands of pictures may be more than it takes: they live until the page is left.
  }
}

export function mountExtras(host) {
  const controls = Object.fromEntries(build().map((control) => [control.name, control]));
  for (const control of Object.values(controls)) control.value = FIELDS[control.name]?.default ?? "";
  controls.upscaler_1.value = FIRST; // so that "Scale by" does something at once
  const views = Object.fromEntries(VIEWS.map((view) => [view, viewOf(view, controls)]));
  const modes = segments("extras_mode", [BY, TO], (mode) => ((kept.mode = mode), keep(), draw()), (mode) => MODES.get(mode));
  const tabs = segments("extras_view", VIEWS, (view) => ((kept.view = view), keep(), draw()), (view) => t(`extras.view.${view}`));
  const size = h("p", { class: "extras-words", id: "extras_size", "aria-live": "polite" });
  const by = h("div", { class: "extras-pair" }, controls.upscale_by.element, controls.max_side.element);
  const swap = iconButton(t("size.swap"), "recycle", swapSize, { id: "extras_swap", class: "bare-button framed" });
  const to = h("div", { class: "extras-rows" }, h("div", { class: "extras-size" }, controls.upscale_width.element, swap, controls.upscale_height.element), controls.crop.element);
  const models = h("p", { class: "extras-words", id: "extras_models" });
  const upscale = h("div", { class: "sheet-like extras-rows" }, modes.element, by, to,
    h("div", { class: "extras-pair" }, controls.upscaler_1.element, controls.upscaler_2.element), controls.upscaler_2_visibility.element, size, models,
    group("faces", controls, FACES),
    group("split", controls, ["split", "split_threshold", "split_overlap"]),
    group("focal", controls, ["focal_crop", "focal_entropy", "focal_edges"]),
    group("auto_size", controls, ["auto_size", ["auto_size_low", "auto_size_high"], ["auto_size_least", "auto_size_most"], ["auto_size_objective", "auto_size_error"]]),
    group("flips", controls, ["flip_horizontal", "flip_vertical", "flip_both"]));
  const run = button(t("generate"), null, generate, { id: "extras_generate", class: "plain-button primary extras-run" });
  host.replaceChildren(h("div", { class: "extras" }, tabs.element, ...Object.values(views).map((view) => view.element), run, upscale));
  parts = { controls, views, modes, tabs, by, to, size, models, run };
  keepOver(STORED, Object.values(controls));
  for (const kind of ["input", "change"]) host.addEventListener(kind, draw);
  document.addEventListener("periplus:lists", listUpscalers);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length && host.checkVisibility()) take(files);
  });
  listUpscalers();
  draw();
}

// ---- what is drawn

function build() {
  const { max_side, upscale_width, upscale_height } = FIELDS;
  const number = (name, { low, high, step, label, help }) => textBox(`extras_${name}`, name, label, { help, type: "number", min: low, max: high, step, inputmode: "numeric" });
  const range = (name, limits = {}) => slider(`extras_${name}`, name, FIELDS[name].label, { ...FIELDS[name], ...limits });
  const tick = (name) => checkBox(`extras_${name}`, name, FIELDS[name].label, FIELDS[name]);
  // What was chosen before a reload is there at once; the others follow from the server.
  const list = (name) => selectBox(`extras_${name}`, name, FIELDS[name].label, [...new Set(["None", FIRST, stored()[name] ?? "None"])].map((each) => [each, each]), FIELDS[name]);
  return [
    range("upscale_by", { low: 1, high: 8 }),
    number("max_side", max_side), number("upscale_width", upscale_width), number("upscale_height", upscale_height), tick("crop"),
    list("upscaler_1"), list("upscaler_2"), range("upscaler_2_visibility", { step: 0.05 }),
    ...FACES.map((name) => range(name, { step: 0.05 })),
    tick("split"), range("split_threshold"), range("split_overlap"), tick("focal_crop"), range("focal_entropy"), range("focal_edges"),
    tick("auto_size"), range("auto_size_low", { step: 64 }), range("auto_size_high", { step: 64 }), number("auto_size_least", FIELDS.auto_size_least), number("auto_size_most", FIELDS.auto_size_most),
    selectBox("extras_auto_size_objective", "auto_size_objective", FIELDS.auto_size_objective.label, FIELDS.auto_size_objective.choices, FIELDS.auto_size_objective), range("auto_size_error"),
    tick("flip_horizontal"), tick("flip_vertical"), tick("flip_both"),
    textBox("extras_folder", "folder", t("extras.folder"), { help: t("extras.folder.help") }),
    textBox("extras_output_folder", "output_folder", FIELDS.output_folder.label, { help: FIELDS.output_folder.help, placeholder: FIELDS.output_folder.help }),
  ];
}

function segments(id, values, choose, words = (value) => value) {
  const buttons = values.map((value) => h("button", { type: "button", class: "segment", id: `${id}_${value.toLowerCase().replaceAll(" ", "_")}`, onclick: () => choose(value) }, words(value)));
  const element = h("div", { class: "segments", role: "group" }, ...buttons);
  return { element, show: (chosen) => values.forEach((value, index) => buttons[index].setAttribute("aria-pressed", String(value === chosen))) };
}

// `names`: of the controls, those side by side in a list of their own. Its header says what is ticked in it.
function group(name, controls, names) {
  const state = h("span", { class: "extras-state" });
  const rows = names.map((each) => (Array.isArray(each) ? h("div", { class: "extras-pair" }, ...each.map((one) => controls[one].element)) : controls[each].element));
  groups.push({ state, ticks: names.flat().map((each) => controls[each]).filter(({ value }) => typeof value === "boolean") });
  return h("details", { id: `extras_${name}_group` }, h("summary", {}, t(`extras.${name}`), state), h("div", { class: "extras-rows" }, ...rows));
}

function drawGroups() {
  for (const { state, ticks } of groups) {
    const on = ticks.filter(({ value }) => value);
    if (!ticks.length) continue;
    const words = ticks.length === 1 ? on.map(() => t("on")) : on.map(({ name }) => FIELDS[name].label);
    setText(state, words.length ? ` · ${words.join(", ")}` : "");
  }
}

function viewOf(view, controls) {
  if (view === "folder") return { element: h("div", { class: "sheet-like extras-rows" }, controls.folder.element, controls.output_folder.element) };
  const several = view === "batch";
  const input = h("input", { type: "file", accept: "image/*", multiple: several, class: "off-screen", id: `extras_${view}_file`, "aria-label": t(`extras.drop.${view}`), onchange: () => (take([...input.files], view), (input.value = "")) });
  const image = h("img", { class: "drop-image", alt: "", hidden: true });
  const hint = h("div", { class: "drop-hint" }, icon("picture"), h("strong", {}, t(`extras.drop.${view}`)), h("span", {}, t("extras.hint")));
  const drop = h("label", { class: "drop", id: `extras_${view}_drop` }, input, image, hint);
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), take([...event.dataTransfer.files], view)));
  const files = h("ul", { class: "extras-files", id: `extras_${view}_files` });
  const element = h("div", { class: "field", id: `extras_${view}_field` }, drop, files);
  return { element, drop, image, hint, files };
}

function draw() {
  if (!parts) return;
  const { controls, views, modes, tabs, by, to, size } = parts;
  tabs.show(kept.view);
  modes.show(kept.mode);
  for (const view of VIEWS) setHidden(views[view].element, view !== kept.view);
  setHidden(by, kept.mode !== BY);
  setHidden(to, kept.mode !== TO);
  controls.upscaler_2_visibility.element.toggleAttribute("data-unused", controls.upscaler_2.value === "None");
  drawGroups();
  setHidden(document.getElementById("extras_faces_group"), !parts.faces);
  drawSingle(views.single);
  drawBatch(views.batch);
  setText(size, sizeWords());
}

function drawSingle({ image, hint, files }) {
  const source = kept.single;
  setHidden(image, !source);
  setHidden(hint, Boolean(source));
  const address = source && url(`api/v1/sources/${source.digest}.png`);
  if (address && image.getAttribute("src") !== address) image.src = address;
  image.onerror = () => source === kept.single && clear("single"); // it is no longer kept
  image.alt = source?.name ?? "";
  files.replaceChildren(...(source ? [row(source, () => clear("single"))] : []));
}

function drawBatch({ files }) {
  files.replaceChildren(...kept.batch.map((source) => row(source, () => ((kept.batch = kept.batch.filter((other) => other !== source)), keep(), draw()))));
}

function row(source, remove) {
  const named = [source.name, `${source.width}×${source.height}`].filter(Boolean).join(" · ");
  const words = source.problem ?? (source.digest ? named : t("extras.reading", source));
  return h("li", { class: source.problem ? "failed" : null }, h("span", { title: words }, words), iconButton(t("action.remove"), "close", remove));
}

function clear(view) {
  kept[view] = none[view];
  keep();
  draw();
}

// What the single picture becomes, as the server works it out.
function sizeWords() {
  const source = kept.view === "single" ? kept.single : null;
  const value = (name) => parts.controls[name].value;
  const towards = value("split") || value("focal_crop");
  if (value("upscaler_1") === "None" && !(kept.mode === TO && towards)) return t(value("auto_size") ? "extras.only_auto_size" : "extras.no_upscaler");
  if (!source) return "";
  const { width, height } = source;
  const box = [Number(value("upscale_width")), Number(value("upscale_height"))];
  let made = box;
  if (kept.mode === BY) {
    const longest = Number(value("max_side")) || Infinity;
    const factor = Math.min(value("upscale_by"), longest / Math.max(width, height));
    made = [width, height].map((side) => Math.max(RASTER, Math.floor((side * factor) / RASTER) * RASTER));
  } else if (!value("crop") && !value("focal_crop")) {
    const factor = Math.max(box[0] / width, box[1] / height);
    made = [width, height].map((side, axis) => Math.max(Math.round(side * factor), box[axis]));
  }
  return t(value("auto_size") ? "extras.becomes_then_auto_size" : "extras.becomes", { from: `${width}×${height}`, to: made.join("×") });
}

function swapSize() {
  const { upscale_width: width, upscale_height: height } = parts.controls;
  [width.value, height.value] = [height.value, width.value];
  width.input.dispatchEvent(new Event("input", { bubbles: true }));
}

async function listUpscalers() {
  const found = await call("list_upscalers").catch(() => null);
  if (!found) return;
  for (const name of ["upscaler_1", "upscaler_2"]) {
    const control = parts.controls[name];
    const chosen = control.value;
    control.input.replaceChildren(...found.names.map((each) => h("option", { value: each }, each)));
    control.value = found.names.includes(chosen) ? chosen : "None";
  }
  parts.faces = found.faces;
  setText(parts.models, found.names.length > 3 ? "" : t("extras.no_models", found));
  draw();
}

// ---- pictures

async function take(files, view = kept.view === "batch" ? "batch" : "single") {
  kept.view = view;
  if (parts) clearError(parts.views[view].element);
  if (view === "single") return files[0] && takeOne(files[0]);
  const entries = files.map((file) => ({ name: stem(file.name) }));
  kept.batch = [...kept.batch, ...entries];
  draw();
  for (const [index, file] of files.entries()) {
    try {
      Object.assign(entries[index], await handIn(file, entries[index].name));
    } catch (error) {
      entries[index].problem = `${file.name}: ${error.message}`;
    }
    keep();
    draw();
  }
}

async function takeOne(file) {
  try {
    kept.single = await handIn(file, stem(file.name ?? ""));
    keep();
    draw();
  } catch (error) {
    if (parts) markField(parts.views.single.element, error.message);
    else post(error.message, "error");
  }
}

const stem = (name) => name.replace(/\.[^.]*$/, "");

const handIn = async (file, name) => ({ ...(await request("POST", "api/v1/sources", file)), name });

// Puts a picture (a Blob, or where it lies) into the tab and shows it. What its file says of how it was made comes along.
export async function sendPicture(blobOrUrl) {
  const blob = blobOrUrl instanceof Blob ? blobOrUrl : await (await fetch(blobOrUrl)).blob();
  const source = await handIn(blob, stem(blob.name ?? ""));
  source.name ||= /\bSeed: (\d+)/.exec(source.infotext)?.[1] ?? ""; // as files are called that were made here
  kept = { ...kept, view: "single", single: source };
  keep();
  showTab("extras");
  draw();
}

// ---- Generate

function values() {
  const given = Object.fromEntries(Object.entries(parts.controls).map(([name, control]) => [name, control.value]));
  for (const name of ["max_side", "upscale_width", "upscale_height", "auto_size_least", "auto_size_most"]) given[name] = given[name] === "" ? FIELDS[name].default : Number(given[name]);
  if (!parts.faces) for (const name of FACES) given[name] = 0;
  const { folder, output_folder, ...fields } = given;
  const listed = kept.view === "batch" ? kept.batch.filter((source) => source.digest) : kept.single ? [kept.single] : [];
  const sources = kept.view === "folder" ? [] : listed.map(({ digest, name, infotext }) => ({ digest, name, infotext }));
  const request_ = { ...fields, resize_mode: kept.mode, sources, output_folder: kept.view === "folder" ? output_folder.trim() : "" };
  return { request: request_, folder: kept.view === "folder" ? folder.trim() : "", owner: pageId };
}

async function generate() {
  const { controls, views, run } = parts;
  for (const element of [...Object.values(controls), ...Object.values(views)].map((part) => part.element)) clearError(element);
  run.disabled = true;
  try {
    if (kept.view === "batch" && kept.batch.some((each) => !each.digest && !each.problem)) throw new Error(t("batch.wait"));
    const asked = values();
    if (kept.view === "folder" && !asked.folder) throw Object.assign(new Error(t("extras.no_folder")), { field: "folder" });
    const job = await request("POST", "api/v1/extras", asked);
    follow(job.id);
    changed();
    if (job.problems.length) post(t("extras.problems", { count: job.problems.length, list: job.problems.slice(0, 5).join("\n") }), "warning", { seconds: 12 });
    if (window.matchMedia("(max-width: 899px)").matches) document.getElementById("extras_output")?.scrollIntoView({ behavior: scrolling() });
  } catch (error) {
    const element = controls[error.field]?.element ?? views[kept.view].element;
    const closed = element.closest("details");
    if (closed) closed.open = true;
    markField(element, error.message);
    element.scrollIntoView({ block: "nearest" });
  } finally {
    run.disabled = false;
  }
}
