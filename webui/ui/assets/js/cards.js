// Cards of model files, one page at a time, searched and sorted by the server: for the tab Models and beside the form.

import { cardFolders } from "./card-folders.js";
import { coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { checkBox, selectBox } from "./controls.js";
import { chosen, refreshLists } from "./form.js";
import { size } from "./model-words.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const PER_PAGE = 60;
const PAUSE_MS = 180;
const THUMBNAIL = 256; // pixels
const SORTS = ["name", "date", "created", "size"];

export const makeQuery = (stored) => ({ view: "", search: "", sort: "name", descending: false, folder: "", fitting: false, start: 0, ...stored });

// `id` begins the ids of the controls. `query` is changed as the person asks, and `keep()` called then. `pick(entry, pressed)`
// is called for the card that is pressed, `edit(entry)`, if given, for its second button. `chosen(entry)`: whether it is
// marked as pressed; `mark(entry)`: the words on it, "" for none. `drawn(page)` is called for each new page.
// `fitting`: offer to show only what suits the checkpoint.
export function buildCards({ id, label, query, keep, pick, edit, isChosen, mark, drawn, tools = [], fitting = false }) {
  let page = { entries: [], total: 0, folders: [], family: null };
  let latest = null; // of several requests only the last counts
  let missed = false; // something changed while nobody looked
  let timer = null;

  const search = h("input", { type: "search", id: `${id}_search`, placeholder: t("models.search"), "aria-label": t("models.search"), value: query.search, autocomplete: "off", spellcheck: "false", oninput: () => searchLater(search.value) });
  const folders = cardFolders(`${id}_folders`, (folder) => ask({ folder }));
  const sort = selectBox(`${id}_sort`, "sort", "", SORTS.map((name) => [name, t(`models.sort.${name}`)]));
  sort.input.setAttribute("aria-label", t("models.sort"));
  sort.value = query.sort;
  sort.input.onchange = () => ask({ sort: sort.value, descending: sort.value !== "name" });
  const direction = iconButton(t("models.descending"), "up", () => ask({ descending: !query.descending }), { id: `${id}_direction`, class: "bare-button framed" });
  const refresh = iconButton(t("models.refresh"), "refresh", refreshLists, { id: `${id}_refresh`, class: "bare-button framed" });
  const fits = checkBox(`${id}_fitting`, "fitting", t("cards.fitting"), { help: t("cards.fitting.help") });
  fits.value = query.fitting;
  fits.input.onchange = () => ask({ fitting: fits.value });
  const count = h("p", { class: "models-count", "aria-live": "polite" });
  const previous = iconButton(t("models.previous"), "previous", () => turn(-1), { class: "bare-button framed" });
  const next = iconButton(t("models.next"), "next", () => turn(1), { id: `${id}_next`, class: "bare-button framed" });
  const list = h("ul", { class: "cards", "aria-label": label });
  const none = h("p", { class: "subdued models-none", hidden: true });
  const bar = h("div", { class: "models-tools" }, search, sort.element, direction, refresh, ...tools);
  const pager = h("div", { class: "pager" }, count, fitting && fits.element, previous, next);
  const element = h("div", { class: "models-installed" }, bar, folders.element, pager, list, none);

  onChange(() => missed && state.online && element.checkVisibility() && load());
  new IntersectionObserver(([entry]) => entry.isIntersecting && missed && load()).observe(element);
  const again = () => query.view && (element.checkVisibility() ? load() : (missed = true));
  document.addEventListener("periplus:lists", again);
  document.addEventListener("periplus:models", ({ detail }) => detail.includes(query.view) && again());
  document.addEventListener("periplus:checkpoint", coalesce(() => (fitting && page.asked !== checkpoint() ? again() : drawCards())));

  const checkpoint = () => chosen("checkpoint") ?? "";

  function show(view) {
    if (query.view !== view) Object.assign(query, { folder: "", start: 0 });
    query.view = view;
    keep();
    return load();
  }

  // ---- what is asked

  function searchLater(text) {
    clearTimeout(timer);
    timer = setTimeout(() => ask({ search: text }), PAUSE_MS);
  }

  function ask(change) {
    Object.assign(query, { start: 0 }, change);
    keep();
    return load();
  }

  const turn = (pages) => ask({ start: Math.max(0, query.start + pages * PER_PAGE) });

  async function load() {
    missed = false;
    latest?.abort();
    latest = new AbortController();
    const { signal } = latest;
    const { view: kind, start, ...others } = query;
    const asked = fitting ? checkpoint() : "";
    const wanted = new URLSearchParams({ ...others, kind, start, checkpoint: asked, fitting: fitting && query.fitting, count: PER_PAGE });
    try {
      page = { ...(await request("GET", `api/v1/models?${wanted}`, undefined, signal)), asked };
      if (start && start >= page.total) return ask({ start: Math.max(0, Math.ceil(page.total / PER_PAGE) - 1) * PER_PAGE });
      draw();
    } catch (error) {
      if (signal.aborted) return;
      missed = true;
      setText(none, t("models.failed", { reason: error.message }));
      setHidden(none, false);
    }
  }

  // ---- what is shown

  function draw() {
    const last = Math.min(query.start + page.entries.length, page.total);
    const words = { from: (query.start + 1).toLocaleString(), to: last.toLocaleString(), total: page.total.toLocaleString() };
    setText(count, page.total > PER_PAGE ? t("models.range", words) : t(page.total === 1 ? "models.count.one" : "models.count", words));
    for (const button of [previous, next]) setHidden(button, page.total <= PER_PAGE);
    previous.disabled = query.start === 0;
    next.disabled = last >= page.total;
    folders.draw(page.folders, query.folder);
    direction.replaceChildren(icon(query.descending ? "down" : "up"));
    direction.title = direction.ariaLabel = t(query.descending ? "models.descending" : "models.ascending");
    drawCards();
    const empty = query.search ? "models.nothing" : query.folder ? "models.nothing.folder" : query.fitting && fitting ? "models.nothing.fitting" : `models.empty.${query.view}`;
    setText(none, t(empty, { search: query.search, family: page.family ?? "" }));
    setHidden(none, page.entries.length > 0);
    drawn?.(page);
  }

  function drawCards() {
    const known = new Map([...list.children].map((card) => [card.dataset.key, card]));
    const cards = page.entries.map((entry) => marked(known.get(keyOf(entry)) ?? drawCard(entry), entry));
    if (cards.length !== list.children.length || cards.some((card, index) => list.children[index] !== card)) list.replaceChildren(...cards);
  }

  // A card stays while its notes change.
  const newest = (entry) => page.entries.find(({ name }) => name === entry.name) ?? entry;
  const keyOf = ({ notes, ...entry }) => JSON.stringify([entry, page.family, edit ? notes?.description : ""]);

  function drawCard(entry) {
    const image = entry.preview && h("img", { src: `${url(entry.preview)}&side=${THUMBNAIL}`, alt: "", loading: "lazy", decoding: "async" });
    const facts = [entry.family, size(entry.size), entry.short].filter(Boolean).join(" · ");
    const misfit = entry.fits ? "" : t("cards.misfit", { family: entry.family, other: page.family });
    const text = h("span", { class: "card-text" },
      h("span", { class: "card-name" }, entry.name),
      h("span", { class: "card-facts" }, facts),
      edit && entry.notes?.description && h("span", { class: "card-words" }, entry.notes.description),
      entry.problem && h("span", { class: "card-problem" }, `✗ ${entry.problem}`),
      misfit && h("span", { class: "card-misfit" }, misfit));
    const picture = h("span", { class: "card-picture" }, icon("model"), image, h("span", { class: "card-mark", hidden: true }));
    const title = entry.alias ? `${entry.name} (${entry.alias})` : entry.name;
    const press = h("button", { type: "button", class: "card", title, onclick: () => pick(newest(entry), press) }, picture, text);
    const more = edit && iconButton(t("cards.edit", { name: entry.name }), "edit", () => edit(newest(entry)), { class: "bare-button card-edit" });
    return h("li", { class: entry.fits ? null : "misfit", "data-key": keyOf(entry), "data-name": entry.name }, press, more);
  }

  function marked(card, entry) {
    card.firstChild.setAttribute("aria-pressed", String(isChosen(entry)));
    const words = mark(entry);
    const sign = card.querySelector(".card-mark");
    setText(sign, words);
    setHidden(sign, !words);
    return card;
  }

  const cardOf = (name) => [...list.children].find((card) => card.dataset.name === name)?.firstChild ?? null;

  return { element, show, load, redraw: drawCards, cardOf, entry: (name) => page.entries.find((each) => each.name === name) ?? null };
}
