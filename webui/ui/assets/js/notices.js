// Messages that belong to no field: a few lines in the corner, gone by themselves unless they tell of an error.

import { h, iconButton } from "./dom.js";
import { t } from "./texts.js";

const SECONDS = { info: 4, warning: 15 };
let region = null;

export function post(text, level = "info") {
  region ??= document.body.appendChild(h("div", { id: "notices", role: "status", "aria-live": "polite" }));
  if ([...region.children].some((line) => line.dataset.text === text)) return;
  const line = h("div", { class: `notice notice-${level}`, "data-text": text }, h("p", {}, text));
  line.append(iconButton(t("notice.close"), "close", () => line.remove()));
  region.append(line);
  if (SECONDS[level]) setTimeout(() => line.remove(), SECONDS[level] * 1000);
  while (region.children.length > 4) region.firstChild.remove();
}
