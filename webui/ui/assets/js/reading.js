// A form is read when it may have changed: once for what a person did, through a bridge, for Gradio's own news of each control's
// change take time that grows with the square of the page (docs/decisions/0016).

import { TABS } from "./fields.js";

const MAY_CHANGE = ["input", "change", "mousedown", "click", "keyup", "focusout", "drop"];
const AGAIN_MS = 600; // what an extension's handler sets comes some time after the event
const timers = {}; // by tab: of the next reading and of the one after the last event
const asked = {}; // by tab: who waits for the readings that are on their way, in their order

let ready = false; // before the stored forms are back, Gradio's first values must not be taken for theirs

export const beginReading = () => (ready = true);
export const readsForms = () => ready;

// What the form holds now, by field name. Readings come in the order in which they were asked for.
export function reading(tab) {
  const bridge = document.getElementById(`${tab}_bridge_read`);
  if (!bridge) return Promise.resolve({});
  return new Promise((done) => {
    (asked[tab] ??= []).push(done);
    bridge.click();
  });
}

// The bridge's event has come.
export const formIsRead = (tab, values) => asked[tab]?.shift()?.(values);

export const readForm = async (tab) => void (await reading(tab));

function heard({ target }) {
  if (!ready || target.closest?.(".bridge")) return;
  const tab = TABS.find((each) => document.getElementById(`${each}_frame`)?.contains(target));
  if (tab) askSoon(tab);
  else if (document.getElementById("header")?.contains(target)) TABS.forEach(askSoon);
}

function askSoon(tab) {
  const both = (timers[tab] ??= {});
  both.soon ??= setTimeout(() => {
    both.soon = null;
    readForm(tab);
  });
  clearTimeout(both.again);
  both.again = setTimeout(readForm, AGAIN_MS, tab);
}

for (const type of MAY_CHANGE) document.addEventListener(type, heard, true);
