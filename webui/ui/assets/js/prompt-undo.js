// One undo for all that changes prompts: typing, keys, completion, cards, styles, settings that are sent. The browser's own
// ends where a text is set by the program, and knows one box at a time; so a form's steps are kept here, with those of its
// styles. A box that belongs to no form has steps of its own.

import { TABS } from "./fields.js";
import { pressed } from "./key-table.js";
import { promptBox, write } from "./prompt-boxes.js";
import { lookAgain, setEarly, watchSetting } from "./prompt-set.js";
import { add, boxNamed, forms, historyOf, same } from "./prompt-steps.js";

const TOGETHER_MS = 1500; // letters with shorter pauses between them are one step, by the word

// What the next input event starts from.
let before = { box: null, start: 0, end: 0 };
let writing = false;
let compositions = 0; // what an input method puts together is one step

function onBeforeInput(event) {
  const box = promptBox(event.target);
  if (!box) return;
  const { history, name } = historyOf(box);
  if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
    event.preventDefault(); // from the browser's menu
    history.presses.push(event.inputType === "historyUndo");
    return void run(history);
  }
  before = { box, start: box.selectionStart, end: box.selectionEnd };
  if (!history.known || box.value === (history.known[name] ?? "")) return;
  if (history.setting) setEarly(history, name, box.value);
  else take(history, name, box); // set by others, and not read yet
}

function onInput(event) {
  const box = promptBox(event.target);
  if (!box || writing) return;
  const { history, name } = historyOf(box);
  if (history.known && box.value !== (history.known[name] ?? "")) take(history, name, box, event);
}

function take(history, name, box, event = null) {
  const text = history.known[name] ?? "";
  const from = event && before.box === box ? [before.start, before.end] : [text.length, text.length];
  typed(history, { name, changes: { [name]: [text, box.value] }, kind: kindOf(event), before: from, after: [box.selectionStart, box.selectionEnd] });
  history.known[name] = box.value;
}

function kindOf(event) {
  const type = event?.inputType ?? "";
  if (type === "insertText") return "typed";
  if (type === "insertCompositionText") return `composed ${compositions}`;
  return type.startsWith("deleteContent") ? "deleted" : "set";
}

function typed(history, step) {
  const last = history.done.at(-1);
  if (!last || !goesOn(last, step)) return add(history, step);
  history.undone = [];
  last.changes[step.name][1] = step.changes[step.name][1];
  last.after = step.after;
  last.at = performance.now();
}

function goesOn(last, step) {
  if (step.kind === "set" || last.kind !== step.kind || last.name !== step.name) return false;
  if (step.kind.startsWith("composed")) return true;
  return performance.now() - last.at < TOGETHER_MS && same(last.after, step.before) && !beginsWord(step);
}

function beginsWord({ kind, name, changes, before: [at] }) {
  const [from, to] = changes[name];
  return kind === "typed" && /[\s,]/.test(from[at - 1] ?? "") && !/[\s,]/.test(to[at] ?? " ");
}

// Changes prompts and styles as one step: `values` by name, `text` that of the box itself. The caret goes to `selection` in `box`.
export function change(box, values, selection) {
  const { history, name } = historyOf(box);
  const { text, ...others } = values;
  const given = Object.entries(text === undefined ? others : { [name]: text, ...others }).filter(([each, value]) => !same(value, history.known?.[each]));
  if (!history.known || !given.length) return void box.setSelectionRange(...selection);
  const changes = Object.fromEntries(given.map(([each, value]) => [each, [history.known[each], value]]));
  const step_ = { changes, kind: "set", name, before: [box.selectionStart, box.selectionEnd], after: selection };
  add(history, step_);
  apply(history, step_, 1);
}

// ---- back and forth

function step(history, back) {
  const [from, to] = back ? [history.done, history.undone] : [history.undone, history.done];
  const last = from.pop();
  if (!last) return false;
  to.push(last);
  last.at = -Infinity; // nothing more is added to it
  apply(history, last, back ? 0 : 1);
  return true;
}

// Keys that are pressed while the program sets a form count once it is set.
async function run(history) {
  if (history.runs) return;
  history.runs = true;
  while (history.presses.length && !history.setting) {
    if (history.doubted) await lookAgain(history);
    else step(history, history.presses.shift());
  }
  history.runs = false;
}

// Sets what a step changed to what it was before (`side` 0) or after (1). What was changed since by other hands stays.
function apply(history, { changes, name, before: first, after }, side) {
  const others = {};
  let place = null;
  for (const [each, pair] of Object.entries(changes)) {
    const value = pair[side];
    const box = boxNamed(history, each);
    if (each in (history.known ?? {})) history.known[each] = value;
    else if (!same(history.seen?.[each], pair[1 - side])) continue;
    else history.seen = { ...history.seen, [each]: value };
    if (box) put(box, value, each === name ? [first, after][side] : [value.length, value.length]);
    else others[each] = value;
    if (box && (each === name || !place)) place = box;
  }
  if (Object.keys(others).length) setFields(history, others);
  if (place?.checkVisibility()) place.focus({ preventScroll: true });
}

function put(box, text, selection) {
  writing = true;
  try {
    write(box, text, ...selection);
  } finally {
    writing = false;
  }
}

// Steps may follow each other faster than the form takes them: what it is to hold is added up. Each press is answered (`isBack`).
function setFields(history, values) {
  Object.assign(history.wanted, values);
  history.backs += 1;
  document.getElementById(`${history.tab}_bridge_back`).click(); // asks nobody, so also offline
}

// What the bridge sets, in the order of `names`; the others stay.
export function takeBack(tab, names) {
  const { wanted } = forms[tab];
  return names.map((name) => (name in wanted ? wanted[name] : { __type__: "update" }));
}

// The chosen styles of a form, as it was last read.
export const chosenStyles = (box) => historyOf(box).history.known?.styles ?? [];

// ---- keys

const FREE = "input:not([type=checkbox], [type=radio], [type=range]), textarea, [contenteditable], .easel, dialog, iframe";

// Of which history Ctrl+Z means: that of the box it is pressed in; outside of all boxes, of the form that is seen.
function meant(target) {
  const box = promptBox(target);
  if (box) return historyOf(box).history;
  const styles = target.closest?.("[id$=_styles]") && !target.value;
  if (document.querySelector("dialog[open]") || (!styles && target.closest?.(FREE))) return null;
  const frame = target.closest?.(TABS.map((tab) => `#${tab}_frame`).join());
  const tab = frame ? frame.id.split("_")[0] : target === document.body && TABS.find((each) => document.getElementById(`${each}_frame`)?.checkVisibility());
  return tab ? forms[tab] : null;
}

function onKey(event) {
  const asked = event.isComposing ? null : pressed(event, "prompt");
  if (asked !== "undo" && asked !== "redo") return;
  const history = meant(event.target);
  if (!history) return;
  event.preventDefault();
  event.stopPropagation();
  history.presses.push(asked === "undo");
  run(history);
}

export function watchUndo() {
  document.addEventListener("compositionstart", () => compositions++, true);
  document.addEventListener("beforeinput", onBeforeInput, true);
  document.addEventListener("input", onInput, true);
  document.addEventListener("focusin", ({ target }) => promptBox(target) && historyOf(target), true); // known before the first letter
  document.addEventListener("keydown", onKey, true);
  watchSetting(run);
}
