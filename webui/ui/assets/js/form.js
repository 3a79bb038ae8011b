// The form in the browser: kept over a reload, errors at their fields, and what is sent to it from elsewhere.
// Gradio owns the controls. What the script wants to set goes through a hidden button ("bridge"), whose event takes
// the value from here; so the controls are never written to behind Gradio's back.

import { h, setText } from "./dom.js";
import { post } from "./notices.js";
import { follow, pageId } from "./page.js";
import { changed, state } from "./state.js";
import { selectedPicture, setExamples } from "./output.js";
import { setNote } from "./header.js";
import { t } from "./texts.js";

const STORED = "periplus.form";
const fields = window.periplusConfig?.fields ?? {};
const KEPT_MS = 200;

let names = [];
let tab = "txt2img";
let ready = false; // before the stored form is back, Gradio's first values must not overwrite it
let latest = null;
let timer = null;

const pending = { infotext: "", size: null, prompt: "" };

// ---- kept over a reload: by tab in sessionStorage; a new tab begins with what was last typed in any

export function storedForm() {
  return [sessionStorage.getItem(STORED) ?? localStorage.getItem(STORED)];
}

export function opened(componentNames, tabName, answer) {
  [names, tab] = [componentNames, tabName];
  ready = true;
  Object.assign(state.preferences, answer?.preferences);
  if (answer?.warning) post(answer.warning, "warning");
  checkpointChosen(answer);
  labelFields();
  changed();
  document.documentElement.dataset.periplus = "ready";
}

export function remember(componentNames, ...values) {
  if (!ready) return;
  latest = Object.fromEntries(componentNames.map((name, index) => [name, values[index]]));
  clearTimeout(timer);
  timer = setTimeout(keep, KEPT_MS);
}

function keep() {
  if (!latest) return;
  const text = JSON.stringify(latest);
  sessionStorage.setItem(STORED, text);
  try {
    localStorage.setItem(STORED, text);
  } catch {
    // A full or forbidden store: this tab still has its own.
  }
}

window.addEventListener("pagehide", keep);

// ---- Generate

export const generateButton = () => document.getElementById(`${tab}_generate`);

export function withPageId(position, ...values) {
  values[position] = pageId;
  keep();
  return values;
}

export function submitted(answer) {
  clearErrors();
  if (answer?.job) {
    follow(answer.job);
    changed();
  }
  showErrors(answer?.errors ?? {});
  if (answer?.message) post(answer.message, "error");
  if (answer?.job && window.matchMedia("(max-width: 899px)").matches) window.scrollTo({ top: 0, behavior: "smooth" });
}

export function pressGenerate() {
  generateButton()?.click();
}

// ---- errors at their fields

export const fieldElement = (name) => document.getElementById(`${tab}_${name}`);

export function showErrors(errors) {
  for (const [name, message] of Object.entries(errors)) {
    const element = fieldElement(name);
    if (element) markField(element, name, message);
    else post(message, "error");
  }
  const first = Object.keys(errors).map(fieldElement).find(Boolean);
  first?.scrollIntoView({ block: "nearest" });
  first?.querySelector("input, textarea")?.focus();
}

function markField(element, name, message) {
  element.classList.add("field-invalid");
  let line = element.querySelector(":scope > .field-error");
  if (!line) {
    line = h("p", { class: "field-error", id: `${element.id}_error`, role: "alert" });
    element.append(line);
  }
  setText(line, message);
  for (const input of element.querySelectorAll("input, textarea")) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", line.id);
    input.addEventListener("input", () => clearError(element), { once: true });
  }
}

function clearError(element) {
  element.classList.remove("field-invalid");
  element.querySelector(":scope > .field-error")?.remove();
  for (const input of element.querySelectorAll("input, textarea")) input.removeAttribute("aria-invalid");
}

export function clearErrors() {
  document.querySelectorAll(".field-invalid").forEach(clearError);
}

function labelFields() {
  for (const name of names) {
    const element = fieldElement(name);
    if (element && fields[name]?.help) element.title = fields[name].help;
  }
  generateButton()?.setAttribute("title", t("generate.help"));
  const labels = { txt2img_swap: "size.swap", txt2img_die: "seed.random", txt2img_recycle: "seed.reuse", refresh_models: "models.refresh" };
  for (const [id, key] of Object.entries(labels)) {
    const element = document.getElementById(id);
    element?.setAttribute("aria-label", t(key));
    element?.setAttribute("title", t(key));
  }
}

// ---- sent from elsewhere

const press = (bridge) => document.getElementById(`bridge_${bridge}`)?.click();

export function sendInfotext(text) {
  pending.infotext = text;
  press("restore");
}

export const takeInfotext = () => [pending.infotext];

export function restored(answer) {
  clearErrors();
  post(t(answer?.count ? "transfer.done" : "transfer.nothing"), answer?.count ? "info" : "warning");
  for (const remark of answer?.remarks ?? []) post(remark, "warning");
  document.querySelector(`#${tab}_prompt textarea`)?.focus({ preventScroll: true });
}

export function setSize(width, height) {
  pending.size = [width, height];
  press("size");
}

export const takeSize = () => pending.size;

export function usePrompt(text) {
  pending.prompt = text;
  press("prompt");
}

export const takePrompt = () => pending.prompt;

export const reuseSeed = (seed) => pending.seed ?? selectedPicture()?.seed ?? seed;

export function setSeed(seed) {
  pending.seed = seed;
  document.getElementById(`${tab}_recycle`)?.click();
  setTimeout(() => delete pending.seed);
}

// ---- checkpoint and preferences

export function checkpointChosen(answer) {
  setNote(answer?.note ?? "");
  setExamples(Boolean(answer?.note));
  const element = fieldElement("checkpoint");
  if (element) clearError(element);
  if (answer?.problem) showErrors({ checkpoint: answer.problem });
}

export function preferenceChanged(name, value) {
  state.preferences[name] = value;
  if (name === "notify_when_done" && value) window.Notification?.requestPermission?.();
  changed();
}

// ---- tabs

export function showTab(name) {
  document.querySelector(`#tabs button[role="tab"][data-tab-id="${name}"]`)?.click();
}
