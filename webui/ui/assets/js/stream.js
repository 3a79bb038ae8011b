// How this page follows what happens: through the one connection of all its tabs, or where the browser cannot share one,
// through a connection of its own that it lets go while nobody sees it.

import { follow } from "./source.js";
import { apply, changed, reset, settingsForgotten, state } from "./state.js";
import { post } from "./notices.js";

const PATIENCE_MS = 10_000; // for the shared connection to answer at all
const ASLEEP_MS = 15_000; // out of sight for so long, a phone may have ended a connection without telling

const FILES = ["checkpoint", "vae", "lora", "embedding", "hypernetwork", "upscaler"];

let end = null; // lets go of what connect made
let retry = null;
let begun = false;

export function connect() {
  end?.();
  try {
    share();
  } catch {
    connectAlone();
  }
}

function share() {
  // By version, so that the tabs of an updated page do not follow through the former one's code.
  const name = `periplus ${window.periplusConfig?.version ?? ""}`;
  const worker = new SharedWorker(new URL("./stream-worker.js", import.meta.url), { type: "module", name });
  let heard = null; // null: nothing yet; a browser may also end the worker without telling
  const timer = setInterval(() => {
    if (!heard) return heard === null ? connectInstead() : connect();
    heard = false;
    worker.port.postMessage("ping");
  }, PATIENCE_MS);
  worker.onerror = connectInstead;
  worker.port.onmessage = ({ data }) => {
    heard = true;
    take(data);
  };
  retry = () => worker.port.postMessage("retry");
  end = () => {
    clearInterval(timer);
    worker.onerror = worker.port.onmessage = null;
    worker.port.postMessage("bye");
    worker.port.close();
  };
}

function connectInstead() {
  end();
  connectAlone();
}

function connectAlone() {
  const source = follow(url("api/v1/events"), take);
  const follows = () => (document.hidden ? source.close() : source.open());
  document.addEventListener("visibilitychange", follows);
  retry = source.open;
  end = () => {
    document.removeEventListener("visibilitychange", follows);
    source.close();
  };
}

function take(event) {
  if (event.type === "notice") return post(event.text, event.level);
  if (event.type === "models") return document.dispatchEvent(new CustomEvent("periplus:models", { detail: event.kinds }));
  if (event.type === "settings") return settingsTold(event);
  if (event.type === "begin") reset();
  if (event.type === "begin" || event.type === "lost") state.online = event.type === "begin";
  if (event.type === "begin" || event.type === "lost") changed();
  else apply(event);
  if (event.type === "begin") begin();
}

// What came or went while there was no connection is told by nobody.
function begin() {
  if (begun) document.dispatchEvent(new CustomEvent("periplus:models", { detail: FILES }));
  begun = true;
}

// A stream begins with the version alone: is it another one than is known here, settings were changed and nobody told. Where an
// earlier change could not be asked for, the next one says too little.
function settingsTold(event) {
  const known = state.settingsVersion ?? event.version;
  const incomplete = settingsForgotten();
  apply(event);
  if (Object.keys(event.values).length && !incomplete) settingsChanged(event.values);
  else if (event.version !== known) settingsChanged(null);
}

// `values` by name; null: some may have changed, and nobody knows which.
function settingsChanged(values) {
  state.settingsChanged = true;
  for (const name of Object.keys(values ?? {})) if (name in state.preferences) state.preferences[name] = values[name];
  changed();
  document.dispatchEvent(new CustomEvent("periplus:settings-changed", { detail: values }));
}

window.addEventListener("online", () => retry?.());
const phone = window.matchMedia("(pointer: coarse)"); // a machine that slept is known by its clock: source.js
let left = Infinity; // when this page was last put out of sight, by the clock: others stop while a machine sleeps
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && phone.matches && Date.now() - left > ASLEEP_MS) retry?.();
  left = document.hidden ? Date.now() : Infinity;
});
// A page that comes out of the browser's back/forward cache has lost its stream; one that goes in lets go of it.
window.addEventListener("pageshow", (event) => event.persisted && connect());
window.addEventListener("pagehide", () => end?.());

// An address of this server, also where the page lies below a path of its own behind a proxy.
export const url = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

export async function ask(path, method = "POST") {
  const response = await fetch(url(path), { method });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(body.detail || body.error || `HTTP ${response.status}`);
  }
}
