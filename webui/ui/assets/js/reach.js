// Before anything is asked of the server: is it there? Gradio answers a request that reaches nothing with a message of its
// own that stays, and loads the whole page anew when the server is back.

import { h } from "./dom.js";
import { post } from "./notices.js";
import { onChange, state } from "./state.js";
import { t } from "./texts.js";

// Controls of Gradio's that ask the server.
const ASKING = "[id$=_generate], [id$=_style_apply], #refresh_models, #txt2img_checkpoint, #txt2img_vae, #settings input, #bridge_model";

export function reachable() {
  if (!state.online) post(t("notice.offline"), "warning");
  return state.online;
}

// A part of the page whose script is fetched when it is first seen: mounts it in `host`. Without a connection its place tells so,
// and is drawn once there is one.
export const later = (load, name, { tells = true } = {}) => async (host, ...given) => {
  const page = await load().catch(async () => {
    if (tells) host.replaceChildren(h("p", { class: "subdued out-of-reach" }, t("state.offline_tab")));
    await connection();
    const fetched = await load();
    host.replaceChildren();
    return fetched;
  });
  return page[name](host, ...given);
};

// Whoever finds the program gone may be the first to notice.
function connection() {
  let lost = !state.online;
  return new Promise((resolve) => onChange(() => {
    lost ||= !state.online;
    if (lost && state.online) resolve();
  }));
}

export function guardRequests() {
  for (const kind of ["mousedown", "click"]) {
    document.addEventListener(kind, (event) => hold(event), true);
  }
}

function hold(event) {
  if (state.online || !event.target.closest?.(ASKING)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "click") reachable();
}
