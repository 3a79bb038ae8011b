// One undo for all that changes prompts: typing, keys, completion, cards, styles, settings that are sent. The browser's own
// ends where a text is set by the program, and knows one box at a time; so a form's steps are kept here, with those of its
// styles. A box that belongs to no form has steps of its own.

import { TABS } from "./fields.js";
import { PROMPTS, boxOf, placeOf, promptBox, write } from "./prompt-boxes.js";

const MOST = 300;
const TOGETHER_MS = 1500; // letters with shorter pauses between them are one step, by the word
const SET_MS = 400; // what one action sets may become known in two parts
const PATIENCE_MS = 3000;
const LOST_MS = 30_000; // a bridge that has not answered by then will not
const AGAIN_MS = 30;
const HEADER = ["checkpoint", "vae", "clip_skip"]; // belong to all forms; to choose a checkpoint is no edit

const KEPT = [...PROMPTS, "styles"];

// `known`: values by name, as the newest step left them; `seen`: the form's values when it was last read; `expected`: what was
// asked to be set and is not yet; `waiting`: a reading that the boxes do not agree with yet.
const makeHistory = (tab, box = null) => ({ tab, box, known: null, seen: null, done: [], undone: [], expected: null, sent: false, waiting: null });
const forms = Object.fromEntries(TABS.map((tab) => [tab, makeHistory(tab)]));
const boxes = new WeakMap();

function historyOf(box) {
  const place = placeOf(box);
  if (place) return { history: forms[place.tab], name: place.name };
  if (!boxes.has(box)) forget(box);
  return { history: boxes.get(box), name: "text" };
}

// A box of no form shows another text: there is nothing to be undone in it.
export const forget = (box) => void boxes.set(box, { ...makeHistory(null, box), known: { text: box.value } });

const boxNamed = ({ tab, box }, name) => box ?? (PROMPTS.includes(name) ? boxOf(tab, name) : null);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// ---- steps: {changes: {name: [before, after]}, kind, at, name and carets of the box that was typed in}

function add(history, step) {
  history.undone = [];
  history.done.push({ at: performance.now(), ...step });
  if (history.done.length > MOST) history.done.shift();
}

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
    return void step(history, event.inputType === "historyUndo");
  }
  before = { box, start: box.selectionStart, end: box.selectionEnd };
  if (history.known && box.value !== (history.known[name] ?? "")) take(history, name, box); // set by the program, and not told of yet
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

// ---- what the program sets

// The form has been read. A reading may be older than what the boxes show by now, or a moment newer than what is drawn: it counts
// once both agree, so that what one action sets is one step.
function heard({ tab, values, bySettings }) {
  const history = forms[tab];
  if (bySettings && history.expected) history.expected.rounds -= 1;
  clearTimeout(history.waiting?.timer);
  const until = history.waiting?.until ?? performance.now() + PATIENCE_MS;
  const settings = bySettings || Boolean(history.waiting?.settings);
  history.waiting = { values, settings, until, timer: null };
  settle(tab);
}

function settle(tab) {
  const history = forms[tab];
  const { values, settings, until } = history.waiting;
  if (performance.now() < until && !agrees(tab, values)) return void (history.waiting.timer = setTimeout(settle, AGAIN_MS, tab));
  history.waiting = null;
  compare(tab, values, settings);
}

const lines = (text) => (text ?? "").replaceAll("\r\n", "\n");
const agrees = (tab, values) => PROMPTS.every((name) => !boxOf(tab, name) || !(name in values) || boxOf(tab, name).value === lines(values[name]));

// Styles that were chosen, texts that a button wrote, settings that were sent.
function compare(tab, values, bySettings) {
  const history = forms[tab];
  if (settling(history, values)) return void (history.seen = values);
  const now = Object.fromEntries(KEPT.map((name) => [name, boxOf(tab, name)?.value ?? values[name]]));
  const { known, seen } = history;
  history.known = now;
  history.seen = values;
  if (!known) return;
  const whole = history.sent;
  const names = whole ? Object.keys(values).filter((name) => !HEADER.includes(name)) : KEPT;
  const pair = (name) => (name in now ? [known[name], now[name]] : [seen?.[name], values[name]]);
  const changes = Object.fromEntries(names.map((name) => [name, pair(name)]).filter(([, [one, other]]) => !same(one, other)));
  if (bySettings) history.sent = false;
  if (Object.keys(changes).length) set(history, changes);
}

function set(history, changes) {
  const last = history.done.at(-1);
  if (last?.kind !== "program" || performance.now() - last.at > SET_MS) return add(history, { changes, kind: "program" });
  for (const [name, [from, to]] of Object.entries(changes)) last.changes[name] = [last.changes[name]?.[0] ?? from, to];
}

// Whether the form is still on its way to what a step asked it to be.
function settling(history, values) {
  const { expected } = history;
  if (!expected) return false;
  const settled = expected.rounds <= 0 && Object.entries(expected.wanted).every(([name, value]) => same(values[name], value));
  const patience = expected.rounds > 0 ? LOST_MS : PATIENCE_MS;
  if (settled || performance.now() - expected.asked > patience) history.expected = null;
  return Boolean(history.expected);
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

// Sets what a step changed to what it was before (`side` 0) or after (1). What was changed since by other hands stays.
function apply(history, { changes, name, before: first, after }, side) {
  const others = {};
  let place = null;
  for (const [each, pair] of Object.entries(changes)) {
    const value = pair[side];
    const box = boxNamed(history, each);
    if (each in (history.known ?? {})) history.known[each] = value;
    else if (!same(history.seen?.[each], pair[1 - side])) continue;
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

// Steps may follow each other faster than the form takes them: what it is to hold is added up, and each press of the bridge
// answers with a reading of the form.
function setFields(history, values) {
  const { wanted = {}, rounds = 0 } = history.expected ?? {};
  history.expected = { asked: performance.now(), wanted: { ...wanted, ...values }, rounds: rounds + 1 };
  document.getElementById(`${history.tab}_bridge_back`)?.click(); // asks nobody, so also offline
}

// What the bridge sets, in the order of `names`; the others stay.
export function takeBack(tab, names) {
  const { wanted = {} } = forms[tab].expected ?? {};
  return names.map((name) => (name in wanted ? wanted[name] : { __type__: "update" }));
}

// The settings that are on their way to a form can be taken back, all of them.
export const settingsAreSent = (tab) => (forms[tab].sent = true);

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
  if (event.isComposing || event.altKey || !(event.ctrlKey || event.metaKey)) return;
  const key = event.key.toLowerCase();
  if (key !== "z" && !(key === "y" && !event.shiftKey)) return;
  const history = meant(event.target);
  if (!history) return;
  event.preventDefault();
  event.stopPropagation();
  step(history, key === "z" && !event.shiftKey);
}

export function watchUndo() {
  document.addEventListener("compositionstart", () => compositions++, true);
  document.addEventListener("beforeinput", onBeforeInput, true);
  document.addEventListener("input", onInput, true);
  document.addEventListener("focusin", ({ target }) => promptBox(target) && historyOf(target), true); // known before the first letter
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("periplus:form", ({ detail }) => heard(detail));
}
