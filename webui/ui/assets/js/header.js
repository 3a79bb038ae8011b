// The sentence about the chosen model, and the footer.

import { button, h } from "./dom.js";
import { showKeys } from "./keys.js";
import { viewChoice } from "./simple.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const noteHosts = []; // one in every form
let note = "";

export function mountModelNote(host) {
  noteHosts.push(host.appendChild(h("p", { class: "model-note" })));
  setNote(note);
}

// "{models}" in the text becomes the way to the models that can be had.
export function setNote(text) {
  note = text;
  for (const host of noteHosts) drawNote(host, text);
}

// Of a model that cannot be used nothing is said, but the sentence keeps its room: nothing below it moves.
export function hideNote() {
  for (const host of noteHosts) host.style.visibility = "hidden";
}

function drawNote(noteHost, text) {
  noteHost.style.visibility = "";
  const [before, after] = text.split("{models}");
  const link = after !== undefined && button(t("model.link"), null, async () => (await import("./models.js")).showModels("get"), { class: "plain-button link inline model-note-link" });
  noteHost.replaceChildren(...[before, link, after].filter(Boolean));
  noteHost.hidden = !text;
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
  const keys = button(t("keys.link"), null, showKeys, { class: "plain-button link inline", id: "show_keys" });
  const label = h("label", {}, t("footer.theme"), " ", select);
  host.replaceChildren(h("footer", { class: "foot" }, h("span", {}, `${t("name")} ${window.periplusConfig?.version ?? ""}`), api, keys, viewChoice(), languageChoice(), label));
}

// Each browser has its own: the server reads the cookie when it sends the page.
function languageChoice() {
  const { name, known, cookie } = window.periplusConfig.language;
  const choose = () => {
    document.cookie = `${cookie}=${encodeURIComponent(select.value)}; path=/; max-age=31536000; SameSite=Lax`;
    location.reload();
  };
  const select = h("select", { id: "language", onchange: choose }, ...known.map((each) => h("option", { value: each }, each)));
  select.value = name;
  return h("label", { class: "foot-language" }, t("footer.language"), " ", select);
}

export function applyLanguage() {
  const { code, direction } = window.periplusConfig.language;
  document.documentElement.lang = code || "und";
  document.documentElement.dir = direction;
}
