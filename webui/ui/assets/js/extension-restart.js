// Starting the program anew from the page, which waits for it and comes back where it was.

import { h, setText } from "./dom.js";
import { ask } from "./extension-asking.js";
import { showTab } from "./form.js";
import { whenReady } from "./ready.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const BACK = "periplus.extensions.back";
const LOOK_MS = 500;
const PATIENCE_MS = 180_000;

// `tab`: the one that is shown afterwards.
export async function restart(tab = "extensions") {
  const { restarting, run } = await ask("POST", "restart");
  if (!restarting) throw new Error(t("ext.restart.impossible"));
  const words = h("p", { role: "status" }, t("ext.restart.waiting"));
  const cover = document.body.appendChild(h("div", { id: "restarting" }, h("div", { class: "sheet-like" }, h("span", { class: "bar active unsure" }, h("span", { class: "bar-fill" })), words)));
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const now = await request("GET", "api/v1/extensions").catch(() => null);
    if (now && now.run !== run) {
      sessionStorage.setItem(BACK, tab);
      return location.reload();
    }
  }
  setText(words, t("ext.restart.lost"));
  cover.addEventListener("click", () => location.reload());
}

// After that, to the tab that was asked for.
export function comeBack() {
  const tab = sessionStorage.getItem(BACK);
  if (!tab) return;
  sessionStorage.removeItem(BACK);
  whenReady(() => showTab(tab));
}
