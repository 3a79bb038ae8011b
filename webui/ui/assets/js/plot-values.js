// The values of an axis: a line of text, or for an axis that takes names of a list, chips with a list to tick them in.

import { h, icon, setHidden } from "./dom.js";
import { t } from "./texts.js";

const SHOWN = 200;

// The items of a comma-separated line; quotes protect commas.
export function splitValues(text) {
  const items = [];
  for (const [, quoted, plain] of text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,\n]+))\s*(?:,|\n|$)/g)) {
    const item = quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"');
    if (item) items.push(item);
  }
  return items;
}

export const joinValues = (values) => values.map((value) => (/[",\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(", ");

// `type`: an axis type of plot-data.js, or null for none. The control tells of changes by "change" events that bubble;
// `value` is a text, or a list of names.
export function valuesControl(id, label, type) {
  return type?.choices?.length ? chips(id, label, type) : line(id, label, type);
}

function line(id, label, type) {
  const input = h("textarea", { id, rows: 1, "aria-label": label, placeholder: type ? example(type) : "", autocomplete: "off", spellcheck: "false", maxlength: 20_000, "data-prompt": type?.name.startsWith("Prompt"), oninput: () => (grow(), tell(input)) });
  const grow = () => {
    input.style.height = "auto";
    input.style.height = `${Math.min(160, input.scrollHeight + 2)}px`;
  };
  return {
    element: h("div", { class: "plot-line" }, input),
    input,
    get value() {
      return input.value;
    },
    set value(given) {
      input.value = Array.isArray(given) ? joinValues(given) : (given ?? "");
      requestAnimationFrame(grow);
    },
  };
}

// Of the axis itself, or of its kind.
function example({ name, kind }) {
  const own = t(`plot.example.${name}`);
  return own.startsWith("plot.") ? t(`plot.example.${kind}`) : own;
}

const tell = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));

function chips(id, label, type) {
  let chosen = [];
  let found = [];
  let active = -1;
  const list = h("ul", { class: "picker-list plot-pick", role: "listbox", id: `${id}_list`, "aria-label": label, "aria-multiselectable": "true" });
  const all = h("button", { type: "button", class: "plain-button link", id: `${id}_all`, onmousedown: (event) => (event.preventDefault(), set(type.choices)) }, t("plot.all", { count: type.choices.length.toLocaleString() }));
  const none = h("button", { type: "button", class: "plain-button link", onmousedown: (event) => (event.preventDefault(), set([])) }, t("plot.none"));
  const panel = h("div", { class: "plot-panel", hidden: true }, h("div", { class: "plot-panel-head" }, all, none), list);
  const input = h("input", {
    id, type: "text", class: "plot-box", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-label": label, "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list",
    onfocus: open, onclick: open, oninput: () => (open(), fill()), onblur: () => (take(input.value), close()), onkeydown: onKey, onpaste: onPaste,
  });
  const tokens = h("div", { class: "plot-tokens", onmousedown: (event) => event.target === tokens && (event.preventDefault(), input.focus()) }, input);
  const element = h("div", { class: "plot-chips" }, tokens, panel);

  function open() {
    if (!panel.hidden) return;
    setHidden(panel, false);
    input.setAttribute("aria-expanded", "true");
    fill();
  }

  function close() {
    setHidden(panel, true);
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function fill() {
    const wanted = input.value.trim().toLowerCase();
    found = type.choices.filter((name) => name.toLowerCase().includes(wanted));
    list.replaceChildren(...found.slice(0, SHOWN).map(option));
    if (!found.length) list.append(h("li", { class: "picker-words" }, t("picker.nothing", { text: input.value })));
    if (found.length > SHOWN) list.append(h("li", { class: "picker-words" }, t("picker.more", { count: (found.length - SHOWN).toLocaleString() })));
    point(wanted && found.length ? 0 : -1);
  }

  function option(name, index) {
    const onmousedown = (event) => (event.preventDefault(), toggle(name));
    return h("li", { role: "option", id: `${id}_option_${index}`, "data-name": name, "aria-selected": String(chosen.includes(name)), onmousedown }, h("span", {}, icon("check"), name));
  }

  function point(index) {
    active = index;
    [...list.children].forEach((row, at) => row.classList.toggle("active", at === index));
    const row = list.children[index];
    row?.scrollIntoView({ block: "nearest" });
    if (row?.id) input.setAttribute("aria-activedescendant", row.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function toggle(name) {
    set(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
    const filtered = input.value !== "";
    input.value = "";
    if (filtered) fill();
  }

  // What was typed and is no name of the list stays, for the server to say what is nearest.
  function take(text) {
    const names = splitValues(text).map((item) => type.choices.find((name) => name.toLowerCase() === item.toLowerCase()) ?? item);
    input.value = "";
    if (names.length) set([...chosen, ...names.filter((name) => !chosen.includes(name))]);
  }

  function set(names, told = true) {
    chosen = [...names];
    draw();
    if (told) tell(element);
  }

  function draw() {
    for (const old of tokens.querySelectorAll(".plot-chip")) old.remove();
    input.before(...chosen.map(chip)); // the box itself stays where it is, and with it the focus
    input.placeholder = chosen.length ? "" : t("plot.example.choice");
    for (const row of list.children) if (row.dataset.name) row.setAttribute("aria-selected", String(chosen.includes(row.dataset.name)));
  }

  function chip(name) {
    const remove = () => (set(chosen.filter((other) => other !== name)), input.focus());
    return h("span", { class: "plot-chip", title: name }, h("span", {}, name), h("button", { type: "button", "aria-label": t("plot.remove_value", { name }), onmousedown: (event) => event.preventDefault(), onclick: remove }, icon("close")));
  }

  function onPaste(event) {
    const text = event.clipboardData?.getData("text") ?? "";
    if (!/[,\n]/.test(text)) return;
    event.preventDefault();
    take(text);
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const rows = Math.min(found.length, SHOWN);
    if (step) {
      event.preventDefault();
      open();
      if (rows) point((Math.max(active, step > 0 ? -1 : 0) + step + rows) % rows);
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) take(input.value);
    else if (event.key === "Enter") {
      event.preventDefault();
      if (active >= 0 && found[active]) toggle(found[active]);
      else take(input.value);
    } else if (event.key === "," && input.value.trim()) {
      event.preventDefault();
      take(input.value);
      fill();
    } else if (event.key === "Backspace" && !input.value && chosen.length) set(chosen.slice(0, -1));
    else if (event.key === "Escape" && !panel.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  }

  draw();
  return {
    element,
    input,
    get value() {
      return [...chosen];
    },
    set value(given) {
      set(Array.isArray(given) ? given : splitValues(given ?? ""), false);
    },
  };
}
