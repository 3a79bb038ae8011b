// What boxes for typing do beyond Gradio's: sizes snap to their raster and say so, and a list is searched by typing at once.
// And sliders beyond the browser's: a finger that scrolls the page from one leaves its value.

import { h } from "./dom.js";
import { TABS, fieldWithId } from "./fields.js";
import { t } from "./texts.js";

const SAID_MS = 6000;

export function watchInputs() {
  document.addEventListener("change", (event) => snap(event.target), true);
  // The list's box holds the chosen name: selected as a whole, so that typing replaces it and searches.
  document.addEventListener("focusin", ({ target }) => target.matches?.(".block input[role=listbox], .block input[role=combobox]") && target.select());
  document.addEventListener("keydown", ({ key }) => key === "Tab" && passLists(), true);
  document.addEventListener("pointerdown", keepSlider, true);
  document.addEventListener("pointercancel", putSliderBack, true);
}

// Chromium stops at what can be scrolled: an open list is, and closes at once, so that the focus would be nowhere.
function passLists() {
  for (const list of document.querySelectorAll("ul.option-list")) list.tabIndex = -1;
}

let touched = null; // {slider, value}: as it was when the finger went down

// Chromium moves a slider as soon as a finger touches it, also one that goes on to scroll.
function keepSlider({ target, pointerType, isPrimary }) {
  if (!isPrimary) return; // a second finger, wherever it is
  touched = pointerType === "touch" && target.matches?.("input[type=range]") ? { slider: target, value: target.value } : null;
}

// The browser scrolls: the finger is no longer the slider's.
function putSliderBack({ target }) {
  if (touched?.slider !== target) return;
  const { value } = touched;
  touched = null;
  if (target.value === value) return;
  target.value = value;
  for (const kind of ["input", "change"]) target.dispatchEvent(new Event(kind, { bubbles: true }));
}

function fieldOf(input) {
  const element = input.closest?.(TABS.map((tab) => `[id^=${tab}_].block`).join());
  const field = element && fieldWithId(element.id);
  return field ? { element, ...field } : null;
}

// Also called before Ctrl+Enter generates, for then the box has not been left. A slider's box would be limited by Gradio
// without a word when it is left; a box of its own is not, and Generate refuses what it cannot use.
export function snap(input) {
  const field = input?.type === "number" && fieldOf(input);
  // What the script draws in a field's place, such as the source's tools, has numbers of its own.
  if (!(field?.high > field?.low) || !field.element.querySelector("input[type=range]")) return;
  const { element, multiple_of: raster, low, high, label } = field;
  const typed = input.value === "" ? null : Number(input.value);
  const wanted = typed ?? Number(field.default);
  const value = Math.min(high, Math.max(low, raster ? Math.round(wanted / raster) * raster : wanted));
  if (value === typed) return;
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true })); // as if it had been typed: the control takes it from there
  const key = typed === null ? "number.empty" : typed > high || typed < low ? "number.limited" : "size.snapped";
  say(element, t(key, { label, typed, value, raster, low, high }));
}

// Over what follows instead of above it: the press of a button that ended the typing must still find its button.
function say(element, text) {
  document.querySelectorAll(".field-note").forEach((old) => old.remove());
  const note = element.appendChild(h("p", { class: "field-note", role: "status" }, text));
  setTimeout(() => note.remove(), SAID_MS);
}
