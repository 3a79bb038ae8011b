// Names that complete what is typed in a prompt: LoRAs, embeddings, wildcards, styles, tags of a list, and the words that the
// prompt's LoRAs react to. Asked for when typing has paused; the keys are the box's own until a name is pointed at.

import { h, setHidden } from "./dom.js";
import { pressed } from "./key-table.js";
import { placeOf, promptBox } from "./prompt-boxes.js";
import { caretPlace } from "./prompt-caret.js";
import { change, chosenStyles } from "./prompt-undo.js";
import { wordsAt } from "./prompt-word.js";
import { matchingWords } from "./prompt-words.js";
import { request } from "./server.js";
import { state } from "./state.js";
import { t } from "./texts.js";

const PAUSE_MS = 140;
const LIMIT = 20;
const KEPT_MS = 30_000;
const KEPT = 200;
const TYPED = /^(insertText|insertCompositionText|deleteContentBackward)$/;

let box = null; // that the list belongs to
let word = null;
let options = [];
let active = -1;
let timer = null;
let asking = null;
let list = null;

export function watchCompletion() {
  document.addEventListener("input", onInput, true);
  document.addEventListener("compositionend", ({ target }) => promptBox(target) && later(target), true);
  document.addEventListener("keydown", onKey, true);
  for (const type of ["pointerdown", "focusout"]) document.addEventListener(type, (event) => !list?.contains(event.target) && close(), true);
  document.addEventListener("scroll", (event) => box && !list.contains(event.target) && close(), true); // a full box scrolls as one types
  document.addEventListener("periplus:lists", () => answers.clear());
  window.addEventListener("resize", close);
}

function onInput(event) {
  if (!promptBox(event.target)) return;
  if (event.isComposing || !TYPED.test(event.inputType ?? "")) return close();
  later(event.target);
}

function later(target) {
  clearTimeout(timer);
  asking?.abort();
  if (state.preferences.complete_names || state.preferences.complete_tags) timer = setTimeout(() => offer(target), PAUSE_MS);
}

async function offer(target) {
  const caret = target.selectionStart;
  const words = target === document.activeElement && caret === target.selectionEnd ? wordsAt(target.value, caret) : [];
  const held = { value: target.value, caret };
  asking = new AbortController();
  const { signal } = asking;
  for (const each of words) {
    const found = await named(target, each, signal);
    if (signal.aborted || target.value !== held.value || target.selectionStart !== held.caret || target !== document.activeElement) return;
    if (found.length) return show(target, each, found);
  }
  close();
}

// ---- asking

const answers = new Map(); // by address: {at, names}

function kindsFor(target, kinds) {
  const { complete_names: names, complete_tags: tags } = state.preferences;
  const negative = placeOf(target)?.name.includes("negative");
  return kinds.filter((kind) => (kind === "tag" ? tags : names) && !(negative && ["lora", "hypernetwork"].includes(kind)) && !(kind === "style" && !placeOf(target)));
}

async function named(target, { kinds, text }, signal) {
  const asked = kindsFor(target, kinds);
  const words = asked.includes("lora") && asked.length > 2 ? matchingWords(target, text) : [];
  const given = asked.length && state.online ? await answer(`api/v1/names?kinds=${asked.join()}&q=${encodeURIComponent(text)}&limit=${LIMIT}`, signal) : [];
  return [...words, ...given].filter(({ insert }) => insert !== text);
}

async function answer(address, signal) {
  const kept = answers.get(address);
  if (kept && performance.now() - kept.at < KEPT_MS) return kept.names;
  const names = (await request("GET", address, undefined, signal).catch(() => null)) ?? []; // null also where it was let go of
  if (answers.size >= KEPT) answers.clear();
  if (!signal.aborted) answers.set(address, { at: performance.now(), names });
  return names;
}

// ---- the list

