// A field for one of many files: a list that the server searches, so that ten thousand of them cost no more than ten.

import { h, iconButton, setHidden } from "./dom.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

const PAUSE_MS = 150;

// `load(text)` → {options: [{value, text, facts, problem}], more}, where `more` counts what is not in the list;
// `fixed`: options [value, text] that always come first. `value` null: nothing is chosen.
export function picker(id, name, label, { load, fixed = [], help, refresh }) {
  let value = null;
  let options = [];
  let active = -1;
  let timer = null;
  let wanted = 0; // of several answers only that to the last question counts

  const list = h("ul", { class: "picker-list", role: "listbox", id: `${id}_list`, "aria-label": label, hidden: true });
  const input = h("input", {
    id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list",
    placeholder: t("picker.none"),
    onfocus: () => input.select(),
    onclick: () => list.hidden && open(""),
    oninput: () => open(input.value),
    onkeydown: onKey,
    onblur: () => eager || (close(), show()),
  });
  const box = h("div", { class: "picker" }, input, list);
  const row = h("div", { class: "picker-row" }, box, refresh && iconButton(t("models.refresh"), "refresh", refresh, { id: `${id}_refresh`, class: "bare-button framed" }));
  const element = h("div", { class: "field", id: `${id}_field`, title: help || null }, h("label", { class: "field-label", for: id }, label), row);

  const textOf = (chosen) => fixed.find(([other]) => other === chosen)?.[1] ?? chosen ?? "";
  const show = () => ((input.value = textOf(value)), (input.title = input.value));

  // Enter pressed before the list has followed the typing chooses from the list to come, also when the field is left meanwhile.
  let behind = false, eager = false;

  function open(text) {
    clearTimeout(timer);
    behind = true;
    eager = false;
    timer = setTimeout(() => fill(text), list.hidden ? 0 : PAUSE_MS);
  }

  async function fill(text) {
    const question = ++wanted;
    const found = await load(text).catch((error) => (post(error.message, "warning"), null));
    if (question === wanted) behind = false;
    if (!found && question === wanted && eager) return void (close(), show());
    if (!found || question !== wanted || (!eager && document.activeElement !== input)) return;
    const first = text ? [] : [...(fixed.length ? [] : [{ value: null, text: t("picker.none") }]), ...fixed.map(([value_, text_]) => ({ value: value_, text: text_ }))];
    options = [...first, ...found.options];
    list.replaceChildren(...options.map(draw));
    if (!options.length) list.append(h("li", { class: "picker-words" }, t("picker.nothing", { text })));
    if (found.more > 0) list.append(h("li", { class: "picker-words" }, t("picker.more", { count: found.more.toLocaleString() })));
    setHidden(list, false);
    input.setAttribute("aria-expanded", "true");
    point(options.findIndex((option) => option.value === value));
    if (!eager) return;
    eager = false;
    choose(active < 0 ? 0 : active);
    if (document.activeElement !== input) (close(), show());
  }

  function draw(option, index) {
    const facts = option.problem ? `✗ ${option.problem}` : option.facts;
    // mousedown, because the blur that comes before a click closes the list
    const onmousedown = (event) => (event.preventDefault(), choose(index));
    return h("li", { role: "option", id: `${id}_option_${index}`, class: option.problem ? "broken" : null, "aria-disabled": option.problem ? "true" : null, onmousedown },
      h("span", {}, option.text), facts && h("span", { class: "subdued" }, facts));
  }

  function point(index) {
    active = index;
    [...list.children].forEach((row_, at) => row_.classList.toggle("active", at === index));
    const row_ = list.children[index];
    row_?.scrollIntoView({ block: "nearest" });
    if (row_?.id) input.setAttribute("aria-activedescendant", row_.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function choose(index) {
    const option = options[index];
    if (!option || option.problem) return;
    value = option.value;
    close();
    show();
    element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function close() {
    clearTimeout(timer);
    wanted++;
    behind = eager = false;
    setHidden(list, true);
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (list.hidden) open("");
      else if (options.length) point((active + step + options.length) % options.length);
    } else if (event.key === "Enter" && (behind || !list.hidden)) {
      event.preventDefault();
      if (!behind) return choose(active < 0 ? 0 : active);
      clearTimeout(timer);
      eager = true;
      fill(input.value);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
      show();
    }
  }

  return {
    name,
    element,
    input,
    get value() {
      return value;
    },
    set value(given) {
      value = given || null;
      if (fixed.length && value === null) value = fixed[0][0];
      show();
    },
  };
}
