// The accordion "Script" of a form: what makes several jobs of one press on Generate, and how far they are.

import { h, setHidden, setText } from "./dom.js";
import { checkBox, keepOver, selectBox, slider, textBox } from "./controls.js";
import { seriesView } from "./series.js";
import { call } from "./server.js";
import { t } from "./texts.js";

const CONFIG = window.periplusConfig?.scripts ?? {}; // by tab and name: the options by field
const NONE = "None";

const forms = new Map(); // by tab

// What goes with Generate, as JSON; "" where no script is chosen.
export function scriptOf(tab) {
  const form = forms.get(tab);
  if (!form || form.choice.value === NONE) return "";
  const options = form.groups[form.choice.value].controls;
  return JSON.stringify({ script: form.choice.value, ...Object.fromEntries(options.map((control) => [control.name, control.value])) });
}

export function mountScript(host, tab) {
  const scripts = CONFIG[tab] ?? {};
  const choice = selectBox(`${tab}_script_choice`, "script", t("script.choose"), [NONE, ...Object.keys(scripts)].map((name) => [name, name]));
  choice.value = NONE;
  const groups = Object.fromEntries(Object.entries(scripts).map(([name, fields]) => [name, group(tab, fields)]));
  const words = h("span", { class: "subdued" });
  const body = h("div", { class: "script-body" }, choice.element, ...Object.values(groups).map(({ element }) => element), seriesView(({ script }) => script in scripts));
  host.replaceChildren(h("details", { class: "script", id: `${tab}_script_group` }, h("summary", {}, t("script.title"), " ", words), body));
  const form = { choice, groups, words };
  forms.set(tab, form);
  const controls = [choice, ...Object.entries(groups).flatMap(([name, { controls: each }]) => each.map((control) => named(control, `${name}.${control.name}`)))];
  keepOver(`periplus.script.${tab}`, controls);
  host.addEventListener("change", () => draw(form));
  draw(form);
}

// A control under another name, so that two scripts may have options of the same name.
const named = (control, name) => ({ ...control, name, get value() { return control.value; }, set value(value) { control.value = value; } });

// The control of an option. `id` is that of what is typed into.
export function optionControl(id, name, field) {
  let control;
  if (field.choices.length) control = selectBox(id, name, field.label, field.choices, field);
  else if (typeof field.default === "boolean") control = checkBox(id, name, field.label, field);
  else if (field.number) control = slider(id, name, field.label, { ...field, step: field.step ?? 1 });
  else if (name === "upscaler") control = upscalers(id, name, field);
  else control = textBox(id, name, field.label, name === "lines" ? { lines: 5, placeholder: t("script.lines.hint"), "data-prompt": true } : { help: field.help });
  control.value = field.default;
  return control;
}

function group(tab, fields) {
  const controls = Object.entries(fields).map(([name, field]) => optionControl(`${tab}_script_${name}`, name, field));
  // Messages of the server stand at an element that is called after the field, as those of the form.
  const parts = controls.map((control) => h("div", { id: `${tab}_${control.name === "prompt" ? "matrix" : control.name}` }, control.element));
  const lines = controls.find((control) => control.name === "lines");
  if (lines) parts.push(upload(tab, lines));
  return { controls, element: h("div", { class: "script-options" }, ...parts) };
}

// The list comes from the server; what was chosen before a reload stays chosen.
function upscalers(id, name, field) {
  const control = selectBox(id, name, field.label, [[field.default, field.default]], field);
  const list = async () => {
    const found = await call("list_upscalers").catch(() => null);
    if (!found) return;
    const chosen = control.value;
    control.input.replaceChildren(...found.names.map((each) => h("option", { value: each }, each)));
    control.value = found.names.includes(chosen) ? chosen : field.default;
  };
  const write = (value) => {
    if (![...control.input.options].some((option) => option.value === value)) control.input.append(h("option", { value }, value));
    control.input.value = value;
  };
  document.addEventListener("periplus:lists", list);
  list();
  return { ...control, get value() { return control.input.value; }, set value(value) { write(value); } };
}

function upload(tab, lines) {
  const input = h("input", { type: "file", accept: ".txt,.csv,text/plain", class: "off-screen", id: `${tab}_script_file`, "aria-label": t("script.upload"), onchange: read });
  return h("label", { class: "plain-button script-upload" }, input, t("script.upload"));

  async function read() {
    const [file] = input.files;
    if (!file) return;
    lines.value = (await file.text()).replaceAll("\r\n", "\n");
    lines.input.dispatchEvent(new Event("input", { bubbles: true }));
    input.value = "";
  }
}

function draw({ choice, groups, words }) {
  for (const [name, { element }] of Object.entries(groups)) setHidden(element, name !== choice.value);
  setText(words, choice.value === NONE ? "" : `· ${choice.value}`);
}
