// The engine's state in the header, the sentence about the chosen model, and the footer.

import { coalesce, h, setText } from "./dom.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

let noteHost = null;
let note = "";

export function mountEngine(host) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const words = h("span");
  const device = h("span", { class: "device" });
  const line = h("p", { class: "engine" }, dot, h("span", { class: "engine-words" }, words, device));
  host.replaceChildren(line);
  const draw = coalesce(() => {
    const engine = state.engine;
    const kind = state.online ? (engine?.state ?? "starting") : "offline";
    dot.className = `dot dot-${kind}`;
    setText(words, t(`engine.${kind}`));
    setText(device, engine ? deviceWords(engine) : "");
    line.title = engine?.text || [words.textContent, engine?.device].filter(Boolean).join(" · ");
  });
  onChange(draw);
  draw();
}

function deviceWords({ device, memory_total: total, memory_free: free }) {
  if (!total) return device;
  const memory = t("engine.memory", { used: ((total - free) / 1e9).toFixed(1), total: (total / 1e9).toFixed(0) });
  return [device.length > 14 ? "" : device, memory].filter(Boolean).join(" ");
}

export function mountModelNote(host) {
  noteHost = host.appendChild(h("p", { class: "model-note" }));
  setNote(note);
}

export function setNote(text) {
  note = text;
  if (noteHost) {
    setText(noteHost, text);
    noteHost.hidden = !text;
  }
}

// ---- footer

const THEME = "periplus.theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const chosenTheme = () => localStorage.getItem(THEME) ?? "system";

export function applyTheme() {
  const theme = chosenTheme();
  document.body.classList.toggle("dark", theme === "dark" || (theme === "system" && prefersDark.matches));
}

prefersDark.addEventListener("change", applyTheme);

export function mountFooter(host) {
  const options = ["system", "light", "dark"].map((name) => h("option", { value: name }, t(`footer.theme.${name}`)));
  const select = h("select", { id: "theme", onchange: () => (localStorage.setItem(THEME, select.value), applyTheme()) }, ...options);
  select.value = chosenTheme();
  const api = h("a", { href: url("docs"), target: "_blank", rel: "noopener" }, t("footer.api"));
  const label = h("label", {}, t("footer.theme"), " ", select);
  host.replaceChildren(h("footer", { class: "foot" }, h("span", {}, `${t("name")} ${window.periplusConfig?.version ?? ""}`), api, label));
}
