// Where the cards lie: the way from all folders down to the one that is shown, and the folders in it.

import { button, h, setHidden } from "./dom.js";
import { t } from "./texts.js";

const parentOf = (name) => name.slice(0, Math.max(0, name.lastIndexOf("/")));
const lastOf = (name) => name.slice(name.lastIndexOf("/") + 1);
const wayTo = (name) => (name ? [...wayTo(parentOf(name)), name] : [""]);

// `choose(name)` is called with the folder that is pressed, "" for all of them.
export function cardFolders(id, choose) {
  const element = h("nav", { class: "card-folders", id, "aria-label": t("models.folder"), hidden: true });
  let shown = "";

  const step = (name) => button(name ? lastOf(name) : t("models.all_folders"), null, () => choose(name), { class: "card-folder way", "data-folder": name });
  const inside = (name) => button(lastOf(name), "folder", () => choose(name), { class: "card-folder", "data-folder": name, title: name });

  // `names`: the folders that hold models themselves; `chosen`: the one whose models are shown.
  function draw(names, chosen) {
    const all = [...new Set(names.flatMap(wayTo))].filter(Boolean);
    const below = all.filter((name) => parentOf(name) === chosen);
    setHidden(element, !all.length && !chosen);
    const key = JSON.stringify([chosen, below]);
    if (key === shown) return;
    shown = key;
    const focused = element.contains(document.activeElement);
    const way = wayTo(chosen).map(step);
    way.at(-1).setAttribute("aria-current", "true");
    element.replaceChildren(...way, ...below.map(inside));
    if (focused) way.at(-1).focus({ preventScroll: true });
  }

  return { element, draw };
}
