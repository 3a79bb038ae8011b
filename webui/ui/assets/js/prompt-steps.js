// The steps of undo: for each form those of all its prompts and its styles, for a box that belongs to no form its own.

import { TABS } from "./fields.js";
import { PROMPTS, boxOf, placeOf } from "./prompt-boxes.js";

const MOST = 300;

export const KEPT = [...PROMPTS, "styles"];

// `known`: values by name, as the newest step left them; `seen`: all of the form's values when they were last read; `wanted`: what
// the script's bridge is setting, for `backs` presses of it; `setting`: what the program is setting through Gradio; `presses` of
// Ctrl+Z (true) and its opposite that are to be done, and whether they are being done (`runs`); `doubted`: something was done beside the prompts since the form was read.
const makeHistory = (tab, box = null) => ({ tab, box, known: null, seen: null, done: [], undone: [], wanted: {}, backs: 0, setting: null, presses: [], runs: false, doubted: false });
export const forms = Object.fromEntries(TABS.map((tab) => [tab, makeHistory(tab)]));
const boxes = new WeakMap();

export function historyOf(box) {
  const place = placeOf(box);
  if (place) return { history: forms[place.tab], name: place.name };
  if (!boxes.has(box)) forget(box);
  return { history: boxes.get(box), name: "text" };
}

// A box of no form shows another text: there is nothing to be undone in it.
export const forget = (box) => void boxes.set(box, { ...makeHistory(null, box), known: { text: box.value } });

export const boxNamed = ({ tab, box }, name) => box ?? (PROMPTS.includes(name) ? boxOf(tab, name) : null);
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// A step: {changes: {name: [before, after]}, kind, at, name and carets of the box that was typed in}
export function add(history, step) {
  history.undone = [];
  history.done.push({ at: performance.now(), ...step });
  if (history.done.length > MOST) history.done.shift();
  return history.done.at(-1);
}
