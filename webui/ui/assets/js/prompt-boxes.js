// The boxes that hold prompts: which they are, and how the script changes their text. What it writes counts as typed: the control
// takes it from the input event, and so does everything that follows typing.

import { TABS, fieldElement, fields } from "./fields.js";

const PROMPT = /(^|[._])prompt$/;
const BOX = "textarea, input[type=text]";

// Fields of a form, of the request and of extensions.
export const PROMPTS = Object.keys(fields).filter((name) => PROMPT.test(name));

export const boxOf = (tab, name) => fieldElement(name, tab)?.querySelector(BOX) ?? null;

// The box that an event or the focus is in: one of a form, or another that says so of itself (`data-prompt`); else null.
export const promptBox = (element) => (element?.matches?.("[data-prompt]") || placeOf(element) ? element : null);

// {tab, name} of a form's box.
export function placeOf(element) {
  if (!element?.matches?.(BOX)) return null;
  for (const tab of TABS) for (const name of PROMPTS) if (boxOf(tab, name) === element) return { tab, name };
  return null;
}

export function write(box, text, start, end = start) {
  if (box.value !== text) {
    box.value = text;
    box.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
  }
  box.setSelectionRange(start, end);
}
