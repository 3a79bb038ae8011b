// Starting the program anew from the page, which waits for it and comes back where it was.

import { h, setText } from "./dom.js";
import { ask } from "./extension-asking.js";
import { request } from "./server.js";
import { keepTab } from "./tabs.js";
import { t } from "./texts.js";

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
      keepTab(tab);
      return location.reload();
    }
  }
  setText(words, t("ext.restart.lost"));
  cover.addEventListener("click", () => location.reload());
}
