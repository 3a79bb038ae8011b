// The sheet of all keys, which "?" opens.

import { h, iconButton } from "./dom.js";
import { KEYS, keysIn } from "./key-table.js";
import { t } from "./texts.js";

const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Delete: "Del", Arrows: "← ↑ ↓ →", " ": t("keys.space"), Ctrl: /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl" };
const ARROW = /Arrow(Left|Up|Down|Right)$/;

let sheet = null;

export function openKeySheet() {
  sheet ??= document.body.appendChild(build());
  if (!sheet.open) sheet.showModal();
}

function build() {
  const groups = Object.keys(KEYS).map((place) => group(place, keysIn(place)));
  const head = h("header", {}, h("h2", { id: "key_sheet_title" }, t("keys.title")), iconButton(t("action.close"), "close", () => dialog.close()));
  const dialog = h("dialog", { class: "sheet drawn key-sheet", id: "key_sheet", "aria-labelledby": "key_sheet_title", onclick: (event) => event.target === dialog && dialog.close() }, head, h("div", { class: "key-groups" }, ...groups));
  return dialog;
}

function group(place, actions) {
  const rows = Object.entries(actions).map(([action, combos]) => h("tr", { "data-action": `${place}.${action}` }, h("th", { scope: "row" }, t(`keys.${place}.${action}`)), h("td", {}, ...keysOf(combos))));
  return h("section", {}, h("h3", {}, t(`keys.${place}`)), h("table", {}, h("tbody", {}, ...rows)));
}

// What all four arrows do is said once.
const written = (combos) => (combos.length === 4 && combos.every((combo) => ARROW.test(combo)) ? [combos[0].replace(ARROW, "Arrows")] : combos);

const keysOf = (combos) => written(combos).flatMap((combo, index) => [index > 0 && h("span", { class: "subdued" }, ` ${t("keys.or")} `), h("kbd", {}, inWords(combo))]).filter(Boolean);

const inWords = (combo) => (combo === "+" ? combo : combo.split("+").map((key) => NAMES[key] ?? key).join(" + "));
