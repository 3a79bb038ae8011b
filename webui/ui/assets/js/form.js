// The form in the browser: kept over a reload, sent to the queue, and filled by what is sent to it from elsewhere.
// What the script wants to set goes through a bridge, whose event takes the value from here.

import { promptChanged } from "./counters.js";
import { scrolling } from "./dom.js";
import { clearError, clearErrors, showErrors } from "./errors.js";
import { TABS, activeTab, fieldElement, labelFields, press } from "./fields.js";
import { post } from "./notices.js";
import { drawExtra, drawOptions } from "./options.js";
import { follow, pageId } from "./page.js";
import { changed, state } from "./state.js";
import { asked, storedAs, storedForms } from "./opening.js";
import { beforeSetting } from "./prompt-set.js";
import { replaced, replacedBy } from "./queue-edit.js";
import { beginReading, formIsRead, readsForms } from "./reading.js";
import { selectedPicture, setExamples } from "./output.js";
import { scriptOf } from "./scripts.js";
import { call } from "./server.js";
import { hideNote, setNote } from "./header.js";
import { setSuited } from "./simple.js";
import { t } from "./texts.js";

const KEPT_MS = 200;
const OPEN_AGAIN_MS = 1000;

const latest = {}; // by tab: the values by field name
let timer = null;

const pending = { infotext: "", size: null, prompt: "" };

// ---- kept over a reload

// The page is opened: what all controls show, from what was kept. Asked once more where the server just begins again, and where
// settings have changed since it was asked.
export async function openForms() {
  const answer = await asked;
  if (answer) noteVersion(answer);
  if (answer && versionOf(answer) === state.settingsVersion) return answer;
  if (!answer) await new Promise((done) => setTimeout(done, OPEN_AGAIN_MS));
  const again = await call("opening", storedForms()).catch((error) => {
    post(t("notice.request_failed", { reason: error.message }), "error");
    throw error;
  });
  noteVersion(again);
  return again;
}

const versionOf = (answer) => answer.at(-1).version;

// The first version that is heard of counts, from the stream or from an answer: a later one in the stream tells of a change.
function noteVersion(answer) {
  state.settingsVersion ??= versionOf(answer);
}

export function opened(answer) {
  beginReading();
  Object.assign(state.preferences, answer?.preferences);
  state.quick = answer?.quick ?? state.quick;
  document.dispatchEvent(new Event("periplus:quick"));
  if (answer?.warning) post(answer.warning, "warning");
  checkpointChosen(answer);
  labelFields();
  changed();
}

export function remember(tab, componentNames, ...values) {
  const named = Object.fromEntries(componentNames.map((name, index) => [name, values[index]]));
  try {
    if (readsForms()) hold(tab, named);
  } finally {
    formIsRead(tab, named); // readings are told apart by their order
  }
}

function hold(tab, values) {
  const before = JSON.stringify(latest[tab]);
  latest[tab] = values;
  if (JSON.stringify(values) === before) return;
  clearTimeout(timer);
  timer = setTimeout(keep, KEPT_MS);
  follows(tab);
}

// After the program has set fields: when the page was opened, a checkpoint chosen, settings taken over; `cause` tells undo what
// it was, if anything.
export function settled(tab, componentNames, cause, ...values) {
  hold(tab, Object.fromEntries(componentNames.map((name, index) => [name, values[index]])));
  follows(tab, { bySettings: true, cause });
  if (TABS.every((each) => latest[each])) document.documentElement.dataset.periplus = "ready";
}

function follows(tab, { bySettings = false, cause = "" } = {}) {
  const values = latest[tab];
  drawOptions(tab, values);
  drawExtra(tab, values, bySettings);
  promptChanged(tab, values);
  document.dispatchEvent(new CustomEvent("periplus:form", { detail: { tab, values, bySettings, cause } }));
  document.dispatchEvent(new Event("periplus:checkpoint"));
}

// What the controls of a tab hold, by field name.
export const valuesOf = (tab) => latest[tab] ?? {};

function keep() {
  for (const [tab, values] of Object.entries(latest)) {
    const text = JSON.stringify(values);
    sessionStorage.setItem(storedAs(tab), text);
    try {
      localStorage.setItem(storedAs(tab), text);
    } catch {
      // A full or forbidden store: this tab still has its own.
    }
  }
}

window.addEventListener("pagehide", keep);

// ---- Generate

export const generateButton = (tab = activeTab()) => document.getElementById(`${tab}_generate`);

// Who knows at the last moment what a tab's request must hold: by tab, a function that gives values by field name, and
// `problems`, messages by field name where it cannot.
const lastMoment = {};
let problems = {};

export function addAtGenerate(tab, give) {
  lastMoment[tab] = give;
}

