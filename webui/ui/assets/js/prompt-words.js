// The words that the LoRAs of a prompt react to: offered while one types, and in a row below the prompt where they are missing.

import { button, h } from "./dom.js";
import { TABS } from "./fields.js";
import { boxOf, placeOf } from "./prompt-boxes.js";
import { change } from "./prompt-undo.js";
import { request } from "./server.js";
import { state } from "./state.js";
import { t } from "./texts.js";

const CALL = /<(?:lora|lyco):([^:>]+)/gi;
const PAUSE_MS = 400;
const MOST = 12; // tags of a training that are offered in the list
const ROWS = 4;

const known = new Map(); // by name as the prompt has it: {name, activation_text, tags}; null: no such file, or nothing told
const timers = {};

const calledIn = (text) => [...new Set([...text.matchAll(CALL)].map((match) => match[1].trim()))];
const partsOf = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const unweighted = (tag) => tag.replace(/(?<!\\)[()[\]]/g, "\\$&"); // brackets of names would be weights
const plain = (text) => text.toLowerCase().replaceAll("_", " ").replaceAll("\\", "");

// Options for the list, of the LoRAs that the box's own prompt calls.
export function matchingWords(box, text) {
  const wanted = plain(text);
  const told = calledIn(box.value).map((name) => known.get(name)).filter(Boolean);
  const words = told.flatMap(({ name, activation_text, tags }) => [...partsOf(activation_text).map((word) => [word, word]), ...tags.slice(0, 200).map(([tag]) => [tag, unweighted(tag)])].map(([word, insert]) => ({ kind: "word", name: word, insert, hint: name })));
  const fitting = words.filter(({ name }) => plain(name).split(" ").some((_, at, all) => all.slice(at).join(" ").startsWith(wanted)));
  return fitting.filter(({ name }, at) => fitting.findIndex((other) => other.name === name) === at).slice(0, MOST);
}

export function watchWords() {
  document.addEventListener("periplus:form", ({ detail: { tab } }) => later(tab));
  document.addEventListener("periplus:tab", () => TABS.forEach(later));
  document.addEventListener("periplus:lists", () => (known.clear(), TABS.forEach(later)));
  document.addEventListener("input", ({ target }) => placeOf(target)?.name === "prompt" && later(placeOf(target).tab), true);
}

function later(tab) {
  clearTimeout(timers[tab]);
  timers[tab] = setTimeout(() => look(tab), PAUSE_MS);
}

async function look(tab) {
  const box = boxOf(tab, "prompt");
  if (!box) return;
  const missing = calledIn(box.value).filter((name) => !known.has(name));
  if (missing.length && state.online) await learn(missing);
  draw(tab, box);
}

async function learn(names) {
  const query = names.map((name) => `&name=${encodeURIComponent(name)}`).join("");
  const told = await request("GET", `api/v1/models/words?kind=lora${query}`).catch(() => null);
  if (told) for (const name of names) known.set(name, told.find((each) => each.name === name) ?? null);
}

// ---- the row

const hosts = {}; // by tab

export function mountPromptWords(host, tab) {
  hosts[tab] = host;
  later(tab);
}

function draw(tab, box) {
  const host = hosts[tab];
  if (!host) return;
  const text = plain(box.value.replace(/<[^>]*>/g, ""));
  const lacking = calledIn(box.value).map((name) => ({ name, words: known.get(name)?.activation_text.trim() ?? "" })).filter(({ words }) => words && partsOf(plain(words)).some((part) => !text.includes(part)));
  const shown = JSON.stringify(lacking);
  if (host.dataset.shown === shown) return;
  host.dataset.shown = shown;
  const row = ({ name, words }) => h("p", { class: "prompt-words" }, h("span", { class: "subdued" }, t("words.of", { name })), button(words, "add", () => add(box, words), { class: "plain-button prompt-word", title: t("words.add") }));
  host.replaceChildren(...lacking.slice(0, ROWS).map(row));
}

function add(box, words) {
  const text = plain(box.value.replace(/<[^>]*>/g, ""));
  const lacking = partsOf(words).filter((part) => !text.includes(plain(part))).join(", ");
  const value = box.value.trimEnd();
  const added = value + (value && !value.endsWith(",") ? ", " : value ? " " : "") + lacking;
  change(box, { text: added }, [added.length, added.length]);
}
