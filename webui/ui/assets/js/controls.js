// Controls for the tabs that the script draws, in the look of the form's. Each is {element, value, name}: `element` holds the
// label and the control, so that an error can stand at it; setting `value` tells nobody.

import { h } from "./dom.js";

function framed(id, label, help, ...children) {
  const caption = label ? h("label", { class: "field-label", for: id }, label) : null;
  return h("div", { class: "field", id: `${id}_field`, title: help || null }, caption, ...children);
}

function control(name, element, input, read, write) {
  return {
    name,
    element,
    input,
    get value() {
      return read();
    },
    set value(value) {
      write(value);
    },
  };
}

export function textBox(id, name, label, { lines = 1, help, ...attributes } = {}) {
  const input = lines > 1 ? h("textarea", { id, rows: lines, ...attributes }) : h("input", { id, type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  return control(name, framed(id, label, help, input), input, () => input.value, (value) => (input.value = value ?? ""));
}

export function checkBox(id, name, label, { help } = {}) {
  const input = h("input", { id, type: "checkbox" });
  const element = h("div", { class: "field", id: `${id}_field`, title: help || null }, h("label", { class: "checkbox" }, input, label));
  return control(name, element, input, () => input.checked, (value) => (input.checked = Boolean(value)));
}

// `choices`: [value, label]
export function selectBox(id, name, label, choices, { help } = {}) {
  const input = h("select", { id }, ...choices.map(([value, text]) => h("option", { value }, text)));
  return control(name, framed(id, label, help, input), input, () => input.value, (value) => (input.value = value));
}

export function radios(id, name, label, choices, { help } = {}) {
  const inputs = choices.map(([value]) => h("input", { type: "radio", name: id, value, id: `${id}_${value}` }));
  const labels = choices.map(([, text], index) => h("label", { class: "checkbox" }, inputs[index], text));
  const element = h("fieldset", { class: "field", id: `${id}_field`, title: help || null }, h("legend", { class: "field-label" }, label), h("div", { class: "radios" }, ...labels));
  const write = (value) => inputs.forEach((input) => (input.checked = input.value === String(value)));
  return control(name, element, element, () => inputs.find((input) => input.checked)?.value ?? "", write);
}

// A range and a box for the same number.
export function slider(id, name, label, { low, high, step, help }) {
  const limits = { min: low, max: high, step };
  const box = h("input", { id, type: "number", inputmode: "decimal", ...limits });
  const range = h("input", { type: "range", "aria-label": label, ...limits });
  const fill = () => range.style.setProperty("--filled", `${((range.value - low) / (high - low)) * 100}%`);
  box.addEventListener("input", () => ((range.value = box.value), fill()));
  range.addEventListener("input", () => ((box.value = range.value), fill()));
  const element = h("div", { class: "field", id: `${id}_field`, title: help || null }, h("div", { class: "field-head" }, h("label", { class: "field-label", for: id }, label), box), range);
  return control(name, element, element, () => (box.value === "" ? null : Number(box.value)), (value) => ((box.value = value), (range.value = value), fill()));
}

// What is typed in `controls` survives a reload of this tab: `key` names the place in sessionStorage.
export function keepOver(key, controls) {
  const stored = JSON.parse(sessionStorage.getItem(key) ?? "{}");
  for (const each of controls) if (each.name in stored) each.value = stored[each.name];
  const keep = () => sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(controls.map((each) => [each.name, each.value]))));
  for (const each of controls) for (const kind of ["input", "change"]) each.element.addEventListener(kind, keep);
  return keep;
}
