// The form's fields as the script sees them: what the table of fields says, where they stand, and the hidden buttons
// ("bridges") through which the script sets them. Gradio owns the controls; they are never written to behind its back.

import { TABS } from "./opening.js";
import { reachable } from "./reach.js";
import { t } from "./texts.js";

export { TABS };
export const fields = window.periplusConfig?.fields ?? {};

const SHARED = ["checkpoint", "vae", "clip_skip"]; // stand in the header, for every form

// The form that is seen, or else the first.
export const activeTab = () => TABS.find((tab) => document.getElementById(`${tab}_frame`)?.checkVisibility()) ?? TABS[0];

export function fieldElement(name, tab = activeTab()) {
  return document.getElementById(`${SHARED.includes(name) ? TABS[0] : tab}_${name.replace(".", "_")}`);
}

const BY_ID = Object.fromEntries(Object.keys(fields).map((name) => [name.replace(".", "_"), fields[name]]));

// What is known of the field whose control has an id such as "txt2img_width".
export const fieldWithId = (id) => BY_ID[id.slice(id.indexOf("_") + 1)];

// `bridge` is one of the page's ("bridge_model") or of a form's ("txt2img_bridge_restore"). Returns whether it was pressed;
// where the server is needed and not there, the person is told instead.
export function press(bridge) {
  if (!reachable()) return false;
  document.getElementById(bridge)?.click();
  return true;
}

// Controls hold numbers, texts and nothing; compared as the text that they show.
export const same = (one, other) => String(one ?? "") === String(other ?? "");

export const isDefault = (name, value) => same(value, fields[name]?.default);

// Of every form.
const BUTTONS = {
  swap: "size.swap",
  seed_random: "seed.random",
  seed_reuse: "seed.reuse",
  variation_seed_random: "seed.random",
  variation_seed_reuse: "seed.reuse_variation",
  generate: "generate.help",
  style_apply: "styles.apply",
  styles_edit_button: "styles.edit",
  prompt_history: "prompts.title",
  read_settings: "read.title",
};

const labelled = new WeakSet(); // elements: this is asked for at every change of a form, and few are new

// Tooltips, and names for buttons that are only an icon, and for what Gradio names in English. Again after something was rendered
// late.
export function labelFields() {
  label("refresh_models", "models.refresh");
  for (const tab of TABS) {
    for (const [name, field] of Object.entries(fields)) labelField(unlabelled(fieldElement(name, tab)), field);
    for (const [name, key] of Object.entries(BUTTONS)) label(`${tab}_${name}`, key);
  }
}

function unlabelled(element) {
  if (!element || labelled.has(element)) return null;
  labelled.add(element);
  return element;
}

const SLIDER = { "number-input": "slider.number", "range-input": "slider.range" };

function labelField(element, { help, label }) {
  if (element && help) element.title = help;
  if (!element?.querySelector("input[type=range]")) return;
  for (const [part, key] of Object.entries(SLIDER)) element.querySelector(`[data-testid=${part}]`)?.setAttribute("aria-label", t(key, { label }));
}

function label(id, key) {
  const element = unlabelled(document.getElementById(id));
  element?.setAttribute("title", t(key));
  if (element && !element.textContent.trim()) element.setAttribute("aria-label", t(key));
}
