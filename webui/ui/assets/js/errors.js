// Messages at the fields they belong to.

import { h, setText } from "./dom.js";
import { activeTab, fieldElement } from "./fields.js";
import { post } from "./notices.js";
import { reveal } from "./options.js";
import { isSimple } from "./simple.js";

export async function showErrors(errors, tab = activeTab()) {
  let first = null;
  for (const [name, message] of Object.entries(errors)) {
    const revealed = reveal(tab, name);
    if (!isSimple()) await revealed; // there nothing of it comes into view
    const element = fieldElement(name, tab);
    if (element) markField(element, message);
    if (!element?.checkVisibility()) post(message, "error"); // the simple view hides most fields
    first ??= element;
  }
  first?.scrollIntoView({ block: "nearest" });
  // A list opens as soon as it is focused, over the very message; so it is left alone.
  first?.querySelector("input:not([role=listbox], [role=combobox]), textarea")?.focus();
}

// `element`: what holds label and control; the message stands below them until something else is typed.
export function markField(element, message) {
  element.classList.add("field-invalid");
  let line = element.querySelector(":scope > .field-error");
  if (!line) {
    line = h("p", { class: "field-error", id: `${element.id}_error`, role: "alert" });
    element.append(line);
  }
  setText(line, message);
  for (const input of element.querySelectorAll("input, textarea, select")) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-errormessage", line.id);
    input.addEventListener("input", () => clearError(element), { once: true });
  }
}

export function clearError(element) {
  element.classList.remove("field-invalid");
  element.querySelector(":scope > .field-error")?.remove();
  for (const input of element.querySelectorAll("input, textarea, select")) input.removeAttribute("aria-invalid");
}

export function clearErrors() {
  document.querySelectorAll(".field-invalid").forEach(clearError);
}
