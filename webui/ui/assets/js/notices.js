// Messages that belong to no field: a few lines in the corner, gone by themselves unless they tell of an error.

import { button, h, iconButton } from "./dom.js";
import { t } from "./texts.js";

const SECONDS = { info: 4, warning: 15 };
let region = null;

// `action`: {text, press}, a button that does something and closes the message. `seconds`: how long it stays, 0 for ever.
// Returns what takes it away.
export function post(text, level = "info", { action = null, seconds = SECONDS[level] } = {}) {
  region ??= document.body.appendChild(h("div", { id: "notices", role: "status", "aria-live": "polite" }));
  const same = !action && [...region.children].find((line) => line.dataset.text === text);
  if (same && same.querySelector(".link")) return () => same.remove(); // says it already, and has a button for it
  if (same) same.remove(); // it is the last again, stays for as long as a new one, and is read out once more
  const line = h("div", { class: `notice notice-${level}`, "data-text": text }, h("p", {}, text));
  if (action) line.append(button(action.text, null, () => (line.remove(), action.press()), { class: "plain-button link" }));
  line.append(iconButton(t("notice.close"), "close", () => line.remove()));
  region.append(line);
  if (seconds) setTimeout(() => line.remove(), seconds * 1000);
  while (region.children.length > 4) region.firstChild.remove();
  return () => line.remove();
}
