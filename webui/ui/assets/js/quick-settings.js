// The settings that a person has put below the header, in the order of their list. They are drawn from the server's one table of
// settings, are saved at once, and follow what is changed elsewhere.

import { checkBox, selectBox, textBox } from "./controls.js";
import { h } from "./dom.js";
import { clearError, markField } from "./errors.js";
import { preferenceChanged } from "./form.js";
import { severalBox } from "./several-box.js";
import { call } from "./server.js";
import { state } from "./state.js";
import { t } from "./texts.js";

const KEPT = "periplus.quick"; // the row as it was here last, so that nothing moves when the page is opened
const LIST = "quicksettings_list";

const DRAWN = {
  switch: (id, { name, label, help }) => checkBox(id, name, label, { help }),
  choice: (id, { name, label, help, choices }) => selectBox(id, name, label, choices, { help }),
  several: (id, { name, label, help, choices }) => severalBox(id, name, label, choices, { help }),
  number: (id, { name, label, help, low, high, step }) => textBox(id, name, label, { help, type: "number", inputmode: "decimal", min: low, max: high, step: step ?? "any" }),
  text: (id, { name, label, help }) => textBox(id, name, label, { help }),
};

let row = null;
let settings = []; // as the server tells of them
const controls = new Map(); // by name
const typing = new Set(); // names of those that hold what is not saved
let saving = Promise.resolve(); // one after another, as they were changed

export function mountQuickSettings(host) {
  row = h("div", { class: "quick-settings drawn", id: "quick_settings_row", role: "group", "aria-label": t("quick.label") });
  host.replaceChildren(row);
  take(state.quick ?? JSON.parse(localStorage.getItem(KEPT) ?? "[]"));
  document.addEventListener("periplus:quick", () => take(state.quick));
  document.addEventListener("periplus:settings-changed", ({ detail }) => follow(detail));
}

const withoutValues = (given) => JSON.stringify(given.map(({ value, ...others }) => others));

function take(given) {
  if (withoutValues(given) !== withoutValues(settings)) draw(given);
  settings = given;
  for (const { name, value } of settings) show(name, value);
  localStorage.setItem(KEPT, JSON.stringify(settings));
}

function draw(given) {
  controls.clear();
  typing.clear();
  for (const each of given) controls.set(each.name, drawn(each));
  row.replaceChildren(...[...controls.values()].map((control) => control.element));
}

function drawn(setting) {
  const control = DRAWN[setting.kind](`quick_${setting.name.replace(".", "_")}`, setting);
  control.element.classList.add(`quick-${setting.kind}`);
  control.element.title = [setting.label, setting.help].filter(Boolean).join("\n"); // a long label is cut
  control.element.addEventListener("input", () => typing.add(setting.name));
  control.element.addEventListener("change", () => (saving = saving.then(() => save(setting, control))));
  return control;
}

// What somebody is typing stays.
function show(name, value) {
  const control = controls.get(name);
  if (!control || (typing.has(name) && control.element.contains(document.activeElement))) return;
  clearError(control.element);
  control.value = value;
}

const valueOf = ({ kind }, { value }) => (kind === "number" ? (value === "" ? null : Number(value)) : value);

async function save(setting, control) {
  const given = valueOf(setting, control);
  typing.delete(setting.name);
  try {
    const { value } = await call("set_setting", setting.name, given);
    show(setting.name, value);
    preferenceChanged(setting.name, value);
  } catch (error) {
    markField(control.element, error.message);
  }
}

// `values`: those that were changed, by name; null: nobody knows which.
async function follow(values) {
  if (!values || LIST in values) return ask();
  const followed = settings.filter(({ name }) => name in values);
  if (followed.some(({ kind }) => kind === "several")) return ask(); // is told as one text
  take(settings.map((each) => (each.name in values ? { ...each, value: values[each.name] } : each)));
}

async function ask() {
  const answer = await call("quick_settings").catch(() => null); // out of reach: asked again when the connection is back
  if (answer) take((state.quick = answer.settings));
}
