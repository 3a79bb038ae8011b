// The keys that edit prompts: Ctrl+↑ and ↓ change weights, Alt+← and → move parts.

import { pressed } from "./key-table.js";
import { promptBox } from "./prompt-boxes.js";
import { movedPart } from "./prompt-parts.js";
import { change } from "./prompt-undo.js";
import { weighted } from "./prompt-weights.js";
import { state } from "./state.js";

const WEIGHTS = { heavier: 1, lighter: -1 };
const PARTS = { earlier: -1, later: 1 };
const WHITE = { Tab: "\t", "Carriage Return": "\r", "Line Feed": "\n" };

export function watchPromptKeys() {
  document.addEventListener("keydown", onKey, true);
}

function onKey(event) {
  const box = promptBox(event.target);
  if (!box || event.isComposing) return;
  const asked = pressed(event, "prompt");
  const changed = asked in WEIGHTS ? withWeight(box, WEIGHTS[asked]) : asked in PARTS ? withMoved(box, PARTS[asked]) : undefined;
  if (changed === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (changed) change(box, { text: changed.text }, [changed.start, changed.end]);
}

function withWeight(box, up) {
  const { keyedit_precision_attention: step, keyedit_precision_extra: tagStep, keyedit_delimiters: delimiters, keyedit_delimiters_whitespace: white } = state.preferences;
  const spaces = [white].flat().join().split(",").map((name) => WHITE[name.trim()] ?? "").join("");
  return weighted(box.value, box.selectionStart, box.selectionEnd, up, { step, tagStep, delimiters: delimiters + spaces });
}

function withMoved(box, step) {
  return state.preferences.keyedit_move ? movedPart(box.value, box.selectionStart, box.selectionEnd, step) : undefined;
}
