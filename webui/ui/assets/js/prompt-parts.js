// Alt+← and Alt+→: the part between commas (or lines) that the caret is in changes places with its neighbour. Brackets are
// parts as a whole; inside brackets that hold several parts these move.

import { around, pairs } from "./prompt-brackets.js";

const WEIGHT = /:\s*[+-]?[.\d]+\s*$/;

// `step`: 1 or -1. Returns {text, start, end}, or null where there is nothing to change places with.
export function movedPart(text, start, end, step) {
  const regions = [...around(text, start, end).filter(({ kind }) => kind !== "<").map((pair) => inside(text, pair)), [0, text.length]];
  for (const [from, to] of regions) {
    const parts = split(text, from, to).filter(([first, last]) => first < last);
    const at = parts.findIndex(([first, last]) => first <= end && start <= last);
    if (parts.length < 2 || at < 0) continue;
    const other = at + step;
    return parts[other] ? exchanged(text, parts[at], parts[other], start, end) : null;
  }
  return null;
}

function inside(text, { kind, open, close }) {
  const weight = kind === "(" ? WEIGHT.exec(text.slice(open + 1, close)) : null;
  return [open + 1, close - (weight?.[0].length ?? 0)];
}

// [first, last] of each part without the spaces round it.
function split(text, from, to) {
  const hidden = pairs(text).filter(({ open, close }) => from <= open && close < to);
  const cuts = [];
  for (let at = from; at < to; at++) {
    const pair = hidden.find(({ open }) => open === at);
    if (pair) at = pair.close;
    else if (text[at] === "," || text[at] === "\n") cuts.push(at);
  }
  return [...cuts, to].map((cut, index) => {
    const first = index ? cuts[index - 1] + 1 : from;
    const part = text.slice(first, cut);
    return part.trim() ? [first + part.length - part.trimStart().length, cut - part.length + part.trimEnd().length] : [first, first];
  });
}

function exchanged(text, own, other, start, end) {
  const [[a, b], [c, d]] = own[0] < other[0] ? [own, other] : [other, own];
  const changed = text.slice(0, a) + text.slice(c, d) + text.slice(b, c) + text.slice(a, b) + text.slice(d);
  const place = own[0] < other[0] ? d - (b - a) : a;
  const moved = (at) => place + Math.min(Math.max(at - own[0], 0), own[1] - own[0]);
  return { text: changed, start: moved(start), end: moved(end) };
}
