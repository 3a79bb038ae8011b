// The left of the tab Plot: what is varied, what it will cost, and Run.

import { checkBox, selectBox, textBox } from "./controls.js";
import { h, setHidden, setText } from "./dom.js";
import { showErrors } from "./errors.js";
import { sendInfotext, valuesOf } from "./form.js";
import { TABS } from "./fields.js";
import { axesEditor } from "./plot-axes.js";
import { axisTypes, check, submit } from "./plot-data.js";
import { about, sentence } from "./plot-words.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

const PAUSE_MS = 300;
const STORED = "periplus.plot";
const VARIED = ["x", "y", "z"];
const FLAGS = ["draw_legend", "keep_random", "include_cells", "include_subgrids"];
const ON = ["draw_legend", "include_cells"];

// `started(plot)` is told of a plot that was queued.
export function plotEditor(started) {
  const axes = axesEditor(axisTypes(), () => over.value);
  const flags = Object.fromEntries(FLAGS.map((name) => [name, checkBox(`plot_${name}`, name, t(`plot.option.${name}`), { help: t(`plot.option.${name}.help`) })]));
  const vary = VARIED.map((name) => checkBox(`plot_vary_${name}`, `vary_${name}`, name.toUpperCase()));
  const margin = textBox("plot_margin", "margin", t("plot.option.margin"), { inputmode: "numeric", maxlength: 4 });
  const over = selectBox("plot_over", "over", t("plot.over"), TABS.map((tab) => [tab, t(`tab.${tab}`)]), { help: t("plot.over.help") });
  const prompt = h("span", { class: "plot-prompt", id: "plot_prompt" });
  const change = h("button", { type: "button", class: "plain-button link", id: "plot_change_base", onclick: () => showTab(over.value) }, t("plot.change_base"));
  const base = h("div", { class: "plot-base" }, over.element, h("p", {}, prompt, change));
  const words = h("p", { class: "plot-sentence", id: "plot_sentence", "aria-live": "polite" });
  const cannot = h("p", { class: "plot-cannot" });
  const sure = h("label", { class: "checkbox plot-sure", hidden: true }, h("input", { type: "checkbox", id: "plot_sure" }), h("span", {}));
  const run = h("button", { type: "submit", class: "plain-button primary plot-run", id: "plot_run" }, t("plot.run"));
  const options = h("details", { class: "plot-options" }, h("summary", {}, t("plot.options")), ...FLAGS.map((name) => flags[name].element),
    h("fieldset", { class: "field plot-vary", title: t("plot.option.vary.help") }, h("legend", { class: "field-label" }, t("plot.option.vary")), ...vary.map((each) => each.element)), margin.element);
  const foot = h("div", { class: "plot-foot" }, words, cannot, sure, run);
  const element = h("form", { class: "plot-editor sheet-like", id: "plot_editor", novalidate: true, onsubmit: (event) => (event.preventDefault(), start()) }, base, axes.element, options, foot);
  element.addEventListener("input", changed);
  element.addEventListener("change", changed);
  document.addEventListener("periplus:form", () => element.checkVisibility() && changed());
  new IntersectionObserver(([entry]) => entry.isIntersecting && changed()).observe(element); // the form may be another by now
  document.addEventListener("periplus:lists", async () => axes.learn(await axisTypes(true)));

  let timer = null;
  let latest = null; // of several questions only the last counts
  let answer = null;

  const plan = () => ({
    axes: axes.axes,
    ...Object.fromEntries(FLAGS.map((name) => [name, flags[name].value])),
    vary_seeds: vary.map((each) => each.value),
    margin: Math.max(0, Math.min(500, Math.round(Number(margin.value) || 0))),
  });

  const ready = () => sure.hidden || sure.firstChild.checked;

  function changed(event) {
    if (event?.target.closest?.(".plot-sure")) return void (run.disabled = !ready());
    keep();
    const text = valuesOf(over.value).prompt?.trim() || t("queue.no_prompt");
    setText(prompt, text);
    prompt.title = text;
    answer = null;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  }

  // Returns whether the plot could be run as it stands.
  async function ask() {
    clearTimeout(timer);
    latest?.abort();
    latest = new AbortController();
    const { signal } = latest;
    if (!axes.axes.length) return tell({ hint: t("plot.hint") });
    try {
      const told = await check(over.value, plan(), signal);
      if (signal.aborted) return false;
      return tell(told);
    } catch (error) {
      return signal.aborted ? false : tell({ message: error.message });
    }
  }

  function tell(told) {
    answer = told;
    axes.tellOf(told);
    const wrong = told.base ? t("plot.base_wrong", { reason: Object.values(told.base)[0] }) : told.message;
    const good = !wrong && !told.hint && !Object.keys(told.errors ?? {}).length;
    setText(words, wrong || told.hint || (good ? sentence(told) : t("plot.mend")));
    words.title = told.order ?? "";
    const idle = (told.idle ?? []).map(({ message }) => message);
    setText(cannot, [...idle, told.cell_errors && t("plot.cell_errors", { count: told.cell_errors.toLocaleString(), reason: told.cell_error })].filter(Boolean).join("\n"));
    words.classList.toggle("subdued", !good && !wrong);
    words.classList.toggle("bad", Boolean(wrong));
    const many = good && told.confirm;
    setHidden(sure, !many);
    if (many) setText(sure.lastChild, t("plot.sure", { count: told.total.toLocaleString(), time: told.seconds ? about(told.seconds) : "?" }));
    else sure.firstChild.checked = false;
    run.disabled = good && !ready();
    return good;
  }

  async function start() {
    if (!(await ask())) {
      if (answer?.base) return void (showTab(over.value), showErrors(answer.base, over.value));
      if (answer?.errors) return axes.focusError(answer.errors);
      return document.getElementById("plot_type_0").focus();
    }
    if (!ready()) return sure.firstChild.focus();
    run.disabled = true;
    try {
      started(await submit(over.value, { ...plan(), confirmed: sure.firstChild.checked }));
      sure.firstChild.checked = false;
    } catch (error) {
      tell({ message: error.message, base: error.base });
    } finally {
      run.disabled = false;
    }
  }

  // ---- kept over a reload

  function keep() {
    sessionStorage.setItem(STORED, JSON.stringify({ ...plan(), over: over.value, rows: axes.rows }));
  }

  function restore() {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
    show({ vary_seeds: [], ...stored });
    if (stored.rows) axes.rows = stored.rows;
  }

  function show(given) {
    for (const name of FLAGS) flags[name].value = given[name] ?? ON.includes(name);
    vary.forEach((each, index) => (each.value = given.vary_seeds?.[index] ?? false));
    margin.value = given.margin ?? 0;
    if (TABS.includes(given.over)) over.value = given.over;
    if (given.axes) axes.rows = given.axes;
  }

  restore();
  changed();
  return {
    element,
    // What a plot there was varied, its axes and options, to run it again or otherwise.
    take(given) {
      show({ ...given, over: given.kind });
      sendInfotext(given.base_infotext, given.kind, () => showTab("plot")); // the form that got it is shown first
      changed();
    },
  };
}
