// The tab PNG Info. The file goes to the server byte for byte; what it says comes back as text and is shown as text.

import { button, copyText, h, icon, once } from "./dom.js";
import { post } from "./notices.js";
import { press } from "./fields.js";
import { sendInfotext } from "./form.js";
import { fileButtons } from "./pnginfo-files.js";
import { otherSources } from "./pnginfo-sources.js";
import { PICTURE_TARGETS, sendButtons } from "./sending.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const LIMIT_MB = 256;

let parts = null;
const waiting = []; // {file, what, tab, ticket}; what: "show", "compare" with what is shown, or "send", to that tab
let asked = null; // the one of them that the server is asked about; one at a time, so that no answer is taken for another's
let tickets = 0;
let shownFile = null;
let shownAnswer = null;
let shownUrl = null;

export function mountPngInfo(host) {
  const input = h("input", { type: "file", accept: "image/*,.txt,.json", class: "off-screen", id: "pnginfo_file", "aria-label": t("pnginfo.drop"), onchange: () => read(input.files[0]) });
  const image = h("img", { class: "drop-image", alt: "", hidden: true });
  const hint = h("div", { class: "drop-hint" }, icon("picture"), h("strong", {}, t("pnginfo.drop")), h("span", {}, t("pnginfo.hint")));
  const drop = h("label", { class: "drop", id: "pnginfo_drop" }, input, image, hint);
  const facts = h("p", { class: "drop-facts" });
  const result = h("div", { class: "pnginfo-result", "aria-live": "polite" }, h("p", { class: "subdued" }, t("pnginfo.empty")));
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), read(event.dataTransfer.files[0])));
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files?.[0];
    if (file && host.checkVisibility()) read(file);
  });
  parts = { input, image, hint, facts, result };
  host.replaceChildren(h("div", { class: "pnginfo" }, h("div", { class: "pnginfo-left" }, drop, facts, otherSources(read)), result));
}

function read(file) {
  if (!file) return;
  parts.input.value = ""; // the same file may be chosen again
  showPicture(file);
  parts.result.replaceChildren(h("p", { class: "subdued" }, t("pnginfo.reading", { name: file.name })));
  hand(file, "show");
}

// A picture on the prompt: its settings go straight into the form.
export function readDropped(file, tab) {
  hand(file, "send", tab);
}

function showPicture(file) {
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownFile = file;
  shownUrl = URL.createObjectURL(file);
  parts.image.onerror = () => ((parts.image.hidden = true), (parts.hint.hidden = false));
  parts.image.onload = () => ((parts.image.hidden = false), (parts.hint.hidden = true));
  parts.image.alt = t("pnginfo.alt", { name: file.name });
  parts.image.src = shownUrl;
  parts.facts.textContent = file.name;
}

function hand(file, what, tab) {
  const megabytes = file.size / 1e6;
  if (megabytes > LIMIT_MB) return fail(t("pnginfo.too_large", { name: file.name, size: megabytes.toFixed(0), limit: LIMIT_MB }), what);
  waiting.push({ file, what, tab, ticket: String(++tickets) });
  return askNext();
}

function askNext() {
  if (asked || !waiting.length) return;
  asked = waiting.shift();
  if (!press("bridge_inspect")) drop();
}

// The question did not arrive.
function drop() {
  const { what, problem } = asked;
  asked = null;
  fail(problem ?? t("notice.offline"), what);
  askNext();
}

onChange(() => asked && !state.online && drop());

export async function takeUpload() {
  if (!asked) return [null, ""];
  const question = asked;
  const { file, ticket } = question;
  try {
    const form = new FormData();
    form.append("files", file, file.name);
    const response = await fetch(url("gradio_api/upload"), { method: "POST", body: form });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail ?? `HTTP ${response.status}`);
    const [path] = await response.json();
    return [{ path, orig_name: file.name, size: file.size, meta: { _type: "gradio.FileData" } }, ticket];
  } catch (error) {
    question.problem = t("pnginfo.failed", { reason: error.message });
    return [null, ticket];
  }
}

function fail(message, what) {
  if (what === "send") post(message, "error");
  else parts.result.replaceChildren(h("p", { class: "warning", role: "alert" }, message));
}

export function showInspection(answer) {
  if (!asked) return;
  // Also called where the question did not arrive, with the former answer.
  if (answer?.ticket !== asked.ticket || asked.problem) return drop();
  const { what, tab } = asked;
  asked = null;
  tell(answer, what, tab);
  askNext();
}

function tell(answer, what, tab) {
  if (answer.error) return void fail(answer.error, what === "compare" ? "send" : what);
  if (what === "compare") return void compare(answer);
  if (what === "send") return void (answer.raw ? sendInfotext(answer.raw, tab) : post(t("pnginfo.none", { name: answer.name }), "warning"));
  shownAnswer = answer;
  parts.facts.textContent = t(answer.width ? "pnginfo.facts" : "pnginfo.text_facts", answer);
  parts.result.replaceChildren(...described(answer));
}

