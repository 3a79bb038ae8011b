// Which brackets of a prompt belong together, as the keys that edit it need to know. What has no partner is plain text; a
// backslash makes plain text of the bracket behind it.

const CLOSING = { "(": ")", "[": "]", "{": "}" };
const TAG = /<\w+:[^<>\n]*>/y;

// [{kind, open, close}] by their place, tags `<lora:…>` with kind "<".
export function pairs(text) {
  const found = [];
  const opened = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    TAG.lastIndex = at;
    if (character === "\\") at++;
    else if (character === "<" && TAG.test(text)) {
      found.push({ kind: "<", open: at, close: TAG.lastIndex - 1 });
      at = TAG.lastIndex - 1;
    } else if (character in CLOSING) opened.push(at);
    else if (Object.values(CLOSING).includes(character)) {
      const place = opened.findLastIndex((open) => CLOSING[text[open]] === character);
      if (place >= 0) found.push({ kind: text[opened[place]], open: opened[place], close: at });
      if (place >= 0) opened.length = place;
    }
  }
  return found.sort((one, other) => one.open - other.open);
}

// Those that hold the whole of start to end, the innermost first.
export const around = (text, start, end) => pairs(text).filter(({ open, close }) => open < start && end <= close).reverse();

// Whether every bracket in it has its partner in it.
export function isWhole(text) {
  const plain = text.replace(/\\./gs, "").replace(/<\w+:[^<>\n]*>/g, "");
  return pairs(text).filter(({ kind }) => kind !== "<").length * 2 === plain.replace(/[^()[\]{}]/g, "").length;
}
