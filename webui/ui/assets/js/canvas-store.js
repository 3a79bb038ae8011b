// Pictures and drawings of this browser tab, kept over a reload. A new browser tab begins with what the latest one had.

import { pageId } from "./page.js";

const PAGES = "periplus.canvas.pages"; // in localStorage: the browser tabs whose pictures are kept, the latest first
const KEPT_PAGES = 4;
const FORM = 2; // of what is kept; anything of another form is forgotten

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("periplus", FORM);
    request.onupgradeneeded = () => {
      if (request.result.objectStoreNames.contains("canvas")) request.result.deleteObjectStore("canvas");
      request.result.createObjectStore("canvas");
    };
    request.onblocked = () => reject(new Error("blocked")); // by a page of an earlier version, which does not let go of it
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function ask(mode, question) {
  const store = (await database()).transaction("canvas", mode).objectStore("canvas");
  const request = question(store);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

const pages = () => JSON.parse(localStorage.getItem(PAGES) ?? "[]");
const keyOf = (page, name) => `${page}/${name}`;

// What was kept under that name, or undefined; also where the browser forbids to keep anything.
export async function load(name) {
  const page = pages().includes(pageId) ? pageId : pages()[0];
  if (!page) return undefined;
  try {
    return await ask("readonly", (store) => store.get(keyOf(page, name)));
  } catch {
    return undefined;
  }
}

const waiting = new Map(); // by name: the latest value that is not written yet
let writing = null;

// Values may come faster than they can be written: then only the latest is.
export function save(name, give) {
  waiting.set(name, give);
  writing ??= writeAll().finally(() => (writing = null));
}

async function writeAll() {
  while (waiting.size) {
    const [[name, give]] = waiting;
    waiting.delete(name);
    try {
      const value = await give();
      await claim();
      await ask("readwrite", (store) => store.put(value, keyOf(pageId, name)));
    } catch {
      // A full or forbidden store: what is drawn lives until the page is left.
    }
  }
}

// The first thing that a page keeps: it takes over what it began with, and the oldest pages are forgotten.
async function claim() {
  const known = pages();
  if (known[0] === pageId) return;
  if (!known.includes(pageId) && known.length) await copyFrom(known[0]);
  const [kept, old] = [[pageId, ...known.filter((page) => page !== pageId)], known.filter((page) => page !== pageId).slice(KEPT_PAGES - 1)];
  localStorage.setItem(PAGES, JSON.stringify(kept.slice(0, KEPT_PAGES)));
  for (const page of old) await ask("readwrite", (store) => store.delete(IDBKeyRange.bound(`${page}/`, `${page}/\uffff`)));
}

async function copyFrom(page) {
  const range = IDBKeyRange.bound(`${page}/`, `${page}/\uffff`);
  const keys = await ask("readonly", (store) => store.getAllKeys(range));
  for (const key of keys) {
    const value = await ask("readonly", (store) => store.get(key));
    await ask("readwrite", (store) => store.put(value, pageId + key.slice(page.length)));
  }
}

// When all that was changed so far is written.
export const written = async () => writing;
