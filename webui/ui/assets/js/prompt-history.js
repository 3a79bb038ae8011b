// The prompts that were used last, each with its newest picture: searched by the server, put back by a click, which Ctrl+Z undoes.

import { button, h, iconButton, setHidden, setText } from "./dom.js";
import { sendInfotext } from "./form.js";
import { boxOf } from "./prompt-boxes.js";
import { change } from "./prompt-undo.js";
import { reachable } from "./reach.js";
import { request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const PER_PAGE = 30;
const PAUSE_MS = 180;

let parts = null;
let tab = null; // the form that it was opened for
let shown = []; // of the pages so far
let after = null;
let latest = null; // of several requests only the last counts
let timer = null;

export function openPromptHistory(ofTab) {
  if (!reachable()) return;
  tab = ofTab;
  parts ??= build();
  parts.search.value = "";
  parts.dialog.showModal();
  load();
}

function build() {
  const search = h("input", { type: "search", id: "prompt_history_search", placeholder: t("prompts.search"), "aria-label": t("prompts.search"), autocomplete: "off", spellcheck: "false", oninput: () => (clearTimeout(timer), busy(true), (timer = setTimeout(load, PAUSE_MS))) });
  const list = h("ul", { class: "used-prompts" });
  const none = h("p", { class: "subdued", role: "status", hidden: true });
  const more = button(t("prompts.more"), null, () => load(true), { id: "prompt_history_more", hidden: true });
  const close = iconButton(t("action.close"), "close", () => dialog.close());
  const dialog = h("dialog", { id: "prompt_history", class: "sheet", "aria-labelledby": "prompt_history_title", onkeydown: onKey }, h("header", {}, h("h2", { id: "prompt_history_title" }, t("prompts.title")), close), search, none, list, more);
  document.body.append(dialog);
  return { dialog, search, list, none, more };
}

const busy = (state) => parts.list.setAttribute("aria-busy", String(state));

async function load(further = false) {
  latest?.abort();
  latest = new AbortController();
  const { signal } = latest;
  const query = new URLSearchParams({ search: parts.search.value, count: PER_PAGE, ...(further && after !== null ? { after } : {}) });
  try {
    const page = await request("GET", `api/v1/history/prompts?${query}`, undefined, signal);
    if (signal.aborted) return;
    after = page.after;
    draw(further ? page.prompts.filter((each) => !shown.some((other) => sameTexts(each, other))) : page.prompts, further);
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
  }
}

const sameTexts = (one, other) => one.prompt === other.prompt && one.negative_prompt === other.negative_prompt;

function draw(prompts, further) {
  shown = further ? [...shown, ...prompts] : prompts;
  if (!further) parts.list.replaceChildren();
  parts.list.append(...prompts.map(row));
  setHidden(parts.more, after === null);
  busy(false);
  tell(shown.length ? "" : t(parts.search.value ? "prompts.nothing" : "prompts.none"));
}

function tell(words) {
  setText(parts.none, words);
  setHidden(parts.none, !words);
}

function row(used) {
  const picture = h("img", { src: url(used.thumbnail), alt: "", loading: "lazy", decoding: "async" });
  const negative = used.negative_prompt && h("span", { class: "subdued used-negative" }, t("prompts.negative", { text: used.negative_prompt }));
  const words = h("span", { class: "used-words" }, h("span", { class: "used-prompt" }, used.prompt || "–"), negative);
  const put = h("button", { type: "button", class: "used-put", title: t("prompts.put"), onclick: () => putBack(used) }, picture, words);
  return h("li", {}, put, button(t("prompts.settings"), null, () => sendAll(used), { class: "plain-button used-all", title: t("prompts.settings.help") }));
}

// Both texts hold those of the styles that were chosen then.
function putBack({ prompt, negative_prompt }) {
  parts.dialog.close();
  change(boxOf(tab, "prompt"), { prompt, negative_prompt, styles: [] }, [prompt.length, prompt.length]);
}

function sendAll({ infotext }) {
  parts.dialog.close();
  sendInfotext(infotext, tab);
}

// From the box down into the list, and through it.
function onKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const rows = [...parts.list.querySelectorAll(".used-put")];
  const at = rows.indexOf(document.activeElement) + step;
  event.preventDefault();
  (at < 0 ? parts.search : rows[Math.min(at, rows.length - 1)])?.focus();
}
