// Before anything is asked of the server: is it there? Gradio answers a request that reaches nothing with a message of its
// own that stays, and loads the whole page anew when the server is back.

import { post } from "./notices.js";
import { state } from "./state.js";
import { t } from "./texts.js";

// Controls of Gradio's that ask the server.
const ASKING = "[id$=_generate], [id$=_style_apply], #refresh_models, #txt2img_checkpoint, #txt2img_vae, #settings input, #bridge_model";

export function reachable() {
  if (!state.online) post(t("notice.offline"), "warning");
  return state.online;
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
