// The one event stream of this page. It begins with how things stand, so reconnecting needs nothing else.

import { apply, changed, reset, state } from "./state.js";
import { post } from "./notices.js";

const WAITS = [500, 1000, 2000, 4000]; // milliseconds between tries; a server that restarts is found soon

let source = null;
let failures = 0;
let timer = null;

export function connect() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource(url("api/v1/events"));
  let fresh = true;
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (fresh) {
      fresh = false;
      failures = 0;
      state.online = true;
      reset();
    }
    if (event.type === "notice") post(event.text, event.level);
    else apply(event);
  };
  source.onerror = () => {
    // Its own way of reconnecting gives up for good at some errors, a server that is just starting among them.
    source.close();
    state.online = failures < 1 && state.online;
    changed();
    timer = setTimeout(connect, WAITS[Math.min(failures++, WAITS.length - 1)]);
  };
}

window.addEventListener("online", connect);
// A page that comes out of the browser's back/forward cache has lost its stream; one that goes in frees its connection.
window.addEventListener("pageshow", (event) => event.persisted && connect());
window.addEventListener("pagehide", () => source?.close());

// An address of this server, also where the page lies below a path of its own behind a proxy.
export const url = (path) => new URL(path.replace(/^\//, ""), document.baseURI).href;

export async function ask(path, method = "POST") {
  const response = await fetch(url(path), { method });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(body.detail || body.error || `HTTP ${response.status}`);
  }
}
