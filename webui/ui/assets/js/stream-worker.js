// One connection for all tabs: a browser allows six to a server, and a stream holds one for as long as its page is open.
// This runs once beside them, follows the stream, and tells each tab; a tab that comes later is first told how things stand.

import { follow } from "./source.js";
import { apply, asEvents, reset, state } from "./state.js";

const ports = new Set();

state.online = false;

function take(message) {
  if (message.type === "begin") reset();
  else apply(message);
  state.online = message.type !== "lost";
  for (const port of ports) port.postMessage(message);
}

// Beside the page's own files, however deep in their folder this one lies.
const [server] = self.location.href.split("webui-assets/");
const source = follow(`${server}api/v1/events`, take);

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data === "retry") source.open();
    if (data === "bye") ports.delete(port);
    if (data === "ping") port.postMessage({ type: "pong" });
  };
  ports.add(port);
  port.postMessage({ type: "pong" });
  if (state.online) for (const event of [{ type: "begin" }, ...asEvents()]) port.postMessage(event);
  else source.hurry(); // whoever opens a page wants to know now
};
