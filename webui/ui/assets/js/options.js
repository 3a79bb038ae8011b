// "Sampling options" and "Extra": which fields have an effect, what a closed accordion says of its fields, and opening
// what is closed. All of it follows the form's values; nothing here asks the server.

import { coalesce, h, setHidden, setText } from "./dom.js";
import { accordionWith, drawExtensions } from "./extensions.js";
import { TABS, fieldElement, fields, isDefault, labelFields } from "./fields.js";
import { readForm } from "./reading.js";
import { t } from "./texts.js";

const PATIENCE_MS = 3000; // for Gradio to render what is opened for the first time

const has = (table, value) => table.includes(value);
const hasEffect = (name, values) => Object.entries(fields[name].needs).every(([field, with_]) => has(with_, values[field]));

const { options: OPTIONS = [], extra: EXTRA = [] } = window.periplusConfig ?? {};

// By tab. `kept`: the values of Extra when it was unticked, for ticking it again; `taken`: what it sets its fields to.
const forms = Object.fromEntries(TABS.map((tab) => [tab, { tab, values: {}, unusedLine: null, watched: null, extra: null, kept: null, taken: {} }]));

const accordion = (form) => document.getElementById(`${form.tab}_options`);
const headerOf = (element) => element?.querySelector("button.label-wrap");

// ---- Sampling options

export function mountUnused(host, tab) {
  forms[tab].unusedLine = host.appendChild(h("p", { class: "subdued" }));
  draw(forms[tab]);
}

export function drawOptions(tab, current) {
  const form = forms[tab];
  form.values = current;
  watch(form);
  draw(form);
  drawExtensions(tab, current);
}

// The content comes when the accordion is opened for the first time; only then can it be told what to show.
function watch(form) {
  if (form.watched === accordion(form)) return;
  form.watched = accordion(form);
  if (form.watched) new MutationObserver(coalesce(() => draw(form))).observe(form.watched, { childList: true, subtree: true });
}

// A form that was rendered late.
document.addEventListener("periplus:tab", () => Object.values(forms).forEach((form) => (watch(form), draw(form))));

function draw(form) {
  const { tab, values, unusedLine } = form;
  if (!("sampler" in values)) return;
  const unused = OPTIONS.filter((name) => !hasEffect(name, values));
  for (const name of OPTIONS) {
    const element = fieldElement(name, tab);
    if (element) setHidden(element, unused.includes(name));
  }
  setState(accordion(form), changedInWords(values, OPTIONS.filter((name) => !unused.includes(name))));
  const names = unused.map((name) => fields[name].label).join(", ");
  if (unusedLine) setText(unusedLine, names && t("options.unused", { ...values, names }));
  labelFields();
}

// What a closed accordion says in its header.
export function setState(element, words) {
  const header = headerOf(element);
  if (!header) return;
  const state = header.querySelector(".accordion-state") ?? header.firstElementChild.appendChild(h("span", { class: "accordion-state" }));
  setText(state, words && ` · ${words}`);
  state.title = words;
}

// Those of the fields `names` that are not as they were by default.
export function changedInWords(values, names) {
  return names.filter((name) => !isDefault(name, values[name])).map((name) => inWords(name, values[name])).join(", ");
}

// `called`: what the field is called there.
export function inWords(name, value, called = fields[name].short) {
  if (typeof value === "boolean") return value ? called : t("options.off", { name: called });
  return `${called} ${fields[name].choices[value] ?? value ?? "?"}`;
}

// Makes a field visible that stands in something closed.
export async function reveal(tab, name) {
  if (has(EXTRA, name)) show(forms[tab], true);
  const element = has(OPTIONS, name) ? accordion(forms[tab]) : accordionWith(tab, name);
  if (!element) return;
  const header = headerOf(element);
  if (!header?.classList.contains("open")) header?.click();
  for (const end = performance.now() + PATIENCE_MS; !fieldElement(name, tab)?.checkVisibility() && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

// ---- Extra: ticked, its fields are shown; unticked, they have their defaults, for what is hidden must not act.

export function mountExtra(host, tab) {
  const form = forms[tab];
  form.extra = h("input", { type: "checkbox", id: `${tab}_extra_box`, onchange: () => toggle(form, form.extra.checked) });
  host.replaceChildren(h("label", { class: "checkbox", title: t("seed.extra.help") }, form.extra, t("seed.extra")));
  drawExtra(tab, form.values, true);
}

// `settled`: the fields were set by the program, not typed; then fields without effect are put away too.
export function drawExtra(tab, current, settled) {
  if (!forms[tab].extra || !("seed" in current)) return;
  const used = !EXTRA.every((name) => isDefault(name, current[name]));
  if (used || settled) show(forms[tab], used);
}

function show(form, shown) {
  if (form.extra) form.extra.checked = shown;
  document.getElementById(`${form.tab}_extra_fields`)?.classList.toggle("shown", shown);
}

async function toggle(form, shown) {
  show(form, shown);
  if (!shown) await readForm(form.tab); // what was typed a moment ago may not have been read yet
  if (!shown) form.kept = Object.fromEntries(EXTRA.map((name) => [name, form.values[name]]));
  form.taken = shown ? form.kept : Object.fromEntries(EXTRA.map((name) => [name, fields[name].default]));
  if (form.taken) document.getElementById(`${form.tab}_bridge_extra`)?.click(); // asks nobody, so also offline
}

export const takeExtra = (tab, names) => names.map((name) => forms[tab].taken[name]);
