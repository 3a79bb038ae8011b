// Steps of undo that no key made. What the program sets through Gradio (styles that are written into the prompts, settings that
// are sent) is told here before and after, and is the difference between two readings: one step, however long it takes and
// in however many parts it comes. What others set (a hand in the list of styles, an extension) is found by the readings between.

import { TABS } from "./fields.js";
import { KEPT, add, boxNamed, forms, same } from "./prompt-steps.js";
import { reading } from "./reading.js";

const HEADER = ["checkpoint", "vae", "clip_skip"]; // belong to all forms; to choose a checkpoint is no edit

// What Gradio holds is drawn when the tasks are done that wait now.
const drawn = () => new Promise((done) => setTimeout(done));

let goOn = () => {}; // with the keys that waited

export function watchSetting(then) {
  goOn = then;
  document.addEventListener("periplus:form", ({ detail }) => heard(detail));
  for (const type of ["change", "mousedown", "click", "keyup", "drop"]) document.addEventListener(type, doubt, true);
}

function doubt({ target }) {
  const tab = TABS.find((each) => document.getElementById(`${each}_frame`)?.contains(target));
  if (tab && !KEPT.some((name) => boxNamed(forms[tab], name) === target)) forms[tab].doubted = true;
}

// ---- what the program sets

// The server is about to be asked. What was done before is a step of its own; from here on no reading counts until it is set.
export async function beforeSetting(tab) {
  const history = forms[tab];
  const values = await reading(tab);
  await drawn();
  if (!history.setting) {
    compare(history, values);
    history.setting = { times: 0, before: values, step: null };
  }
  history.setting.times += 1;
}

// As an event's function, which hands its inputs on.
export async function aboutToSet(tab, ...values) {
  await beforeSetting(tab);
  return values;
}

// It is set, or the server was not reached. `whole`: other settings belong to the step, too.
async function isSet(tab, values, whole) {
  const history = forms[tab];
  await drawn();
  if (!history.setting) return compare(history, values);
  const { before, step } = history.setting;
  const changes = { ...changesOf(history, values), ...(whole ? others(before, values) : {}) };
  if (step) Object.assign(step.changes, changes);
  else if (history.known && Object.keys(changes).length) add(history, { changes, kind: "program" });
  take(history, values);
  const times = history.setting.times - 1;
  history.setting = times ? { times, before: values, step: null } : null;
  goOn(history);
}

export const haveSet = async (tab) => isSet(tab, await reading(tab), false);

// A box holds what is being set, and is about to be typed in: what is told later belongs to this step.
export function setEarly(history, name, text) {
  const changes = { [name]: [history.known[name] ?? "", text] };
  if (history.setting.step) Object.assign(history.setting.step.changes, changes);
  else history.setting.step = add(history, { changes, kind: "program" });
  history.known[name] = text;
}

// ---- readings

const CAUSES = {
  sent: (tab, values) => isSet(tab, values, true),
  set: (tab, values) => isSet(tab, values, false),
  back: isBack,
};

async function heard({ tab, values, cause }) {
  if (CAUSES[cause]) return CAUSES[cause](tab, values);
  await drawn();
  compare(forms[tab], values);
}

// The script's own bridge has set what a step wanted.
async function isBack(tab, values) {
  const history = forms[tab];
  await drawn();
  history.backs -= 1;
  if (history.backs) return;
  history.wanted = {};
  compare(history, values);
}

// A reading counts where nothing is on its way that it may show a part of.
export function compare(history, values) {
  if (history.setting || history.backs) return;
  const changes = history.known ? changesOf(history, values) : {};
  take(history, values);
  if (Object.keys(changes).length) add(history, { changes, kind: "program" });
}

// What a box shows is newer than what was read.
const now = (history, values, name) => boxNamed(history, name)?.value ?? values[name];

function changesOf(history, values) {
  const pairs = KEPT.map((name) => [name, [history.known?.[name], now(history, values, name)]]);
  return Object.fromEntries(pairs.filter(([, [one, other]]) => !same(one, other)));
}

function others(before, values) {
  const names = Object.keys(values).filter((name) => !KEPT.includes(name) && !HEADER.includes(name) && !same(before[name], values[name]));
  return Object.fromEntries(names.map((name) => [name, [before[name], values[name]]]));
}

function take(history, values) {
  history.known = Object.fromEntries(KEPT.map((name) => [name, now(history, values, name)]));
  history.seen = values;
}

// What a hand did beside the prompts just before Ctrl+Z is known before it is undone.
export async function lookAgain(history) {
  history.doubted = false;
  const values = await reading(history.tab);
  await drawn();
  compare(history, values);
}