// What Generate would send, by field name.
export const requestOf = async (tab) => ({ ...valuesOf(tab), ...(await lastMoment[tab]?.()) });

// `names` are those of `values`, which may be changed before they are sent.
export async function beforeGenerate(tab, names, ...values) {
  keep();
  const { problems: found = {}, ...given } = (await lastMoment[tab]?.()) ?? {};
  problems = found;
  const more = { owner: pageId, script: scriptOf(tab), replaces: replacedBy(tab), ...given };
  return values.map((value, index) => (names[index] in more ? more[names[index]] : value));
}

export function submitted(tab, answer) {
  replaced(tab, answer);
  document.dispatchEvent(new CustomEvent("periplus:submitted", { detail: { tab, job: answer?.job ?? null } }));
  clearErrors();
  if (answer?.job) {
    follow(answer.job);
    changed();
  }
  showErrors({ ...answer?.errors, ...problems }, tab);
  if (answer?.message) post(answer.message, "error");
  if (answer?.job && window.matchMedia("(max-width: 899px)").matches) window.scrollTo({ top: 0, behavior: scrolling() });
}

export function pressGenerate() {
  const others = document.getElementById("extras_generate"); // of the tab that is seen
  (others?.checkVisibility() ? others : generateButton())?.click();
}

// ---- sent from elsewhere

// `then` is called when the form holds them. The prompt has the focus then, unless it has gone elsewhere from what had it when
// they were sent.
export function sendInfotext(text, tab = TABS[0], then = null, focused = document.activeElement) {
  Object.assign(pending, { infotext: text, then, focused });
  press(`${tab}_bridge_restore`);
}

// The bridge's inputs hold the text at `position`.
export async function takeInfotext(tab, position, ...values) {
  values[position] = pending.infotext;
  await beforeSetting(tab);
  return values;
}

export function restored(tab, answer) {
  clearErrors();
  const remarks = answer?.remarks ?? [];
  const text = [t(answer?.count ? "transfer.done" : "transfer.nothing"), ...remarks].join("\n");
  post(text, answer?.count && !remarks.length ? "info" : "warning", { seconds: Math.min(12, 4 + 2 * remarks.length) });
  const { focused, then } = pending;
  Object.assign(pending, { then: null, focused: null });
  if ([focused, document.body].includes(document.activeElement)) document.querySelector(`#${tab}_prompt textarea`)?.focus({ preventScroll: true });
  then?.();
}

export function setSize(width, height) {
  pending.size = [width, height];
  press(`${activeTab()}_bridge_size`);
}

export const takeSize = () => pending.size;

export function usePrompt(text) {
  pending.prompt = text;
  press(`${activeTab()}_bridge_prompt`);
}

export const takePrompt = () => pending.prompt;

export const reuseSeed = (seed) => pending.seed ?? selectedPicture()?.seed ?? seed;

// Of a picture without a variation its seed: one then varies another picture towards it.
export function reuseVariationSeed(seed) {
  const picture = selectedPicture();
  return /\bVariation seed: (\d+)/.exec(picture?.infotext.split("\n").at(-1))?.[1] ?? picture?.seed ?? seed;
}

export function setSeed(seed) {
  pending.seed = seed;
  document.getElementById(`${activeTab()}_seed_reuse`)?.click();
  setTimeout(() => delete pending.seed);
}

// ---- checkpoint and preferences

// The name in the header: `kind` is "checkpoint" or "vae".
export const chosen = (kind) => latest[TABS[0]]?.[kind] ?? null;

// Chooses a model in the header as if by hand.
export function useModel(kind, name) {
  pending.model = JSON.stringify([kind, name]);
  press("bridge_model");
}

// Looks at the folders again, as the header's button does.
export const refreshLists = () => document.getElementById("refresh_models")?.click();

// Files have come or gone: the header's lists are read anew without a press.
document.addEventListener("periplus:models", ({ detail }) => detail.some((kind) => kind === "checkpoint" || kind === "vae") && refreshLists());

// The lists of models in the header were read anew, and with them what the server knows.
export function listsRefreshed() {
  document.dispatchEvent(new Event("periplus:lists"));
}

// The bridge's inputs are the form's and, at `position`, what is chosen.
export function takeModel(position, ...values) {
  values[position] = pending.model;
  return values;
}

export function checkpointChosen(answer) {
  if (answer?.problem) hideNote();
  else setNote(answer?.note ?? "");
  setExamples(Boolean(answer?.note));
  setSuited(answer?.shapes, answer?.fresh);
  const element = fieldElement("checkpoint");
  if (element) clearError(element);
  if (answer?.problem) showErrors({ checkpoint: answer.problem });
}

export function preferenceChanged(name, value) {
  state.preferences[name] = value;
  if (name === "notify_when_done" && value) window.Notification?.requestPermission?.();
  changed();
}
