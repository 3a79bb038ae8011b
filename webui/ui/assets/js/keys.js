// Keys and drops that work anywhere on the page.

import { drawerIsOpen, toggle } from "./queue.js";
import { pressGenerate, setSize } from "./form.js";
import { readDropped } from "./pnginfo.js";
import { stopShown } from "./output.js";
import { viewerIsOpen } from "./viewer.js";

const SIZE = /^\s*(\d{2,4})\s*[x×*]\s*(\d{2,4})\s*$/i;

export function listenToKeys() {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("paste", onPaste, true);
  document.addEventListener("dragover", onDragOver, true);
  document.addEventListener("drop", onDrop, true);
}

function onKey(event) {
  if (event.isComposing) return; // Enter and Esc belong to the input method
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) act(event, pressGenerate);
  else if (event.key === "Enter" && event.altKey) act(event, () => stopShown("skip"));
  else if (event.key === "Escape") onEscape(event);
}

function onEscape(event) {
  const list = event.target.closest?.("[role=listbox], [aria-expanded=true]");
  if (viewerIsOpen() || (list && list.id !== "queue_opener")) return; // closes what is open
  if (drawerIsOpen()) act(event, toggle);
  else act(event, () => stopShown("interrupt"));
}

function act(event, action) {
  event.preventDefault();
  event.stopPropagation();
  action();
}

// "832x1216" in a size box fills both.
function onPaste(event) {
  if (!event.target.closest?.("#txt2img_width, #txt2img_height")) return;
  const size = SIZE.exec(event.clipboardData?.getData("text") ?? "");
  if (size) act(event, () => setSize(Number(size[1]), Number(size[2])));
}

const onPrompt = (event) => event.target.closest?.("#txt2img_prompt, #txt2img_negative_prompt");
const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function onDragOver(event) {
  if (hasFile(event) && onPrompt(event)) event.preventDefault();
}

function onDrop(event) {
  const file = event.dataTransfer?.files?.[0];
  if (file && onPrompt(event)) act(event, () => readDropped(file));
  else if (file && !event.target.closest?.("#pnginfo, input[type=file]")) event.preventDefault(); // the browser would open it and leave the page
}