function show(target, given, found) {
  close();
  [box, word, options, active] = [target, given, found, -1];
  list ??= document.body.appendChild(h("ul", { class: "picker-list prompt-names", role: "listbox", id: "prompt_names", "aria-label": t("complete.label"), hidden: true }));
  list.replaceChildren(...options.map(draw));
  setHidden(list, false);
  list.scrollTop = 0;
  place();
  for (const [name, value] of Object.entries(OPEN)) box.setAttribute(name, value);
}

// While the list is open the box is announced as one that has a list.
const OPEN = { role: "combobox", "aria-expanded": "true", "aria-controls": "prompt_names", "aria-autocomplete": "list", "aria-haspopup": "listbox" };

function draw(option, index) {
  const onpointerdown = (event) => event.pointerType === "mouse" && event.preventDefault(); // the box keeps the focus
  const row = h("li", { role: "option", id: `prompt_name_${index}`, "aria-selected": "false", onpointerdown, onmousedown: (event) => event.preventDefault(), onclick: () => choose(index) });
  row.append(h("span", { class: "prompt-name" }, option.name), h("span", { class: "subdued prompt-kind" }, [t(`complete.${option.kind}`), option.hint].filter(Boolean).join(" · ")));
  return row;
}

// Below the caret, or above it where there is more room, as on a phone.
function place() {
  const caret = caretPlace(box, word.start);
  const { width, height } = list.getBoundingClientRect();
  const below = window.innerHeight - caret.top - caret.height - 8;
  const above = caret.top - 8;
  const upwards = below < Math.min(height, 200) && above > below;
  list.style.maxHeight = `${Math.max(96, Math.min(300, upwards ? above : below))}px`;
  list.style.left = `${Math.max(8, Math.min(caret.left, window.innerWidth - width - 8))}px`;
  list.style.top = upwards ? "auto" : `${caret.top + caret.height + 4}px`;
  list.style.bottom = upwards ? `${window.innerHeight - caret.top + 4}px` : "auto";
}

function point(index) {
  active = index;
  [...list.children].forEach((row, at) => {
    row.classList.toggle("active", at === index);
    row.setAttribute("aria-selected", String(at === index));
  });
  list.children[index].scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", list.children[index].id);
}

export function close() {
  clearTimeout(timer);
  asking?.abort();
  if (!box) return;
  for (const name of [...Object.keys(OPEN), "aria-activedescendant"]) box.removeAttribute(name);
  setHidden(list, true);
  box = null;
}

function onKey(event) {
  if (!box || event.target !== box || event.isComposing) return;
  const asked = pressed(event, "names");
  const count = options.length;
  if (asked === "next") point((active + 1) % count);
  else if (asked === "previous") point(active <= 0 ? count - 1 : active - 1);
  else if (asked === "take" && (active >= 0 || event.key === "Tab")) choose(Math.max(active, 0));
  else if (asked === "close") close();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation(); // Esc interrupts elsewhere
}

// ---- choosing

function choose(index) {
  const [target, { start, end }, option] = [box, word, options[index]];
  close();
  const { value } = target;
  if (option.kind === "style") return chooseStyle(target, option.name, start, end);
  const text = option.kind === "tag" ? spelt(option.insert) : option.insert;
  const added = text + separator(option.kind, value.slice(end));
  change(target, { text: value.slice(0, start) + added + value.slice(end) }, [start + added.length, start + added.length]);
}

// A style is chosen in its list; what was typed of its name goes.
function chooseStyle(target, name, start, end) {
  const styles = chosenStyles(target);
  const text = (target.value.slice(0, start) + target.value.slice(end)).replace(/,?\s*$/, "");
  change(target, { text, styles: styles.includes(name) ? styles : [...styles, name] }, [Math.min(start, text.length), Math.min(start, text.length)]);
}

// Of a list with underscores for spaces; brackets of names would be weights.
function spelt(tag) {
  const words = state.preferences.tag_underscores ? tag : tag.replaceAll("_", " ");
  return words.replace(/[()[\]]/g, "\\$&");
}

const separator = (kind, rest) => (["tag", "word", "embedding"].includes(kind) && state.preferences.complete_comma && !/^\s*,/.test(rest) ? ", " : "");
