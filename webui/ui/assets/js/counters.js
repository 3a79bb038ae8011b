// The token counters at the prompts: asked for when typing has paused, so that typing itself waits for nothing. Without
// Gradio's client, which loads the whole page anew after a request that reached nobody.

import { h, setText } from "./dom.js";
import { fieldElement } from "./fields.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const PAUSE_MS = 500;
const COUNTED = ["prompt", "negative_prompt", "steps", "sampler", "emphasis", "styles", "checkpoint"];
const EMPTY = { used: 0, limit: 75, problem: "", warning: "" };

let asked = null; // the values as JSON, in the order of COUNTED
let timer = null;
let latest = null; // of several requests only the last counts
let missed = false; // put off without a word until the server is there again

export function promptChanged(values) {
  const key = JSON.stringify(COUNTED.map((name) => values[name]));
  if (key === asked) return;
  asked = key;
  clearTimeout(timer);
  if (values.prompt || values.negative_prompt || values.styles?.length) timer = setTimeout(count, PAUSE_MS);
  else counted({ prompt: EMPTY, negative_prompt: EMPTY });
}

async function count() {
  missed = !state.online;
  if (missed) return;
  latest?.abort();
  latest = new AbortController();
  const { signal } = latest;
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url("gradio_api/run/count_tokens"), { method: "POST", headers, body: `{"data":${asked}}`, signal });
    const { data } = await response.json();
    if (response.ok && !signal.aborted) counted(data[0]);
  } catch {
    missed = !signal.aborted;
  }
}

onChange(() => missed && state.online && count());

function counted(answer) {
  for (const [name, count] of Object.entries(answer)) draw(name, count);
}

function draw(name, { used, limit, problem, warning }) {
  const element = fieldElement(name);
  if (!element) return;
  const counter = element.querySelector(":scope > .counter") ?? element.appendChild(make(element));
  const words = problem || warning;
  counter.classList.toggle("problem", Boolean(problem));
  counter.classList.toggle("warned", Boolean(words && !problem));
  setText(counter.firstChild, words);
  setText(counter.lastChild, used === null ? "–" : t("counter", { used, limit }));
  counter.title = words || t("counter.help", { used, limit });
}

function make(element) {
  const counter = h("p", { class: "counter", id: `${element.id}_counter` }, h("span", { class: "counter-words" }), h("span", { class: "counter-number" }));
  element.querySelector("textarea")?.setAttribute("aria-describedby", counter.id);
  return counter;
}
