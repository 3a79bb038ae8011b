// The tab Models: what lies here, one page of cards at a time, searched and sorted by the server; beside it what is chosen.

import { coalesce, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { selectBox } from "./controls.js";
import { chosen, refreshLists, showTab } from "./form.js";
import { buildGet } from "./get-models.js";
import { buildDetail } from "./model-detail.js";
import { size } from "./model-words.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { taskList } from "./tasks.js";
import { t } from "./texts.js";

const PER_PAGE = 60;
const PAUSE_MS = 250;
const STORED = "periplus.models";
const VIEWS = ["checkpoint", "vae", "lora", "embedding", "upscaler", "get"];
const SORTS = ["name", "date", "size"];
const TASKS = ["download", "hash", "convert"];

const query = { view: "checkpoint", search: "", sort: "name", descending: false, folder: "", start: 0, ...JSON.parse(sessionStorage.getItem(STORED) ?? "{}") };
let parts = null;
let page = { entries: [], total: 0, folders: [] };
let selected = null; // the name of the card whose details are shown
let latest = null; // of several requests only the last counts
let missed = false; // something changed while nobody looked

export function mountModels(host) {
  parts = build();
  host.replaceChildren(parts.root);
  onChange(() => missed && state.online && parts.root.checkVisibility() && load());
  new IntersectionObserver(([entry]) => entry.isIntersecting && missed && load()).observe(parts.root);
  document.addEventListener("periplus:lists", () => (parts.root.checkVisibility() ? load() : (missed = true)));
  document.addEventListener("periplus:checkpoint", coalesce(drawCards));
  choose(query.view);
}

// Opens the tab on one of VIEWS.
export function showModels(view) {
  query.view = view;
  showTab("models");
  if (parts) choose(view);
}

function build() {
  const views = h("div", { class: "segments", role: "group", "aria-label": t("tab.models") }, ...VIEWS.map((view) => h("button", { type: "button", class: "segment", id: `models_view_${view}`, "data-view": view, onclick: () => choose(view) }, t(`models.view.${view}`))));
  const search = h("input", { type: "search", id: "models_search", placeholder: t("models.search"), "aria-label": t("models.search"), value: query.search, autocomplete: "off", spellcheck: "false", oninput: () => searchLater(search.value) });
  const folder = selectBox("models_folder", "folder", "", []);
  folder.input.setAttribute("aria-label", t("models.folder"));
  folder.input.onchange = () => ask({ folder: folder.value });
  const sort = selectBox("models_sort", "sort", "", SORTS.map((name) => [name, t(`models.sort.${name}`)]));
  sort.input.setAttribute("aria-label", t("models.sort"));
  sort.value = query.sort;
  sort.input.onchange = () => ask({ sort: sort.value, descending: sort.value !== "name" });
  const direction = iconButton(t("models.descending"), "up", () => ask({ descending: !query.descending }), { id: "models_direction", class: "bare-button framed" });
  const refresh = iconButton(t("models.refresh"), "refresh", refreshLists, { id: "models_refresh", class: "bare-button framed" });
  const hashAll = h("button", { type: "button", class: "plain-button", id: "models_hash_all", title: t("models.hash_all.help"), onclick: () => begin(hashAll) }, t("models.hash_all"));
  const tools = h("div", { class: "models-tools" }, search, folder.element, sort.element, direction, refresh, hashAll);
  const count = h("p", { class: "models-count", "aria-live": "polite" });
  const previous = iconButton(t("models.previous"), "previous", () => turn(-1), { class: "bare-button framed" });
  const next = iconButton(t("models.next"), "next", () => turn(1), { id: "models_next", class: "bare-button framed" });
  const pager = h("div", { class: "pager" }, count, previous, next);
  const cards = h("ul", { class: "cards", "aria-label": t("tab.models") });
  const none = h("p", { class: "subdued models-none", hidden: true });
  const installed = h("div", { class: "models-installed" }, tools, pager, cards, none);
  const get = buildGet();
  const detail = buildDetail({ close: () => select(null), reload: load });
  const side = h("aside", { class: "models-side" }, taskList(TASKS), detail.element);
  const root = h("section", { class: "models", id: "models_tab" }, h("div", { class: "models-main" }, views, installed, get.element), side);
  return { root, views, folder, direction, count, previous, next, pager, cards, none, installed, get, detail };
}

function choose(view) {
  if (query.view !== view) Object.assign(query, { folder: "", start: 0 });
  query.view = view;
  keep();
  for (const each of parts.views.children) each.setAttribute("aria-pressed", String(each.dataset.view === view));
  parts.root.dataset.view = view;
  setHidden(parts.installed, view === "get");
  setHidden(parts.get.element, view !== "get");
  select(null);
  if (view === "get") parts.get.shown();
  else load();
}

// ---- what is asked

let timer = null;

function searchLater(text) {
  clearTimeout(timer);
  timer = setTimeout(() => ask({ search: text }), PAUSE_MS);
}

function ask(change) {
  Object.assign(query, { start: 0 }, change);
  keep();
  load();
}

const keep = () => sessionStorage.setItem(STORED, JSON.stringify(query));
const turn = (pages) => ask({ start: Math.max(0, query.start + pages * PER_PAGE) });

async function load() {
  if (query.view === "get") return;
  missed = false;
  latest?.abort();
  latest = new AbortController();
  const { signal } = latest;
  const { view: kind, search, sort, descending, folder, start } = query;
  const asked = new URLSearchParams({ kind, search, sort, descending, folder, start, count: PER_PAGE });
  try {
    page = await request("GET", `api/v1/models?${asked}`, undefined, signal);
    if (start && start >= page.total) return ask({ start: Math.max(0, Math.ceil(page.total / PER_PAGE) - 1) * PER_PAGE });
    draw();
  } catch (error) {
    if (signal.aborted) return;
    missed = true;
    setText(parts.none, t("models.failed", { reason: error.message }));
    setHidden(parts.none, false);
  }
}

async function begin(pressed) {
  pressed.disabled = true;
  await parts.detail.hash({}); // of no model alone: of all
  pressed.disabled = false;
}

// ---- what is shown

function draw() {
  const last = Math.min(query.start + page.entries.length, page.total);
  const words = { from: (query.start + 1).toLocaleString(), to: last.toLocaleString(), total: page.total.toLocaleString() };
  setText(parts.count, page.total > PER_PAGE ? t("models.range", words) : t(page.total === 1 ? "models.count.one" : "models.count", words));
  for (const button of [parts.previous, parts.next]) setHidden(button, page.total <= PER_PAGE);
  parts.previous.disabled = query.start === 0;
  parts.next.disabled = last >= page.total;
  drawFolders();
  const arrow = query.descending ? "down" : "up";
  parts.direction.replaceChildren(icon(arrow));
  parts.direction.title = parts.direction.ariaLabel = t(query.descending ? "models.descending" : "models.ascending");
  drawCards();
  const empty = query.search ? "models.nothing" : query.folder ? "models.nothing.folder" : `models.empty.${query.view}`;
  setText(parts.none, t(empty, { search: query.search }));
  setHidden(parts.none, page.entries.length > 0);
  const entry = page.entries.find(({ name }) => name === selected);
  if (entry) parts.detail.update(entry);
}

function drawFolders() {
  const { folder } = parts;
  const names = ["", ...page.folders.filter(Boolean)];
  if ([...folder.input.options].map(({ value }) => value).join("\n") !== names.join("\n")) {
    folder.input.replaceChildren(...names.map((name) => h("option", { value: name }, name || t("models.all_folders"))));
  }
  folder.value = query.folder;
  setHidden(folder.element, names.length < 2);
}

function drawCards() {
  const known = new Map([...parts.cards.children].map((card) => [card.dataset.key, card]));
  const cards = page.entries.map((entry) => mark(known.get(key(entry)) ?? draw1(entry), entry));
  if (cards.length !== parts.cards.children.length || cards.some((card, index) => parts.cards.children[index] !== card)) parts.cards.replaceChildren(...cards);
}

const key = (entry) => JSON.stringify([entry.kind, entry.name, entry.short, entry.size, entry.problem, entry.preview, entry.modified]);

function draw1(entry) {
  const image = entry.preview && h("img", { src: url(entry.preview), alt: "", loading: "lazy", decoding: "async" });
  const facts = [entry.family, size(entry.size), entry.short].filter(Boolean).join(" · ");
  const text = h("span", { class: "card-text" }, h("span", { class: "card-name" }, entry.name), h("span", { class: "card-facts" }, facts), entry.problem && h("span", { class: "card-problem" }, `✗ ${entry.problem}`));
  const press = h("button", { type: "button", class: "card", title: entry.name, onclick: () => select(entry) }, h("span", { class: "card-picture" }, icon("model"), image, h("span", { class: "card-mark", hidden: true }, t("models.in_use"))), text);
  return h("li", { "data-key": key(entry), "data-name": entry.name }, press);
}

function mark(card, entry) {
  card.firstChild.setAttribute("aria-pressed", String(entry.name === selected));
  setHidden(card.querySelector(".card-mark"), chosen(entry.kind) !== entry.name);
  return card;
}

function select(entry) {
  const before = selected;
  selected = entry?.name ?? null;
  parts.root.classList.toggle("detailed", Boolean(entry));
  parts.detail.show(entry);
  drawCards();
  // The keyboard goes back to the card that it came from.
  if (!entry && before) [...parts.cards.children].find((card) => card.dataset.name === before)?.firstChild.focus({ preventScroll: true });
}
