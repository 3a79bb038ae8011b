// The tab Checkpoint Merger: what goes in, a sentence that says what comes out, and the work's progress.

import { button, h, setText } from "./dom.js";
import { checkBox, keepOver, radios, slider, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { refreshLists, useModel } from "./form.js";
import { checkpointChoices, vaeChoices } from "./model-lists.js";
import { size } from "./model-words.js";
import { picker } from "./picker.js";
import { call, request } from "./server.js";
import { taskList } from "./tasks.js";
import { t } from "./texts.js";

const PAUSE_MS = 250;
const PICKERS = ["primary", "secondary", "tertiary"];
const { merger: FIELDS = {} } = window.periplusConfig ?? {};
const taken = (method) => FIELDS.method.choices.find(([name]) => name === method)?.[2] ?? 3; // how many checkpoints

export function mountMerger(host) {
  const controls = Object.fromEntries(build().map((control) => [control.name, control]));
  const all = Object.values(controls);
  for (const control of all) control.value = FIELDS[control.name]?.default ?? "";
  const sentence = h("p", { class: "merge-sentence", id: "merger_sentence", "aria-live": "polite" });
  const run = h("button", { type: "submit", class: "plain-button primary merge-run", id: "merger_merge" }, t("merger.merge"));
  const tasks = taskList(["merge"], (task) => task.result && button(t("merger.use"), null, () => useModel("checkpoint", task.result), { class: "plain-button" }));
  const keep = keepOver("periplus.merger", all);
  const read = button(t("merger.read_metadata"), null, readMetadata, { id: "merger_read_metadata", title: t("merger.read_metadata.help") });
  const form = h("form", { class: "merger-form sheet-like", novalidate: true, onsubmit: (event) => (event.preventDefault(), merge()) },
    h("div", { class: "merger-models" }, ...PICKERS.map((name) => controls[name].element)),
    h("div", { class: "merger-row name-row" }, controls.name.element),
    h("div", { class: "merger-row" }, controls.method.element),
    h("div", { class: "merger-row" }, controls.multiplier.element),
    h("div", { class: "merger-row halves-grid" }, controls.vae.element, controls.discard.element),
    h("div", { class: "merger-row halves-grid" }, controls.config_source.element, controls.half.element),
    h("details", { class: "merger-metadata" }, h("summary", {}, t("merger.metadata.title")), controls.save_metadata.element, controls.add_recipe.element, controls.copy_metadata.element, controls.metadata.element, h("div", { class: "actions" }, read)),
  );
  const side = h("aside", { class: "merger-side" }, h("div", { class: "sheet-like" }, sentence, run), tasks);
  host.replaceChildren(h("section", { class: "merger" }, form, side));
  run.onclick = (event) => (event.preventDefault(), merge());
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  document.addEventListener("periplus:lists", () => host.checkVisibility() && changed()); // a name may be taken now
  let timer = null;
  let wanted = 0;
  changed();

  function changed(event) {
    const field = event?.target.closest?.(".field");
    if (field) clearError(field);
    const count = taken(controls.method.value);
    PICKERS.forEach((name, index) => controls[name].element.toggleAttribute("data-unused", index >= count));
    controls.multiplier.element.toggleAttribute("data-unused", count < 2);
    clearTimeout(timer);
    timer = setTimeout(foretell, PAUSE_MS);
  }

  // The result's name and size as the server would make them; what is wrong so far is said quietly.
  async function foretell() {
    const question = ++wanted;
    try {
      const plan = await call("plan_merge", { ...values(), metadata: {} });
      if (question !== wanted) return;
      setText(sentence, plan.problem || t("merger.sentence", { ...plan, size: size(plan.size) }));
      sentence.classList.toggle("subdued", Boolean(plan.problem));
    } catch (error) {
      if (question === wanted) setText(sentence, error.message);
    }
  }

  function values() {
    const given = Object.fromEntries(all.map((control) => [control.name, control.value]));
    for (const name of PICKERS.slice(taken(given.method))) given[name] = null;
    return { ...given, vae: given.vae || null };
  }

  function metadata() {
    try {
      const table = JSON.parse(controls.metadata.value.trim() || "{}");
      if (table && typeof table === "object" && !Array.isArray(table)) return table;
      throw new Error(JSON.stringify(table).slice(0, 60));
    } catch (error) {
      throw Object.assign(new Error(t("merger.not_json", { reason: error.message })), { field: "metadata" });
    }
  }

  async function merge() {
    [side.firstChild, ...all.map((control) => control.element)].forEach(clearError);
    run.disabled = true;
    try {
      if (!controls.primary.value) throw Object.assign(new Error(t("merger.choose_primary")), { field: "primary" });
      await request("POST", "api/v1/models/merge", { ...values(), metadata: metadata() });
    } catch (error) {
      const control = controls[error.field];
      if (!control) return markField(side.firstChild, error.message);
      if (control.element.closest("details")) control.element.closest("details").open = true;
      markField(control.element, error.message);
      control.element.scrollIntoView({ block: "nearest" });
      control.element.querySelector("input, textarea")?.focus();
    } finally {
      run.disabled = false;
    }
  }

  async function readMetadata() {
    try {
      controls.metadata.value = (await call("read_metadata", PICKERS.map((name) => controls[name].value).filter(Boolean))).text;
      clearError(controls.metadata.element);
      keep();
    } catch (error) {
      markField(controls.metadata.element, error.message);
    }
  }
}

function build() {
  const label = (name) => FIELDS[name]?.label ?? name;
  const common = (name) => [`merger_${name}`, name, label(name)];
  const help = (name) => FIELDS[name]?.help;
  return [
    ...PICKERS.map((name) => picker(...common(name), { ...checkpointChoices(), help: help(name), refresh: refreshLists })),
    textBox(...common("name"), { help: help("name"), maxlength: 200 }),
    radios(...common("method"), FIELDS.method.choices, { help: help("method") }),
    slider(...common("multiplier"), { low: 0, high: 1, step: 0.05, help: help("multiplier") }),
    picker(...common("vae"), { ...vaeChoices(), help: help("vae") }),
    textBox(...common("discard"), { help: help("discard"), maxlength: 500 }),
    radios(...common("config_source"), FIELDS.config_source.choices, { help: help("config_source") }),
    checkBox(...common("half"), { help: help("half") }),
    checkBox(...common("save_metadata"), { help: help("save_metadata") }),
    checkBox(...common("add_recipe"), { help: help("add_recipe") }),
    checkBox(...common("copy_metadata"), { help: help("copy_metadata") }),
    textBox(...common("metadata"), { lines: 4, help: help("metadata"), maxlength: 1_000_000 }),
  ];
}
