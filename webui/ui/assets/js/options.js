// "Sampling options" and "Extra": which fields have an effect, what a closed accordion says of its fields, and opening
// what is closed. All of it follows the form's values; nothing here asks the server.

import { coalesce, h, setHidden, setText } from "./dom.js";
import { TAB, fieldElement, fields, isDefault, labelFields } from "./fields.js";
import { t } from "./texts.js";

const PATIENCE_MS = 3000; // for Gradio to render what is opened for the first time

const accordion = () => document.getElementById(`${TAB}_options`);
const header = () => accordion()?.querySelector("button.label-wrap");
const has = (table, value) => table.includes(value);
const hasEffect = (name, values) => Object.entries(fields[name].needs).every(([field, with_]) => has(with_, values[field]));

const { options: OPTIONS = [], extra: EXTRA = [] } = window.periplusConfig ?? {};

let values = {};
let unusedLine = null;
let watched = null;

// ---- Sampling options

export function mountUnused(host) {
  unusedLine = host.appendChild(h("p", { class: "subdued" }));
  draw();
}

export function drawOptions(current) {
  values = current;
  watch();
  draw();
}

// The content comes when the accordion is opened for the first time; only then can it be told what to show.
function watch() {
  if (watched === accordion()) return;
  watched = accordion();
  new MutationObserver(coalesce(draw)).observe(watched, { childList: true, subtree: true });
}

function draw() {
  if (!("sampler" in values)) return;
  const unused = OPTIONS.filter((name) => !hasEffect(name, values));
  for (const name of OPTIONS) {
    const element = fieldElement(name);
    if (element) setHidden(element, unused.includes(name));
  }
  drawHeader(OPTIONS.filter((name) => !unused.includes(name) && !isDefault(name, values[name])));
  const names = unused.map((name) => fields[name].label).join(", ");
  if (unusedLine) setText(unusedLine, names && t("options.unused", { ...values, names }));
  labelFields();
}

function drawHeader(changed) {
  if (!header()) return;
  const state = header().querySelector(".accordion-state") ?? header().firstElementChild.appendChild(h("span", { class: "accordion-state" }));
  const words = changed.map(inWords).join(", ");
  setText(state, words && ` · ${words}`);
  state.title = words;
}

function inWords(name) {
  const value = values[name];
  const { short } = fields[name];
  return typeof value === "boolean" ? (value ? short : t("options.off", { name: short })) : `${short} ${value ?? "?"}`;
}

// Makes a field visible that stands in something closed.
export async function reveal(name) {
  if (has(EXTRA, name)) show(true);
  if (!has(OPTIONS, name)) return;
  if (!header()?.classList.contains("open")) header()?.click();
  for (const end = performance.now() + PATIENCE_MS; !fieldElement(name)?.checkVisibility() && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

// ---- Extra: ticked, its fields are shown; unticked, they have their defaults, for what is hidden must not act.

let extra = null;
let kept = null; // the values when it was unticked, for ticking it again
let taken = {};

export function mountExtra(host) {
  extra = h("input", { type: "checkbox", id: `${TAB}_extra_box`, onchange: () => toggle(extra.checked) });
  host.replaceChildren(h("label", { class: "checkbox", title: t("seed.extra.help") }, extra, t("seed.extra")));
  drawExtra(values, true);
}

// `settled`: the fields were set by the program, not typed; then fields without effect are put away too.
export function drawExtra(current, settled) {
  if (!extra || !("seed" in current)) return;
  const used = !EXTRA.every((name) => isDefault(name, current[name]));
  if (used || settled) show(used);
}

function show(shown) {
  if (extra) extra.checked = shown;
  document.getElementById(`${TAB}_extra_fields`)?.classList.toggle("shown", shown);
}

function toggle(shown) {
  show(shown);
  if (!shown) kept = Object.fromEntries(EXTRA.map((name) => [name, values[name]]));
  taken = shown ? kept : Object.fromEntries(EXTRA.map((name) => [name, fields[name].default]));
  if (taken) document.getElementById("bridge_extra")?.click(); // asks nobody, so also offline
}

export const takeExtra = (names) => names.map((name) => taken[name]);
