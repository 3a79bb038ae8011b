// What its makers wrote into a model's file, for people. A tag of a LoRA that is pressed goes into the activation text, or out of it.

import { h } from "./dom.js";
import { modelPath, request } from "./server.js";
import { t } from "./texts.js";

const TAGS = 24; // are shown at once

export function buildHeader(entry, notes) {
  const element = h("section", { class: "file-header", hidden: true });
  if (!entry.problem) fill(element, entry, notes.control("activation_text"));
  return element;
}

async function fill(element, entry, activation) {
  const { facts, tags: all } = await request("GET", `${modelPath(entry.kind, entry.name)}/header`).catch(() => ({ facts: {}, tags: [] }));
  const tags = activation ? all : []; // elsewhere they could not be put anywhere
  const rows = Object.entries(facts).map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, t(`header.${name}`)), h("td", {}, value)));
  const table = rows.length && h("table", { class: "settings-table facts" }, h("tbody", {}, ...rows));
  const [first, others] = [tags.slice(0, TAGS), tags.slice(TAGS)];
  const list = (some) => h("div", { class: "file-tags" }, ...some.map((tag) => chip(tag, activation)));
  const more = others.length && h("details", {}, h("summary", {}, t("header.more", { count: others.length })), list(others));
  element.hidden = !rows.length && !tags.length;
  element.replaceChildren(...[h("h3", {}, t(entry.kind === "lora" ? "detail.training" : "detail.header")), table, tags.length && h("h3", {}, t("header.tags")), list(first), more].filter(Boolean));
}

function chip([tag, count], { input }) {
  const parts = () => input.value.split(",").map((part) => part.trim()).filter(Boolean);
  const pressed = h("button", { type: "button", class: "file-tag", title: t("header.tag.help"), onclick: turn }, tag, h("span", { class: "subdued" }, count.toLocaleString()));
  const mark = () => pressed.setAttribute("aria-pressed", String(parts().includes(tag)));

  function turn() {
    const others = parts().filter((part) => part !== tag);
    input.value = (others.length === parts().length ? [...others, tag] : others).join(", ");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  input.addEventListener("input", mark);
  mark();
  return pressed;
}
