// The form's fields as the script sees them: what the table of fields says, where they stand, and the hidden buttons
// ("bridges") through which the script sets them. Gradio owns the controls; they are never written to behind its back.

import { reachable } from "./reach.js";
import { t } from "./texts.js";

export const TAB = "txt2img";
export const fields = window.periplusConfig?.fields ?? {};

export const fieldElement = (name) => document.getElementById(`${TAB}_${name.replace(".", "_")}`);

// Returns whether it was pressed; where the server is needed and not there, the person is told instead.
export function press(bridge) {
  if (!reachable()) return false;
  document.getElementById(`bridge_${bridge}`)?.click();
  return true;
}

// Controls hold numbers, texts and nothing; compared as the text that they show.
export const same = (one, other) => String(one ?? "") === String(other ?? "");

export const isDefault = (name, value) => same(value, fields[name]?.default);

const BUTTONS = {
  txt2img_swap: "size.swap",
  txt2img_seed_random: "seed.random",
  txt2img_seed_reuse: "seed.reuse",
  txt2img_variation_seed_random: "seed.random",
  txt2img_variation_seed_reuse: "seed.reuse_variation",
  txt2img_generate: "generate.help",
  txt2img_style_apply: "styles.apply",
  txt2img_styles_edit_button: "styles.edit",
  refresh_models: "models.refresh",
};

// Tooltips, and names for buttons that are only an icon. Again after something was rendered late.
export function labelFields() {
  for (const [name, { help }] of Object.entries(fields)) {
    const element = fieldElement(name);
    if (element && help && element.title !== help) element.title = help;
  }
  for (const [id, key] of Object.entries(BUTTONS)) {
    const element = document.getElementById(id);
    element?.setAttribute("title", t(key));
    if (element && !element.textContent.trim()) element.setAttribute("aria-label", t(key));
  }
}
