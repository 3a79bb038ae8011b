// The axes of the plot to come: a type and its values each, to be swapped, added and taken away.

import { button, h, iconButton, setHidden } from "./dom.js";
import { clearError, markField } from "./errors.js";
import { picker } from "./picker.js";
import { valuesControl } from "./plot-values.js";
import { t } from "./texts.js";

const LETTERS = [..."XYZABCDE"]; // as the server calls them
const AT_FIRST = 3; // rows, whether they are used or not
export const axisLetter = (index) => LETTERS[index] ?? "";

const MODEL_COST = 0.7; // from here on a value costs the loading of a model

// `types`: a promise of axis types by name; `tab()`: of what request they are to change something. The element tells of changes by "change" and "input" events that bubble.
export function axesEditor(types, tab) {
  let known = new Map();
  let rows = [];
  const list = h("div", { class: "plot-axes" });
  const add = button(t("plot.add_axis"), "add", () => (insert({ type: "", values: "" }), tell()), { id: "plot_add_axis" });
  const element = h("div", { class: "plot-axes-box" }, list, add);
  for (let index = 0; index < AT_FIRST; index++) insert({ type: "", values: "" });
  types.then(learn, () => {});

  function learn(given) {
    known = given;
    const axes = read();
    rows.forEach((row, index) => row.element.contains(document.activeElement) || fillRow(index, axes[index]));
  }

  function insert(axis) {
    rows.push(makeRow(rows.length));
    fillRow(rows.length - 1, axis);
    arrange();
  }

  function makeRow(index) {
    const name = axisLetter(index);
    const type = picker(`plot_type_${index}`, "type", t("plot.type", { name }), { load, fixed: [["", t("plot.nothing")]] });
    const field = h("div", { class: "field plot-values", id: `plot_values_${index}_field` });
    const remove = iconButton(t("plot.remove_axis", { name }), "close", () => drop(index), { class: "bare-button plot-remove", id: `plot_remove_${index}` });
    const words = h("p", { class: "plot-expanded subdued" });
    const row = { type, field, remove, words, element: h("fieldset", { class: "plot-axis", "aria-label": name }, type.element, remove, field, words), values: null };
    type.element.addEventListener("change", () => {
      fillRow(index, { type: type.value ?? "", values: "" });
      if (type.value) row.values.input.focus();
    });
    return row;
  }

  async function load(text) {
    await types;
    const wanted = text.toLowerCase();
    const found = [...known.values()].filter(({ name, kind, tabs }) => kind !== "none" && tabs.includes(tab()) && name.toLowerCase().includes(wanted));
    return { options: found.map(({ name, cost }) => ({ value: name, text: name, facts: cost >= MODEL_COST ? t("plot.loads_each") : "" })), more: 0 };
  }

  function fillRow(index, axis) {
    const row = rows[index];
    const label = t("plot.values", { name: axisLetter(index) });
    const id = `plot_values_${index}`;
    clearError(row.field);
    row.words.textContent = "";
    row.type.value = axis.type;
    row.values = valuesControl(id, label, known.get(axis.type) ?? null);
    row.values.value = axis.values;
    row.field.title = known.get(axis.type)?.help ?? "";
    row.field.hidden = !axis.type;
    row.field.replaceChildren(h("label", { class: "field-label", for: id }, label), row.values.element);
  }

  function drop(index) {
    const axes = read();
    axes.splice(index, 1);
    if (axes.length < AT_FIRST) axes.push({ type: "", values: "" });
    write(axes);
    tell();
  }

  function swap(index) {
    const axes = read();
    [axes[index], axes[index + 1]] = [axes[index + 1], axes[index]];
    write(axes);
    document.getElementById(`plot_swap_${index}`)?.focus();
    tell();
  }

  const read = () => rows.map(({ type, values }) => ({ type: type.value ?? "", values: values?.value ?? "" }));

  function write(axes) {
    while (rows.length < Math.max(AT_FIRST, axes.length)) rows.push(makeRow(rows.length));
    rows = rows.slice(0, Math.max(AT_FIRST, axes.length));
    rows.forEach((_, index) => fillRow(index, axes[index] ?? { type: "", values: "" }));
    arrange();
  }

  // Between two axes the button that swaps them.
  function arrange() {
    const swaps = rows.slice(1).map((_, index) => {
      const names = { one: axisLetter(index), other: axisLetter(index + 1) };
      return iconButton(t("plot.swap", names), "swap", () => swap(index), { class: "bare-button plot-swap", id: `plot_swap_${index}` });
    });
    setHidden(add, rows.length >= LETTERS.length);
    list.replaceChildren(...rows.flatMap((row, index) => [row.element, swaps[index]]).filter(Boolean));
  }

  const tell = () => element.dispatchEvent(new Event("change", { bubbles: true }));

  // Of rows only those that have a type are axes; `position` of an axis is not that of its row.
  const used = () => rows.flatMap((row, index) => (row.type.value ? [index] : []));

  return {
    element,
    // What is in the rows, also in those that have no type.
    get rows() {
      return read();
    },
    set rows(axes) {
      write(axes);
    },
    get axes() {
      return read().filter(({ type }) => type);
    },
    get hasTypes() {
      return known.size > 0;
    },
    learn,
    // `errors`: a message by position among the axes; `labels`: the values of each as they were understood.
    tellOf({ errors, labels }) {
      used().forEach((index, position) => {
        const { field, words } = rows[index];
        const message = errors?.[position] ?? "";
        if (message) markField(field, message);
        else clearError(field);
        const understood = message ? [] : (labels?.[position] ?? []);
        const typed = rows[index].values.value;
        words.textContent = Array.isArray(typed) || !understood.length ? "" : t("plot.understood", { count: understood.length.toLocaleString(), values: shorten(understood) });
      });
    },
    focusError(errors) {
      const index = used()[Number(Object.keys(errors)[0])];
      rows[index]?.values.input.focus();
    },
  };
}

function shorten(values) {
  if (values.length <= 12) return values.join(" · ");
  return [...values.slice(0, 8), "…", ...values.slice(-2)].join(" · ");
}
