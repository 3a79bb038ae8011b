// Ctrl+↑ and Ctrl+↓: the weight of what is selected, else of the brackets or the tag round the caret, else of the word there.
// Nothing here knows of the page: texts in, texts out.

import { around, isWhole, pairs } from "./prompt-brackets.js";

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/;
const WEIGHTED = /^(.*):\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$/s;
const PLAIN = 1.1; // a pair of brackets without a number

// `up`: 1 or -1. `options`: {step, tagStep, delimiters}. Returns {text, start, end}, or null where there is nothing to weigh.
export function weighted(text, start, end, up, { step, tagStep, delimiters }) {
  const change = { block: up * step, tag: up * tagStep };
  if (start < end) return ofSelection(text, ...trimmed(text, start, end), change);
  const block = around(text, start, end).find((pair) => pair.kind === "<" || factorOf(text, pair) !== null);
  if (block) return ofPair(text, block, start, end, change);
  const [from, to] = wordAt(text, start, delimiters);
  return from < to ? replaced(text, from, to, enclosed(text.slice(from, to), 1, change.block), start, end) : ofEnded(text, start, change);
}

// What ends where the caret stands, as after a name was completed.
function ofEnded(text, caret, change) {
  const ended = pairs(text).find((pair) => pair.close + 1 === caret && (pair.kind === "<" || factorOf(text, pair) !== null));
  const found = ended && ofPair(text, ended, ended.open + 1, ended.open + 1, change);
  const place = found && found.text.length - (text.length - caret);
  return found ? { ...found, start: place, end: place } : null;
}

const ofPair = (text, pair, start, end, change) => (pair.kind === "<" ? ofTag(text, pair, start, change.tag) : ofBlock(text, outermost(text, pair), start, end, change.block));

function trimmed(text, start, end) {
  const part = text.slice(start, end);
  return part.trim() ? [start + part.length - part.trimStart().length, end - part.length + part.trimEnd().length] : [start, end];
}

function ofSelection(text, start, end, change) {
  const part = text.slice(start, end);
  if (!part.trim() || !isWhole(part)) return null;
  const found = pairs(text).find((pair) => isSelected(text, pair, start, end));
  if (found) return ofPair(text, found, start, end, change);
  return replaced(text, start, end, enclosed(part, 1, change.block), start, end);
}

// The brackets themselves are selected, or all that is weighed in them.
function isSelected(text, pair, start, end) {
  const { from, to } = contentOf(text, pair);
  const itself = pair.open === start && pair.close + 1 === end;
  return pair.kind === "<" ? itself : factorOf(text, pair) !== null && (itself || (from === start && to === end));
}

// What a pair of brackets holds without its number, and the number.
function contentOf(text, { kind, open, close }) {
  const inner = text.slice(open + 1, close);
  const found = kind === "(" ? WEIGHTED.exec(inner) : null;
  return { from: open + 1, to: open + 1 + (found ? found[1].length : inner.length), number: found ? Number(found[2]) : null };
}

// The weight that a pair gives to what it holds; null: it is no weight but a schedule, an alternation or a wildcard.
function factorOf(text, pair) {
  const { number } = contentOf(text, pair);
  if (pair.kind === "(") return number ?? PLAIN;
  if (pair.kind !== "[") return null;
  const inside = pairs(text).filter(({ open, close }) => pair.open < open && close < pair.close);
  const hidden = (at) => inside.some(({ open, close }) => open < at && at < close);
  const own = text.slice(0, pair.close).split("").some((character, at) => at > pair.open && "|:".includes(character) && !hidden(at));
  return own ? null : 1 / PLAIN;
}

// ((x)) and [[x]] are one weight: what stands directly round the pair belongs to it.
function outermost(text, pair) {
  const all = pairs(text);
  const directly = (one, other) => other.open === one.open - 1 && other.close === one.close + 1 && other.kind === one.kind && factorOf(text, other) !== null;
  let inner = pair, outer = pair, factor = factorOf(text, pair);
  for (let next; (next = all.find((other) => directly(outer, other))); outer = next) factor *= factorOf(text, next);
  for (let next; contentOf(text, inner).number === null && (next = all.find((other) => directly(other, inner))); inner = next) factor *= factorOf(text, next);
  return { outer, inner, factor };
}

function ofBlock(text, { outer, inner, factor }, start, end, change) {
  const { from, to } = contentOf(text, inner);
  const [first, last] = [start, end].map((at) => outer.open + Math.min(Math.max(at, from), to) - from);
  return replaced(text, outer.open, outer.close + 1, enclosed(text.slice(from, to), factor, change), first, last);
}

// What is put in the place of a part: as many characters as stand `before` its content the caret moves.
function enclosed(content, weight, change) {
  const number = sum(weight, change);
  return number === "1" ? { before: "", text: content } : { before: "(", text: `(${content}:${number})` };
}

// In as many digits as the change has, and at least two: an old ((x)) weighs 1.21.
function sum(weight, change) {
  const digits = Math.max(2, String(change).split(".")[1]?.length ?? 0);
  return String(Number((Number(weight.toFixed(digits)) + change).toFixed(digits)));
}

function replaced(text, from, to, { before, text: given }, start, end) {
  const moved = (at) => at + before.length;
  return { text: text.slice(0, from) + given + text.slice(to), start: moved(start), end: moved(end) };
}

// A tag's weights are the numbers behind its name: of <lora:name:0.8:0.5> both change.
function ofTag(text, { open, close }, caret, change) {
  const [kind, name, ...rest] = text.slice(open + 1, close).split(":");
  const count = rest.findIndex((part) => !NUMBER.test(part));
  const weights = Math.min(2, count < 0 ? rest.length : count);
  if (!weights && rest.some((part) => !part.includes("="))) return null; // weights by step, say
  const numbers = weights ? rest.map((part, at) => (at < weights ? sum(Number(part), change) : part)) : [sum(1, change), ...rest];
  const tag = `<${[kind, name, ...numbers].join(":")}>`;
  const place = Math.min(caret, open + tag.length - 1);
  return { text: text.slice(0, open) + tag + text.slice(close + 1), start: place, end: place };
}

function wordAt(text, caret, delimiters) {
  const ends = (at) => delimiters.includes(text[at]) || "<>[]|".includes(text[at]);
  let from = caret, to = caret;
  while (from > 0 && !ends(from - 1)) from--;
  while (to < text.length && !ends(to)) to++;
  return [from, to];
}
