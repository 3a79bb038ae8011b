// Starting the program anew from the page, which waits for it and comes back where it was.

import { h, setText } from "./dom.js";
import { ask } from "./extension-asking.js";
import { showTab } from "./form.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const BACK = "periplus.extensions.back";
const LOOK_MS = 500;
const PATIENCE_MS = 180_000;

export async function restart() {
  const { restarting, run } = await ask("POST", "restart");
  if (!restarting) throw new Error(t("ext.restart.impossible"));
  const words = h("p", { role: "status" }, t("ext.restart.waiting"));
  const cover = document.body.appendChild(h("div", { id: "restarting" }, h("div", { class: "sheet-like" }, h("span", { class: "bar active unsure" }, h("span", { class: "bar-fill" })), words)));
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const now = await request("GET", "api/v1/extensions").catch(() => null);
    if (now && now.run !== run) {
      sessionStorage.setItem(BACK, "1");
      return location.reload();
    }
  }
  setText(words, t("ext.restart.lost"));
  cover.addEventListener("click", () => location.reload());
}

// After that, to the tab from which it was asked for.
export function comeBack() {
  if (!sessionStorage.getItem(BACK)) return;
  sessionStorage.removeItem(BACK);
  const root = document.documentElement;
  const watch = new MutationObserver(() => {
    if (root.dataset.periplus !== "ready") return;
    watch.disconnect();
    showTab("extensions");
  });
  watch.observe(root, { attributes: true });
}
