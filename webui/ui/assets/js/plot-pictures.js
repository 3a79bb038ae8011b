// The pictures of a plot, small enough that a thousand of them fit: each is fetched once, those in view first, a few at a time.
// The large one of a cell is fetched when it is drawn large, and let go when others need the room.

import { url } from "./stream.js";

const AT_ONCE = 4;
const SMALL = 192; // pixels of the longer side
const TINY = 64; // where there are more cells than this many small pictures are good for
const MANY = 2500;
const LARGE_BUDGET = 48e6; // pixels in memory

// `arrived()` is called when something can be drawn that could not before.
export function pictureStore(arrived) {
  const small = new Map(); // by address: an ImageBitmap, or null for one that cannot be had
  const large = new Map();
  const asked = new Map(); // by kind and address: what is to be fetched, the last asked first
  let running = 0;
  let held = 0;

  // What there is to draw of a picture at `pixels` of the device, and a wish for what there is not.
  function best({ picture, small: address, width, height }, pixels, count) {
    const side = count > MANY ? TINY : SMALL;
    const sharp = pixels > side * 1.25 && Math.max(width, height) > side;
    if (sharp) {
      const found = large.get(picture);
      if (found) {
        large.delete(picture);
        large.set(picture, found); // used last, let go last
        return found;
      }
      if (found === undefined) wish("large", picture, picture);
    }
    const found = small.get(picture);
    if (found === undefined) wish("small", picture, Math.max(width, height) > side ? `${address}?size=${side}` : picture);
    return found ?? null;
  }

  function wish(kind, picture, address) {
    const key = `${kind} ${picture}`;
    if (asked.get(key)?.begun) return;
    asked.delete(key);
    asked.set(key, { kind, picture, address, begun: false });
    pump();
  }

  function pump() {
    while (running < AT_ONCE) {
      const next = [...asked.values()].reverse().find((wanted) => !wanted.begun && wanted.kind === "small") ?? [...asked.values()].reverse().find((wanted) => !wanted.begun);
      if (!next) return;
      next.begun = true;
      running++;
      fetchOne(next).finally(() => {
        asked.delete(`${next.kind} ${next.picture}`);
        running--;
        arrived();
        pump();
      });
    }
  }

  async function fetchOne({ kind, picture, address }) {
    const bitmap = await load(address).catch(() => null);
    if (kind === "small") return void small.set(picture, bitmap);
    large.set(picture, bitmap);
    held += bitmap ? bitmap.width * bitmap.height : 0;
    for (const [key, old] of large) {
      if (held <= LARGE_BUDGET || key === picture) break;
      held -= old ? old.width * old.height : 0;
      old?.close();
      large.delete(key);
    }
  }

  function clear() {
    asked.clear();
    for (const table of [small, large]) {
      for (const bitmap of table.values()) bitmap?.close();
      table.clear();
    }
    held = 0;
  }

  return { best, clear, waiting: () => asked.size };
}

async function load(address) {
  const response = await fetch(url(address));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return createImageBitmap(await response.blob());
}
