// The settings that a person has put below the header, in the order of their list. They are drawn from the server's one table of
// settings, are saved at once, and follow what is changed elsewhere.

import { checkBox, selectBox, textBox } from "./controls.js";
import { h } from "./dom.js";
import { clearError, markField } from "./errors.js";
import { preferenceChanged } from "./form.js";
import { severalBox } from "./several-box.js";
import { call } from "./server.js";
import { changed, forgetSettings, state } from "./state.js";
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
let controls = new Map(); // by name
const typing = new Set(); // names of those that hold what is not saved
const unsaved = new Map(); // by name: how many changes are not answered yet
let saving = Promise.resolve(); // one after another, as they were changed
let asking = null; // the last question, until it is answered

export function mountQuickSettings(host) {
  row = h("div", { class: "quick-settings drawn", id: "quick_settings_row", role: "group", "aria-label": t("quick.label") });
  host.replaceChildren(row);
  document.addEventListener("periplus:quick", takeTold);
  document.addEventListener("periplus:settings-changed", ({ detail }) => follow(detail));
  if (state.quick) takeTold();
  else takeKept();
}

function takeTold() {
  if (state.quick) take(state.quick);
  if (state.settingsChanged) ask(); // perhaps since they were described
}

function takeKept() {
  try {
    take(JSON.parse(localStorage.getItem(KEPT) ?? "[]"));
  } catch {
    localStorage.removeItem(KEPT); // another version's
  }
}

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(settings));
  } catch {
    // The browser's storage is full: the row comes a moment later.
  }
}

const withoutValue = ({ value, ...others }) => JSON.stringify(others);

// What is as it was stays as it is: what somebody types there, and what is wrong with it.
function take(given) {
  const before = new Map(settings.map((each) => [each.name, each]));
  const isKnown = (each) => before.has(each.name) && withoutValue(before.get(each.name)) === withoutValue(each);
  controls = new Map(given.map((each) => [each.name, isKnown(each) ? controls.get(each.name) : drawn(each)]));
  settings = given;
  place([...controls.values()].map((control) => control.element));
  for (const each of given) if (JSON.stringify(before.get(each.name)?.value) !== JSON.stringify(each.value)) show(each);
  keep();
}

// Those that stay are not moved, for what is moved loses the focus.
function place(elements) {
  for (const each of [...row.children]) if (!elements.includes(each)) each.remove();
  for (const [index, each] of elements.entries()) if (row.children[index] !== each) row.insertBefore(each, row.children[index] ?? null);
}

function drawn(setting) {
  const { name } = setting;
  const control = DRAWN[setting.kind](`quick_${name.replace(".", "_")}`, setting);
  control.value = setting.value;
  control.element.classList.add(`quick-${setting.kind}`);
  control.element.title = [setting.label, setting.help].filter(Boolean).join("\n"); // a long label is cut
  control.element.addEventListener("input", () => typing.add(name));
  control.element.addEventListener("change", () => change(setting, control));
  control.element.addEventListener("focusout", () => typing.delete(name) && show(settings.find((each) => each.name === name))); // typed, and taken back
  typing.delete(name);
  return control;
}

const valueOf = ({ kind }, { value }) => (kind === "number" ? (value === "" ? null : Number(value)) : value);

// What somebody is typing stays, and what is on its way. What is shown already is left with what is wrong: it could not be saved.
function show(setting) {
  const control = controls.get(setting?.name);
  if (!control || unsaved.get(setting.name) || (typing.has(setting.name) && control.element.contains(document.activeElement))) return;
  if (JSON.stringify(valueOf(setting, control)) === JSON.stringify(setting.value)) return;
  clearError(control.element);
  control.value = setting.value;
}

function change(setting, control) {
  const given = valueOf(setting, control);
  typing.delete(setting.name);
  unsaved.set(setting.name, (unsaved.get(setting.name) ?? 0) + 1);
  saving = saving.then(() => save(setting, control, given));
}

async function save(setting, control, given) {
  const { name } = setting;
  const shown = () => (controls.get(name) ?? control).element; // it may have been drawn anew
  try {
    const { value } = await call("set_setting", name, given).finally(() => unsaved.set(name, unsaved.get(name) - 1));
    clearError(shown());
    show({ ...setting, value });
    preferenceChanged(name, value);
  } catch (error) {
    markField(shown(), error.message);
  }
}

// `values`: those that were changed, by name; null: nobody knows which.
function follow(values) {
  if (!values || asking || LIST in values) return ask();
  const followed = settings.filter(({ name }) => name in values);
  if (followed.some(({ kind }) => kind === "several")) return ask(); // is told as one text
  take(settings.map((each) => (each.name in values ? { ...each, value: values[each.name] } : each)));
}

// Only the last answer counts: that of a question asked before may be older.
async function ask() {
  const mine = (asking = call("quick_settings").catch(() => null));
  const answer = await mine;
  if (mine !== asking) return;
  asking = null;
  if (!answer) return forgetSettings();
  Object.assign(state.preferences, answer.preferences);
  changed();
  take((state.quick = answer.settings));
}
