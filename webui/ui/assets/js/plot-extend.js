// More values for an axis of a plot: only the new cells are computed.

import { selectBox } from "./controls.js";
import { h, iconButton } from "./dom.js";
import { clearError, markField } from "./errors.js";
import { axisTypes, extend } from "./plot-data.js";
import { valuesControl } from "./plot-values.js";
import { t } from "./texts.js";

export async function openExtend(plot, done) {
  const types = await axisTypes().catch(() => new Map());
  const axes = plot.axes.map((name, axis) => [axis, name]).filter(([, name]) => types.get(name)?.kind !== "none");
  const axis = selectBox("plot_extend_axis", "axis", t("plot.extend.axis"), axes);
  const field = h("div", { class: "field", id: "plot_extend_values_field" });
  const add = h("button", { type: "submit", class: "plain-button primary", id: "plot_extend_add" }, t("plot.extend.add"));
  const there = h("p", { class: "subdued" });
  const form = h("form", { method: "dialog", novalidate: true, onsubmit: send }, axis.element, there, field, h("div", { class: "actions" }, add));
  const dialog = h("dialog", { class: "plot-dialog drawn plot-small", id: "plot_extend_dialog", "aria-label": t("plot.extend.title") }, h("header", {}, h("h2", {}, t("plot.extend.title")), iconButton(t("action.close"), "close", () => dialog.close())), form);
  let values = null;
  axis.input.onchange = fill;
  fill();
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  values.input.focus();

  function fill() {
    const at = Number(axis.value);
    const label = t("plot.extend.values");
    values = valuesControl("plot_extend_values", label, types.get(plot.axes[at]) ?? null);
    there.textContent = t("plot.extend.there", { values: plot.labels[at].join(" · ") });
    clearError(field);
    field.replaceChildren(h("label", { class: "field-label", for: "plot_extend_values" }, label), values.element);
  }

  async function send(event) {
    event.preventDefault();
    add.disabled = true;
    try {
      await extend(plot.id, Number(axis.value), values.value);
      dialog.close();
      done();
    } catch (error) {
      markField(field, error.message);
    } finally {
      add.disabled = false;
    }
  }
}
