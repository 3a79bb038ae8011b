// What is being typed at the caret, and may be completed. Nothing here knows of the page.

const TAG = /<(?:(lora|lyco|hypernet):)?([^<>:,\n]*)$/i;
const WILDCARD = /(?:^|[^\w])__((?:(?!__)[\w*./ -])*(?:(?!__)[\w*./-])|)$/; // begun and not ended
const WORD = /[^,\n()[\]{}|<>:]*$/;
const KINDS = { lora: ["lora"], lyco: ["lora"], hypernet: ["hypernetwork"] };
const BY_WORD = ["embedding", "lora", "style", "tag", "hypernetwork"];
const LEAST = 2; // letters of a word; of a tag or a wildcard none are needed
const FEW = 3; // words that a name may have

// [{kinds, text, start, end}]: the second is asked where the first has no answer. `start` to `end` is what a name replaces.
export function wordsAt(value, caret) {
  const line = value.slice(0, caret);
  if (/#[^\n]*$/.test(line)) return []; // a comment
  const tag = TAG.exec(line);
  if (tag) return [{ kinds: KINDS[tag[1]?.toLowerCase()] ?? ["lora", "hypernetwork"], text: tag[2], start: tag.index, end: caret + restOfTag(value.slice(caret)) }];
  const wildcard = WILDCARD.exec(line);
  if (wildcard) return [{ kinds: ["wildcard"], text: wildcard[1], start: caret - wildcard[1].length - 2, end: caret + restOfWildcard(value.slice(caret)) }];
  if (/^\w/.test(value.slice(caret))) return []; // in the middle of a word
  const phrase = WORD.exec(line)[0].trimStart();
  const last = /\S+$/.exec(phrase)?.[0] ?? "";
  const few = phrase.trimEnd().split(/\s+/).length <= FEW && phrase === phrase.trimEnd();
  const texts = [...new Set([few ? phrase : "", last])].filter((text) => text.length >= LEAST && /[^\d.]/.test(text));
  return texts.map((text) => ({ kinds: BY_WORD, text, start: caret - text.length, end: caret }));
}

const restOfWildcard = (rest) => /^[\w*./-]*?__/.exec(rest)?.[0].length ?? 0;
const restOfTag = (rest) => /^[^<>,\n]*>/.exec(rest)?.[0].length ?? /^[^\s<>,:]*/.exec(rest)[0].length;
