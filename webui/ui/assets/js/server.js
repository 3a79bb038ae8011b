// Asking the server: JSON there and back; what is refused comes as an error with the server's words and, if it has one, its field.

import { state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// `body`: what becomes JSON, or a file as it is. `others`: further headers.
export async function request(method, path, body, signal, others = {}) {
  if (!state.online && method !== "GET") throw refused(t("notice.offline"));
  const json = body === undefined || body instanceof Blob ? { body } : { body: JSON.stringify(body) };
  const headers = typeof json.body === "string" ? { "Content-Type": "application/json", ...others } : others;
  const response = await fetch(url(path), { method, signal, headers, ...json }).catch((error) => {
    throw error.name === "AbortError" ? error : refused(t("notice.offline"));
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw refused(answer?.detail || answer?.error || `HTTP ${response.status}`, answer?.field ?? null);
  return answer;
}

// A function of the page's own (webui/ui/library.py), which answers {error} where it cannot do what is asked.
export async function call(name, ...values) {
  const { data } = await request("POST", `gradio_api/run/${name}`, { data: values });
  if (data[0]?.error) throw refused(data[0].error, data[0].field ?? null);
  return data[0];
}

function refused(message, field = null) {
  return Object.assign(new Error(message), { field });
}

// A model's name may lie in folders: its parts are encoded, its slashes stay.
export const modelPath = (kind, name) => `api/v1/models/${kind}/${name.split("/").map(encodeURIComponent).join("/")}`;
