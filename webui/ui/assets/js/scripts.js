// The accordion "Script" of a form: what makes several jobs of one press on Generate, and how far they are.

import { button, coalesce, h, setHidden, setText } from "./dom.js";
import { checkBox, keepOver, selectBox, textBox } from "./controls.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { finished, onChange, state } from "./state.js";
import { t } from "./texts.js";

const SCRIPTS = window.periplusConfig?.scripts ?? {}; // by name: the options by field
const NONE = "None";
const SERIES = /^(series-[0-9a-f]+)-\d+$/; // the id of a script's job

const forms = new Map(); // by tab

// What goes with Generate, as JSON; "" where no script is chosen.
export function scriptOf(tab) {
  const form = forms.get(tab);
  if (!form || form.choice.value === NONE) return "";
  const options = form.groups[form.choice.value].controls;
  return JSON.stringify({ script: form.choice.value, ...Object.fromEntries(options.map((control) => [control.name, control.value])) });
}

export function mountScript(host, tab) {
  const choice = selectBox(`${tab}_script_choice`, "script", t("script.choose"), [NONE, ...Object.keys(SCRIPTS)].map((name) => [name, name]));
  choice.value = NONE;
  const groups = Object.fromEntries(Object.entries(SCRIPTS).map(([name, fields]) => [name, group(tab, fields)]));
  const words = h("span", { class: "subdued" });
  const progress = h("p", { class: "script-progress", "aria-live": "polite" });
  const stop = button(t("script.stop"), "stop", () => stopSeries(), { id: `${tab}_script_stop` });
  const running = h("div", { class: "script-running", hidden: true }, progress, stop);
  const body = h("div", { class: "script-body" }, choice.element, ...Object.values(groups).map(({ element }) => element), running);
  host.replaceChildren(h("details", { class: "script", id: `${tab}_script_group` }, h("summary", {}, t("script.title"), " ", words), body));
  const form = { choice, groups, words, progress, running };
  forms.set(tab, form);
  const controls = [choice, ...Object.entries(groups).flatMap(([name, { controls: each }]) => each.map((control) => named(control, `${name}.${control.name}`)))];
  keepOver(`periplus.script.${tab}`, controls);
  host.addEventListener("change", () => draw(form));
  onChange(coalesce(() => drawProgress(form)));
  draw(form);
}

// A control under another name, so that two scripts may have options of the same name.
const named = (control, name) => ({ ...control, name, get value() { return control.value; }, set value(value) { control.value = value; } });

function group(tab, fields) {
  const controls = Object.entries(fields).map(([name, field]) => {
    const id = `${tab}_script_${name}`;
    const control = field.choices.length
      ? selectBox(id, name, field.label, field.choices.map((each) => [each, each]))
      : typeof field.default === "boolean" ? checkBox(id, name, field.label) : textBox(id, name, field.label, { lines: 5, placeholder: t("script.lines.hint") });
    control.value = field.default;
    return control;
  });
  // Messages of the server stand at an element that is called after the field, as those of the form.
  const parts = controls.map((control) => h("div", { id: `${tab}_${control.name === "prompt" ? "matrix" : control.name}` }, control.element));
  const lines = controls.find((control) => control.name === "lines");
  if (lines) parts.push(upload(tab, lines));
  return { controls, element: h("div", { class: "script-options" }, ...parts) };
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

// The script's jobs that are not over, newest script first.
function active() {
  const open = [...state.jobs.values()].filter((job) => SERIES.test(job.id) && !finished(job));
  const name = open.length ? SERIES.exec(open[0].id)[1] : null;
  return open.filter((job) => job.id.startsWith(`${name}-`));
}

function drawProgress({ progress, running }) {
  const left = active().length;
  setHidden(running, !left);
  if (left) setText(progress, t(left === 1 ? "script.left.one" : "script.left", { count: left }));
}

async function stopSeries() {
  const [job] = active();
  if (!job) return;
  await request("POST", `api/v1/series/${encodeURIComponent(job.id)}/cancel`).catch((error) => post(error.message, "warning"));
}
