// Notes about a model, in the file beside it that other programs read too.

import { button, h, setText } from "./dom.js";
import { selectBox, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { vaeChoices } from "./model-lists.js";
import { post } from "./notices.js";
import { picker } from "./picker.js";
import { modelPath, request } from "./server.js";
import { t } from "./texts.js";

const VERSIONS = ["SD1", "SD2", "SDXL", "Unknown"]; // by A1111's words

const MADE = {
  description: (id) => textBox(id, "description", t("notes.description"), { maxlength: 2000 }),
  sd_version: (id, entry) => version(id, entry.notes?.sd_version),
  activation_text: (id) => textBox(id, "activation_text", t("notes.activation_text"), { lines: 2, maxlength: 100_000, help: t("notes.activation_text.help") }),
  preferred_weight: (id) => number(textBox(id, "preferred_weight", t("notes.preferred_weight"), { type: "number", min: -10, max: 10, step: 0.05, inputmode: "decimal", help: t("notes.preferred_weight.help") })),
  negative_text: (id, { kind }) => textBox(id, "negative_text", t("notes.negative_text"), { lines: 2, maxlength: 100_000, help: t(`notes.negative_text.help.${kind}`) }),
  vae: (id) => picker(id, "vae", t("notes.vae"), { ...vaeChoices([["", t("notes.vae.none")], ["Automatic", t("vae.automatic")], ["None", t("vae.none")]]), help: t("notes.vae.help") }),
  notes: (id) => textBox(id, "notes", t("notes.notes"), { lines: 4, maxlength: 100_000 }),
};
const FIELDS = {
  checkpoint: ["description", "notes", "vae"],
  lora: ["description", "sd_version", "activation_text", "preferred_weight", "negative_text", "notes"],
  embedding: ["description", "sd_version", "activation_text", "negative_text", "notes"],
};

function version(id, noted) {
  const choices = [["", t("notes.sd_version.none")], ...[...new Set([...VERSIONS, noted].filter(Boolean))].map((name) => [name, name])];
  return selectBox(id, "sd_version", t("notes.sd_version"), choices, { help: t("notes.sd_version.help") });
}

// An empty box is 0: the weight of the settings.
const number = (box) => ({
  name: box.name,
  element: box.element,
  input: box.input,
  get value() {
    return Number(box.value) || 0;
  },
  set value(value) {
    box.value = value || "";
  },
});

// `reload()` has the list read anew; `prefix` begins the ids.
export function buildNotes(entry, reload, prefix = "") {
  const controls = (FIELDS[entry.kind] ?? ["description", "notes"]).map((name) => MADE[name](`${prefix}notes_${name}`, entry));
  for (const each of controls) each.value = entry.notes?.[each.name] ?? "";
  const values = () => Object.fromEntries(controls.map((each) => [each.name, each.value ?? ""]));
  let saved = JSON.stringify(values());
  const said = h("span", { class: "saved", role: "status" });
  const press = button(t("notes.save"), null, save, { id: `${prefix}notes_save` });
  const element = h("form", { class: "notes", novalidate: true, onsubmit: (event) => (event.preventDefault(), save()) }, h("h3", {}, t("notes.title")), entry.notes?.problem && h("p", { class: "warning" }, t("notes.problem", { problem: entry.notes.problem })), ...controls.map((each) => each.element), h("div", { class: "actions" }, press, said));
  element.addEventListener("input", () => setText(said, ""));

  async function save() {
    const now = values();
    for (const each of controls) clearError(each.element);
    try {
      await request("PUT", `${modelPath(entry.kind, entry.name)}/notes`, now);
      saved = JSON.stringify(now);
      entry.notes = { ...entry.notes, ...now };
      setText(said, t("notes.saved"));
      reload();
    } catch (error) {
      const control = controls.find((each) => each.name === error.field);
      if (control && element.isConnected) markField(control.element, error.message);
      else post(t("notes.failed", { name: entry.name, reason: error.message }), "error");
    }
  }

  return { element, save, changed: () => JSON.stringify(values()) !== saved, control: (name) => controls.find((each) => each.name === name) ?? null };
}
