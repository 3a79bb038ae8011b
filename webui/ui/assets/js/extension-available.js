// What there is to install: a list from an address or a file, or the one that comes along; searched, filtered and sorted here.

import { button, h, setHidden, setText } from "./dom.js";
import { selectBox, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { ask } from "./extension-asking.js";
import { t } from "./texts.js";

const SHOWN = 100;
const newest = (key, sign) => (a, b) => sign * (b[key] || "").localeCompare(a[key] || "") || a.order - b.order;
const SORTS = {
  newest: newest("added", 1),
  oldest: newest("added", -1),
  a_z: (a, b) => a.name.localeCompare(b.name),
  z_a: (a, b) => b.name.localeCompare(a.name),
  internal: (a, b) => a.order - b.order,
  updated: newest("commit_time", 1),
  created: newest("created_at", 1),
  stars: (a, b) => (b.stars ?? -1) - (a.stars ?? -1) || a.order - b.order,
};

export function buildAvailable(board) {
  const address = textBox("ext_index", "address", t("ext.index"), { placeholder: t("ext.index.example"), help: t("ext.index.help") });
  const load = h("button", { type: "submit", class: "plain-button", id: "ext_index_load" }, t("ext.index.load"));
  const form = h("form", { class: "sheet-like ext-form", novalidate: true, onsubmit: (event) => (event.preventDefault(), read(true)) }, address.element, h("div", { class: "actions" }, load));
  const search = h("input", { type: "search", id: "ext_search", placeholder: t("ext.search"), "aria-label": t("ext.search"), autocomplete: "off", spellcheck: "false", oninput: () => draw() });
  const sort = selectBox("ext_sort", "sort", "", Object.keys(SORTS).map((name) => [name, t(`ext.sort.${name}`)]));
  sort.input.setAttribute("aria-label", t("ext.sort"));
  sort.input.onchange = () => draw();
  const hide = h("input", { type: "checkbox", id: "ext_hide_installed", onchange: () => draw() });
  const tags = h("div", { class: "ext-tags", role: "group", "aria-label": t("ext.tags") });
  const about = h("p", { class: "subdued" });
  const list = h("ul", { class: "ext-list", "aria-label": t("ext.view.available") });
  const more = h("p", { class: "subdued" });
  const tools = h("div", { class: "models-tools" }, search, sort.element, h("label", { class: "checkbox" }, hide, t("ext.hide_installed")));
  const element = h("div", { class: "ext-available" }, form, tools, tags, about, list, more);
  const wanted = new Set();
  let index = null;

  async function read(fresh) {
    clearError(address.element);
    load.disabled = true;
    try {
      index = await (fresh ? ask("POST", "extensions/available", { address: address.value.trim() }) : ask("GET", "extensions/available"));
      if (!fresh) address.value = index.origin;
      wanted.clear();
      drawTags();
      draw();
    } catch (error) {
      markField(address.element, error.message);
    } finally {
      load.disabled = false;
    }
  }

  function drawTags() {
    const used = new Set(index.entries.flatMap((entry) => entry.tags));
    const known = [...new Set([...Object.keys(index.tags), ...used])].filter((tag) => used.has(tag));
    tags.replaceChildren(...known.map((tag) => {
      const chip = h("button", { type: "button", class: "plain-button ext-tag", "aria-pressed": "false", title: index.tags[tag] || null, onclick: () => press(tag, chip) }, tag);
      return chip;
    }));
  }

  function press(tag, chip) {
    if (!wanted.delete(tag)) wanted.add(tag);
    chip.setAttribute("aria-pressed", String(wanted.has(tag)));
    draw();
  }

  function draw() {
    if (!index) return;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry) => words.every((word) => `${entry.name} ${entry.description} ${entry.url}`.toLowerCase().includes(word));
    const found = index.entries.filter((entry) => fits(entry) && [...wanted].every((tag) => entry.tags.includes(tag)) && !(hide.checked && entry.installed)).sort(SORTS[sort.value]);
    setText(about, index.origin ? t(index.ours ? "ext.index.other" : "ext.index.a1111", { origin: index.origin, count: index.entries.length }) : t("ext.index.shipped"));
    list.replaceChildren(...found.slice(0, SHOWN).map(row));
    setText(more, found.length > SHOWN ? t("ext.more", { shown: SHOWN, count: found.length }) : found.length ? "" : t("ext.nothing"));
    setHidden(more, !more.textContent);
  }

  function row(entry) {
    const facts = [...entry.tags, entry.stars !== null && `★ ${entry.stars}`, entry.added && t("ext.added", { date: entry.added.slice(0, 10) }), entry.commit_time && t("ext.updated", { date: entry.commit_time.slice(0, 10) })].filter(Boolean).join(" · ");
    const link = /^https?:/.test(entry.url) ? h("a", { href: entry.url, target: "_blank", rel: "noopener noreferrer" }, entry.url) : entry.url && h("span", {}, entry.url);
    const press = entry.installed ? h("span", { class: "saved" }, t("ext.here")) : button(t("ext.look"), "download", () => board.look(entry.url, entry.branch), { "aria-label": t("ext.look.named", { name: entry.name }) });
    return h("li", { class: "sheet-like ext-entry", "data-name": entry.name }, h("div", { class: "ext-entry-text" }, h("strong", {}, entry.name), entry.description && h("span", { class: "subdued" }, entry.description), h("span", { class: "open-facts subdued" }, facts, facts && link ? " · " : "", link || "")), press);
  }

  sort.value = "newest";
  return { element, shown: () => read(false) };
}
