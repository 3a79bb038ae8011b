// Keys and drops that work anywhere on the page.

import { drawerIsOpen, toggle } from "./queue.js";
import { pressGenerate, setSize } from "./form.js";
import { TABS } from "./fields.js";
import { pressed } from "./key-table.js";
import { snap } from "./inputs.js";
import { readDropped } from "./pnginfo.js";
import { stopRunning } from "./output.js";

const MODAL = "dialog[open], .engine-panel[data-open]";
const OPEN = "input[aria-expanded=true], .several[open], .easel.large"; // a list, or a canvas over the whole window: it closes

const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]"; // "?" is a sign there

const SIZE = /^\s*(\d{2,4})\s*[x×*]\s*(\d{2,4})\s*$/i;

export function listenToKeys() {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("paste", onPaste, true);
  document.addEventListener("dragover", onDragOver, true);
  document.addEventListener("drop", onDrop, true);
}

function onKey(event) {
  if (event.isComposing) return; // Enter and Esc belong to the input method
  const held = event.repeat; // a key that is held down acts once
  const asked = pressed(event, "page");
  if (asked === "interrupt" && drawerIsOpen() && !document.querySelector(MODAL)) act(event, () => held || toggle());
  else if (asked === "sheet" && !document.querySelector(MODAL) && !event.target.closest?.(TYPING)) act(event, showKeys);
  else if (!formIsShown()) return;
  else if (asked === "generate") act(event, () => held || (snap(event.target), pressGenerate()));
  else if (asked === "skip") act(event, () => held || stopRunning("skip"));
  else if (asked === "interrupt" && !event.target.closest?.(OPEN)) act(event, () => held || stopRunning("interrupt"));
}

export const showKeys = async () => (await import("./key-sheet.js")).openKeySheet();

// A tab with the panel is the visible one, and nothing lies over it.
const formIsShown = () => !document.querySelector(MODAL) && document.querySelector(".output")?.checkVisibility();

function act(event, action) {
  event.preventDefault();
  event.stopPropagation();
  action();
}

// "832x1216" in a size box fills both.
function onPaste(event) {
  if (!event.target.closest?.("#txt2img_width, #txt2img_height, #img2img_width, #img2img_height")) return;
  const size = SIZE.exec(event.clipboardData?.getData("text") ?? "");
  if (size) act(event, () => setSize(Number(size[1]), Number(size[2])));
}

const promptTab = (event) => TABS.find((tab) => event.target.closest?.(`#${tab}_prompt, #${tab}_negative_prompt`));
const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function onDragOver(event) {
  if (hasFile(event) && promptTab(event)) event.preventDefault();
}

function onDrop(event) {
  const file = event.dataTransfer?.files?.[0];
  const tab = promptTab(event);
  if (file && tab) act(event, () => readDropped(file, tab));
  else if (file && !event.target.closest?.("#pnginfo, .canvas, input[type=file]")) event.preventDefault(); // the browser would open it and leave the page
}
