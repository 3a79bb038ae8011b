// The token counters at the prompts: asked for when typing has paused, so that typing itself waits for nothing. Without
// Gradio's client, which loads the whole page anew after a request that reached nobody.

import { h, setText } from "./dom.js";
import { TABS, fieldElement } from "./fields.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const PAUSE_MS = 500;
const COUNTED = ["prompt", "negative_prompt", "steps", "sampler", "emphasis", "styles", "checkpoint"];
const EMPTY = { used: 0, limit: 75, problem: "", warning: "" };

// By tab: `asked`, the values as JSON in the order of COUNTED; `latest`, for of several requests only the last counts; `missed`:
// put off without a word until the server is there again.
const forms = Object.fromEntries(TABS.map((tab) => [tab, { tab, asked: null, timer: null, latest: null, missed: false }]));

export function promptChanged(tab, values) {
  const form = forms[tab];
  const key = JSON.stringify(COUNTED.map((name) => values[name]));
  if (key === form.asked) return;
  form.asked = key;
  clearTimeout(form.timer);
  if (values.prompt || values.negative_prompt || values.styles?.length) form.timer = setTimeout(() => count(form), PAUSE_MS);
  else counted(tab, { prompt: EMPTY, negative_prompt: EMPTY });
}

async function count(form) {
  form.missed = !state.online;
  if (form.missed) return;
  form.latest?.abort();
  form.latest = new AbortController();
  const { signal } = form.latest;
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url("gradio_api/run/count_tokens"), { method: "POST", headers, body: `{"data":${form.asked}}`, signal });
    const { data } = await response.json();
    if (response.ok && !signal.aborted) counted(form.tab, data[0]);
  } catch {
    form.missed = !signal.aborted;
  }
}

onChange(() => state.online && Object.values(forms).filter(({ missed }) => missed).forEach(count));

function counted(tab, answer) {
  forms[tab].answer = answer;
  for (const [name, count] of Object.entries(answer)) draw(tab, name, count);
}

// A form that was rendered late.
document.addEventListener("periplus:tab", () => Object.values(forms).forEach(({ tab, answer }) => answer && counted(tab, answer)));

function draw(tab, name, { used, limit, problem, warning }) {
  const element = fieldElement(name, tab);
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
