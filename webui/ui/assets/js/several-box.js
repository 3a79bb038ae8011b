// Any number of choices in the room of one field: what is chosen as words, which open a list to tick.

import { h, setText } from "./dom.js";
import { t } from "./texts.js";

// `choices`: [value, label]. The value is a list, in the order in which it was ticked.
export function severalBox(id, name, label, choices, { help } = {}) {
  let chosen = [];
  const labels = new Map(choices);
  const words = h("span", { class: "several-words" });
  const boxes = choices.map(([value]) => h("input", { type: "checkbox", value, onchange: ({ target }) => toggle(value, target.checked) }));
  const list = h("div", { class: "several-list" }, ...choices.map(([, text], index) => h("label", { class: "checkbox" }, boxes[index], text)));
  const opener = h("summary", { id, "aria-labelledby": `${id}_label ${id}` }, words);
  const details = h("details", { class: "several" }, opener, list);
  const element = h("div", { class: "field", id: `${id}_field`, title: help || null }, h("span", { class: "field-label", id: `${id}_label` }, label), details);
  closeElsewhere(details, opener);
  draw();
  return {
    name,
    element,
    input: opener,
    get value() {
      return chosen;
    },
    set value(value) {
      chosen = [...value];
      draw();
    },
  };

  function toggle(value, ticked) {
    chosen = ticked ? [...chosen, value] : chosen.filter((each) => each !== value);
    draw();
  }

  function draw() {
    for (const box of boxes) box.checked = chosen.includes(box.value);
    setText(words, chosen.map((value) => labels.get(value) ?? value).join(", ") || t("settings.nothing"));
    opener.title = words.textContent;
  }
}

function closeElsewhere(details, opener) {
  const close = ({ target }) => details.contains(target) || (details.open = false);
  details.addEventListener("toggle", () => document[details.open ? "addEventListener" : "removeEventListener"]("pointerdown", close));
  details.addEventListener("toggle", () => details.open && opener.focus()); // Safari gives what is clicked no focus, and Esc goes where it is
  details.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && close({ target: relatedTarget }));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    opener.focus();
  });
}
