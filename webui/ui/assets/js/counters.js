// The token counters at the prompts: asked for when typing has paused, so that typing itself waits for nothing. Without
// Gradio's client, which loads the whole page anew after a request that reached nobody.

import { h, setHidden, setText } from "./dom.js";
import { TABS, fieldElement, fields } from "./fields.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const PAUSE_MS = 500;
const PAIRS = [["prompt", "negative_prompt"], ["hires_prompt", "hires_negative_prompt"], ["refiner.prompt", "refiner.negative_prompt"]];
const OTHERS = ["steps", "sampler", "emphasis"];
const EMPTY = { used: 0, limit: 75, problem: "", warning: "", at: null };

// For each pair of prompts of a tab: `asked`, the values as JSON in the order in which they are handed over; `latest`, for of
// several requests only the last counts; `missed`: put off without a word until the server is there again.
const makeCounted = (tab, names) => ({ tab, names, asked: null, timer: null, latest: null, missed: false });
const counters = TABS.flatMap((tab) => PAIRS.filter(([name]) => name in fields).map((names) => makeCounted(tab, names)));

export function promptChanged(tab, values) {
  for (const pair of counters) if (pair.tab === tab) changed(pair, values);
}

function changed(pair, values) {
  const { disable_token_counters: off, include_styles_into_token_counters: withStyles } = state.preferences;
  const texts = pair.names.map((name) => values[name] ?? "");
  const own = pair.names === PAIRS[0];
  const styles = own && withStyles ? (values.styles ?? []) : []; // go into the picture's own prompts alone
  const key = JSON.stringify([...texts, ...OTHERS.map((name) => values[name]), styles, values.checkpoint]);
  if (key === pair.asked && !off) return;
  pair.asked = key;
  clearTimeout(pair.timer);
  if (off || (!own && !texts.some(Boolean))) remove(pair);
  else if (texts.some(Boolean) || styles.length) pair.timer = setTimeout(() => count(pair), PAUSE_MS);
  else counted(pair, { prompt: EMPTY, negative_prompt: EMPTY });
}

function remove(pair) {
  pair.answer = null;
  for (const name of pair.names) fieldElement(name, pair.tab)?.querySelector(":scope > .counter")?.remove();
}

async function count(pair) {
  pair.missed = !state.online;
  if (pair.missed) return;
  pair.latest?.abort();
  pair.latest = new AbortController();
  const { signal } = pair.latest;
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url("gradio_api/run/count_tokens"), { method: "POST", headers, body: `{"data":${pair.asked}}`, signal });
    const { data } = await response.json();
    if (response.ok && !signal.aborted) counted(pair, data[0]);
  } catch {
    pair.missed = !signal.aborted;
  }
}

onChange(() => state.online && counters.filter(({ missed }) => missed).forEach(count));

function counted(pair, answer) {
  pair.answer = answer;
  Object.values(answer).forEach((told, at) => draw(pair.tab, pair.names[at], told));
}

// A form that was rendered late.
document.addEventListener("periplus:tab", () => counters.forEach((pair) => pair.answer && counted(pair, pair.answer)));

function draw(tab, name, { used, limit, problem, warning, at }) {
  const element = fieldElement(name, tab);
  if (!element) return;
  const counter = element.querySelector(":scope > .counter") ?? element.appendChild(make(element));
  const words = problem || warning;
  counter.classList.toggle("problem", Boolean(problem));
  counter.classList.toggle("warned", Boolean(words && !problem));
  setText(counter.firstChild, words);
  setHidden(counter.firstChild, !words);
  counter.firstChild.disabled = at === null;
  counter.firstChild.dataset.at = at ?? "";
  setText(counter.lastChild, used === null ? "–" : t("counter", { used, limit }));
  counter.title = words || t("counter.help", { used, limit });
}

// Selects the bracket that the words are about.
function show(event) {
  const box = event.target.closest(".block").querySelector("textarea, input");
  const at = [...box.value].slice(0, Number(event.target.dataset.at)).join("").length; // it is told in characters
  box.focus();
  box.setSelectionRange(at, at + 1);
}

function make(element) {
  const counter = h("p", { class: "counter", id: `${element.id}_counter` }, h("button", { type: "button", class: "counter-words", onclick: show, disabled: true }), h("span", { class: "counter-number" }));
  element.querySelector("textarea, input")?.setAttribute("aria-describedby", counter.id);
  return counter;
}