function described(answer) {
  const blocks = [];
  if (!answer.raw) blocks.push(h("p", { class: "warning" }, t("pnginfo.none", { name: answer.name })), h("div", { class: "actions" }, pictureButtons(answer)), h("div", { class: "actions" }, ...fileButtons(() => shownFile, "")));
  else {
    const send = button(t("action.send"), "send", () => sendInfotext(answer.raw), { id: "pnginfo_send", class: "plain-button primary" });
    const copy = button(t("action.copy"), "copy", () => copyText(answer.raw).then(() => once(copy, t("action.copied"))));
    if (answer.program) blocks.push(h("p", { class: "subdued" }, t("pnginfo.program", answer)));
    blocks.push(h("div", { class: "actions" }, send, pictureButtons(answer)));
    blocks.push(h("div", { class: "actions" }, copy, compareButton(), ...(answer.width ? fileButtons(() => shownFile, answer.raw) : [])));
    blocks.push(h("div", { id: "pnginfo_comparison" }));
    blocks.push(...answer.remarks.map((remark) => h("p", { class: "warning" }, remark)));
    blocks.push(...textBlock(t("pnginfo.prompt"), answer.prompt), ...textBlock(t("pnginfo.negative"), answer.negative_prompt));
    if (answer.settings.length) blocks.push(h("h3", {}, t("pnginfo.settings")), table(answer.settings));
    if (answer.models.length) blocks.push(h("h3", {}, t("pnginfo.models")), table(answer.models.map((model) => [model.kind, modelWords(model), model.here])));
    if (answer.notes.length) blocks.push(notes(answer.notes));
    blocks.push(folded(t("pnginfo.raw"), answer.raw));
  }
  if (answer.chunks.length) blocks.push(h("h3", {}, t("pnginfo.chunks")), ...answer.chunks.map(([key, text]) => folded(key, text)));
  return blocks;
}

const modelWords = ({ name, called, nearest }) => (called ? `${name} (${t("pnginfo.called", { name: called })})` : nearest ? `${name} (${t("pnginfo.nearest", { name: nearest })})` : name);

// A text file has settings for any form, but no picture.
const pictureButtons = ({ raw, width }) => sendButtons("pnginfo_send", () => ({ picture: shownFile, infotext: raw }), [...(width ? PICTURE_TARGETS : []), ...(raw ? ["plot"] : [])]);

const notes = (lines) => h("details", { id: "pnginfo_notes" }, h("summary", {}, t("pnginfo.notes", { count: lines.length })), h("ol", {}, ...lines.map((line) => h("li", {}, line))));

function compareButton() {
  const input = h("input", { type: "file", accept: "image/*,.txt,.json", class: "off-screen", id: "pnginfo_other", "aria-label": t("pnginfo.compare"), onchange: () => input.files[0] && hand(input.files[0], "compare") });
  return h("span", {}, input, button(t("pnginfo.compare"), null, () => input.click(), { id: "pnginfo_compare", class: "plain-button" }));
}

// What differs between the picture that is shown and another one.
function compare(other) {
  const place = document.getElementById("pnginfo_comparison");
  if (!place) return;
  const [ours, theirs] = [shownAnswer, other].map(entries);
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => ours.get(key) !== theirs.get(key));
  const rows = keys.map((key) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, ours.get(key) ?? "–"), h("td", {}, theirs.get(key) ?? "–")));
  const heads = ["", t("pnginfo.this"), other.name].map((text) => h("th", { scope: "col" }, text));
  const body = rows.length ? h("table", { class: "settings-table" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)) : h("p", {}, t("pnginfo.same"));
  place.replaceChildren(h("h3", {}, t("pnginfo.compared", { name: other.name })), body);
}

const entries = (answer) => new Map([[t("pnginfo.prompt"), answer.prompt], [t("pnginfo.negative"), answer.negative_prompt], ...answer.settings.map(([key, value]) => [key, value])].filter(([, value]) => value));

const textBlock = (title, text) => (text ? [h("h3", {}, title), h("p", { class: "pre" }, text)] : []);

const folded = (title, text) => h("details", {}, h("summary", {}, title), h("p", { class: "pre" }, text));

function table(rows) {
  return h("table", { class: "settings-table" }, h("tbody", {}, ...rows.map(([key, value, here]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, value, mark(here))))));
}

function mark(here) {
  if (here === null || here === undefined) return null;
  return h("span", { class: here ? "mark here" : "mark missing" }, `${here ? "✓" : "✗"} ${t(here ? "pnginfo.here" : "pnginfo.missing")}`);
}
