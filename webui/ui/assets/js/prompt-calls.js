// What prompts call: whether a model is called in those of a form, and calling it or taking the call out, as one step that can be
// undone.

import { boxOf } from "./prompt-boxes.js";
import { change } from "./prompt-undo.js";

const NAMES = ["prompt", "negative_prompt"];
const last = {}; // by tab: which of the two had the focus last

export function watchFocus(tab) {
  document.addEventListener("focusin", ({ target }) => {
    const name = NAMES.find((each) => boxOf(tab, each) === target);
    if (name) last[tab] = name;
  });
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const stem = ({ path }) => path.split(/[\\/]/).pop().replace(/\.[^.]+$/, "");

// Tags may have further arguments, and the name may be any that the file has. Where another file has the same, it is called by
// its path.
function pattern(entry) {
  const { adds, alias, name } = entry;
  const names = [...new Set([adds.name, alias, name, adds.name.includes("/") ? "" : stem(entry)].filter(Boolean))].map(escaped).join("|");
  if (entry.kind === "lora") return `<(?:lora|lyco):(?:${names})(?::[^<>]*)?>`;
  if (entry.kind === "hypernetwork") return `<hypernet:(?:${names})(?::[^<>]*)?>`;
  return `(?<![\\p{L}\\p{N}_])(?:${names})(?![\\p{L}\\p{N}_])`;
}

const found = (entry, text) => new RegExp(pattern(entry), "iu").test(text);
const textsOf = (tab) => NAMES.map((name) => boxOf(tab, name)?.value ?? "");

export const isCalled = (tab, entry) => textsOf(tab).some((text) => found(entry, text));

export function press(tab, entry) {
  const [prompt, negative] = textsOf(tab);
  const called = isCalled(tab, entry);
  const [first, second] = called ? [without(prompt, entry, entry.adds.prompt), without(negative, entry, entry.adds.negative)] : added(tab, entry, prompt, negative);
  const box = boxOf(tab, second === negative || first !== prompt ? "prompt" : "negative_prompt");
  const end = (box === boxOf(tab, "prompt") ? first : second).length;
  change(box, { prompt: first, negative_prompt: second }, [end, end]);
}

// An embedding of which nothing is noted goes where somebody typed last.
function added(tab, entry, prompt, negative) {
  const { prompt: one, negative: other, separator } = entry.adds;
  if (entry.kind === "embedding" && !other && last[tab] === "negative_prompt") return [prompt, join(negative, one, separator)];
  return [join(prompt, one, separator), join(negative, other, separator)];
}

function join(text, more, separator) {
  if (!more) return text;
  return text.trim() ? text.replace(/\s+$/, "") + separator + more : more;
}

// What was added goes as a whole where it stands as it was added; else the call alone, whatever its weight is now.
function without(text, entry, whole) {
  const rest = whole.startsWith(entry.adds.tag) ? whole.slice(entry.adds.tag.length) : "";
  const call = `${entry.kind === "embedding" ? "[\\s,]*" : "\\s*"}${pattern(entry)}`;
  const together = new RegExp(call + escaped(rest), "iu");
  if (rest && together.test(text)) return tidy(text.replace(together, ""));
  const own = new RegExp(`[\\s,]*(?<![\\p{L}\\p{N}_])${escaped(whole)}(?![\\p{L}\\p{N}_])`, "u"); // no part of another word
  if (whole && !rest && own.test(text)) return tidy(text.replace(own, ""));
  return found(entry, text) ? tidy(text.replace(new RegExp(call, "iu"), "")) : text;
}

const tidy = (text) => text.replace(/^[\s,]+/, "").trimEnd();
