// The tab History: all pictures in the output folders, a page at a time as one scrolls, searched and filtered by the server.

import { compareTwo } from "./comparing.js";
import { button, coalesce, h, iconButton, setHidden, setText } from "./dom.js";
import { selectBox } from "./controls.js";
import { pressed } from "./key-table.js";
import { like, openTrash, remove, undo } from "./history-actions.js";
import { historyDetail } from "./history-detail.js";
import { pictureGrid } from "./history-grid.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { openViewer } from "./viewer.js";
import { t } from "./texts.js";

const PER_PAGE = 120;
const MOST = 1000; // that the server gives at once
const PAUSE_MS = 180;
const AGAIN_MS = 1000; // while the folders are walked
const NEWS_MS = 600; // from a picture's end until it surely stands in the index
const STORED = "periplus.history";
const EMPTY = { search: "", kind: "", model: "", favourites: false, since: "", until: "", oldest: false };

const query = { ...EMPTY, ...JSON.parse(sessionStorage.getItem(STORED) ?? "{}") };
let parts = null;
let list = { total: 0, more: false, scanning: false };
let latest = null; // of several requests for a first page only the last counts
let loading = false;
let asking = false; // a list is on its way, as it was when it was asked for
let missed = true;
let selected = [];
let active = null;

export function mountHistory(host) {
  parts = build();
  host.replaceChildren(parts.root);
  onChange(coalesce(noticeNews));
  document.addEventListener("keydown", onKeyOutside);
  new IntersectionObserver(([entry]) => entry.isIntersecting && missed && load()).observe(parts.root);
  drawTools();
  load();
}

function build() {
  const search = h("input", { type: "search", id: "history_search", placeholder: t("history.search"), title: t("history.search.help"), "aria-label": t("history.search"), autocomplete: "off", spellcheck: "false", oninput: () => askLater({ search: search.value }), onkeydown: (event) => event.key === "ArrowDown" && (event.preventDefault(), grid.items.length && grid.choose(active ?? grid.items[0])) });
  const select = (name, change = (value) => ({ [name]: value })) => {
    const made = selectBox(`history_${name}`, name, "", []);
    made.input.setAttribute("aria-label", t(`history.${name}`));
    made.input.onchange = () => ask(change(made.value));
    return made;
  };
  const date = (name) => h("input", { type: "date", id: `history_${name}`, title: t(`history.${name}`), "aria-label": t(`history.${name}`), onchange: (event) => ask({ [name]: event.target.value }) });
  const [kind, model, order] = [select("kind"), select("model"), select("order", (value) => ({ oldest: value === "oldest" }))];
  order.input.replaceChildren(...["newest", "oldest"].map((value) => h("option", { value }, t(`history.order.${value}`))));
  const [since, until] = [date("since"), date("until")];
  const dates = h("span", { class: "history-dates" }, since, h("span", { "aria-hidden": "true" }, "–"), until);
  const liked = button(t("history.favourites"), "star", () => ask({ favourites: !query.favourites }), { id: "history_favourites" });
  const filters = h("div", { class: "history-filters" }, kind.element, model.element, dates, order.element, liked);
  const more = button(t("history.filters"), "down", () => more.setAttribute("aria-expanded", String(root.classList.toggle("filters-open"))), { class: "plain-button history-more", id: "history_more", "aria-expanded": "false" });
  const selecting = button(t("history.select"), "check", () => setSelecting(selecting.getAttribute("aria-pressed") !== "true"), { id: "history_select", "aria-pressed": "false", title: t("history.select.help") });
  const trash = iconButton(t("history.trash"), "clear", () => openTrash(reload), { id: "history_trash_open", class: "bare-button framed" });
  const refresh = iconButton(t("history.refresh"), "refresh", scan, { id: "history_refresh", class: "bare-button framed" });
  const tools = h("div", { class: "history-tools" }, h("div", { class: "history-row" }, search, more, selecting, refresh, trash), filters);
  const count = h("p", { class: "history-count", role: "status" });
  const clear = button(t("history.clear"), "close", () => (drawTools(Object.assign(query, EMPTY)), ask({})), { class: "plain-button link", id: "history_clear" });
  const grid = pictureGrid({ hungry, chosen, opened: open });
  const none = h("p", { class: "subdued history-none", hidden: true });
  const detail = historyDetail({ open, like: (items) => like(items, update), remove: deleteAll, clear: grid.clear });
  const main = h("div", { class: "history-main" }, tools, h("div", { class: "history-counts" }, count, clear), none, grid.element);
  const root = h("section", { class: "history", id: "history_tab", onkeydown: onKey }, main, h("aside", { class: "history-side" }, detail.element));
  return { root, search, kind, model, order, since, until, liked, count, clear, grid, none, detail, selecting };
}

// ---- what is asked

let timer = null;

function askLater(change) {
  clearTimeout(timer);
  timer = setTimeout(() => ask(change), PAUSE_MS);
}

function ask(change) {
  Object.assign(query, change);
  sessionStorage.setItem(STORED, JSON.stringify(query));
  drawTools();
  window.scrollTo({ top: 0 });
  load();
}

const midnight = (day, after = 0) => {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + after).getTime() / 1000;
};

function asked(more) {
  const { search, kind, model, favourites, since, until, oldest } = query;
  const given = { search, kind, model, favourites, oldest, count: PER_PAGE, ...more };
  if (since) given.since = midnight(since);
  if (until) given.until = midnight(until, 1);
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value !== "" && value !== false));
}

// The first page, or as many as are there already.
async function load(count = PER_PAGE) {
  missed = false;
  latest?.abort();
  const { signal } = (latest = new AbortController());
  asking = true;
  try {
    const answer = await request("GET", `api/v1/history?${asked({ count })}`, undefined, signal);
    asking = false;
    list = answer;
    const kept = count > PER_PAGE ? tail(answer) : [];
    list.more ||= kept.length > 0 && moreBefore;
    parts.grid.show([...answer.pictures, ...kept]);
    draw();
    loadFacets(signal);
    if (answer.scanning) setTimeout(() => !signal.aborted && seen() && reload(), AGAIN_MS);
  } catch (error) {
    if (signal.aborted) return;
    asking = false;
    missed = true;
    setText(parts.none, t("history.failed", { reason: error.message }));
    setHidden(parts.none, false);
  }
}

let moreBefore = false; // there were further pictures behind those that were loaded

// Of what was loaded, that which lies behind a page that was read anew.
function tail({ pictures, more }) {
  const last = pictures.at(-1);
  if (!last || !more) return [];
  return parts.grid.items.filter(({ id }) => (query.oldest ? id > last.id : id < last.id));
}

function reload() {
  moreBefore = list.more;
  return load(Math.min(MOST, Math.max(PER_PAGE, parts.grid.items.length)));
}

// The next page.
async function hungry() {
  if (loading || !list.more || !latest) return;
  loading = true;
  const { signal } = latest;
  try {
    const answer = await request("GET", `api/v1/history?${asked({ after: parts.grid.items.at(-1).id })}`, undefined, signal);
    if (signal.aborted) return;
    list.more = answer.more;
    parts.grid.show([...parts.grid.items, ...answer.pictures]);
  } catch {
    // The next scrolling tries again.
  } finally {
    loading = false;
  }
}

async function loadFacets(signal) {
  try {
    const { models, kinds } = await request("GET", "api/v1/history/facets", undefined, signal);
    choices(parts.model, "model", models.map(({ name, count }) => [name, `${name} (${count.toLocaleString()})`]));
    choices(parts.kind, "kind", kinds.map(({ name, count }) => [name, `${t(`history.kind.${name}`)} (${count.toLocaleString()})`]));
  } catch {
    // The lists stay as they are.
  }
}

function choices(box, name, found) {
  const options = [["", t(`history.any_${name}`)], ...found];
  const chosen = query[name];
  if (chosen && !found.some(([value]) => value === chosen)) options.push([chosen, name === "kind" ? t(`history.kind.${chosen}`) : chosen]);
  const text = JSON.stringify(options);
  if (box.element.dataset.options !== text && document.activeElement !== box.input) {
    box.element.dataset.options = text;
    box.input.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  }
  box.value = chosen;
}

async function scan() {
  await request("POST", "api/v1/history/scan").catch(() => {});
  reload();
}

// ---- news

let madeBefore = null;
let newsTimer = null;

const seen = () => parts.root.checkVisibility() && !document.hidden;

// Pictures that were made meanwhile; not while somebody looks at others further down.
function noticeNews() {
  let made = 0;
  for (const job of state.jobs.values()) made += job.pictures.length;
  if (madeBefore !== null && made !== madeBefore) missed = true;
  madeBefore = made;
  if (!missed || !state.online || !seen() || newsTimer || parts.grid.element.getBoundingClientRect().top < 0) return;
  newsTimer = setTimeout(() => ((newsTimer = null), seen() && reload()), NEWS_MS);
}

window.addEventListener("scroll", () => parts && missed && noticeNews(), { passive: true });

// ---- what is shown

function drawTools() {
  if (parts.search.value !== query.search) parts.search.value = query.search;
  for (const name of ["since", "until"]) if (parts[name].value !== query[name]) parts[name].value = query[name];
  parts.order.value = query.oldest ? "oldest" : "newest";
  parts.liked.setAttribute("aria-pressed", String(query.favourites));
  for (const name of ["model", "kind"]) if (!parts[name].element.dataset.options) choices(parts[name], name, []);
  const filtered = Object.keys(EMPTY).some((name) => name !== "oldest" && query[name] !== EMPTY[name]);
  setHidden(parts.clear, !filtered);
}

function draw() {
  const { total, scanning } = list;
  const words = t(total === 1 ? "history.count.one" : "history.count", { count: total.toLocaleString() });
  setText(parts.count, scanning ? `${words} · ${t("history.scanning")}` : words);
  setText(parts.none, scanning ? t("history.scanning") : t(parts.clear.hidden ? "history.empty" : "history.nothing"));
  setHidden(parts.none, parts.grid.items.length > 0);
  parts.root.dataset.state = scanning ? "scanning" : "ready";
}

function update(item) {
  parts.grid.update(item);
  askAnew();
}

// What was changed here would come back with a list that was asked for before.
const askAnew = () => asking && reload();

function chosen(item, several) {
  active = item;
  selected = several;
  parts.detail.show(several, parts.selecting.getAttribute("aria-pressed") === "true");
}

function setSelecting(on) {
  parts.selecting.setAttribute("aria-pressed", String(on));
  parts.grid.touching = on;
  if (!on) parts.grid.clear();
}

function open(item) {
  const { items } = parts.grid;
  const pictures = items.map(({ id, url }) => ({ index: id, url }));
  const select = (id) => {
    const shown = items.find((each) => each.id === id);
    if (shown) parts.grid.choose(shown, { focus: false });
  };
  const saving = ({ url: picture }) => ({ href: `${url(picture)}?download=1`, download: "" });
  const compare = (one, other, on) => compareTwo({ id: one.index }, { id: other.index }, { view: "over", ...on });
  openViewer({ request: { prompt: item.prompt }, pictures }, item.id, { select, saving, compare });
}

async function deleteAll(items) {
  const gone = (ids) => {
    list.total -= ids.length;
    parts.grid.show(parts.grid.items.filter(({ id }) => !ids.includes(id)));
    draw();
    const next = parts.grid.items.length && active;
    if (next) parts.grid.choose(next);
    askAnew();
  };
  await remove(items, { gone, back: reload });
}

// Also where nothing of the tab has the focus: it was just opened, or what was pressed is gone.
function onKeyOutside(event) {
  const nowhere = event.target === document.body || event.target.closest?.("[role=tab]");
  if (!nowhere || !parts.root.checkVisibility() || document.querySelector("dialog[open]")) return;
  if (["search", "undo"].includes(pressed(event, "history"))) onKey(event);
}

// Keys of the whole tab; those of the grid are its own.
function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea");
  const asked = typing ? null : pressed(event, "history");
  const items = selected.length ? selected : active ? [active] : [];
  if (asked === "undo") undo();
  else if (asked === "remove") deleteAll(items);
  else if (asked === "like") like(items, update);
  else if (asked === "compare" && items.length === 2) compareTwo(...items);
  else if (asked === "search") parts.search.focus();
  else return;
  event.preventDefault();
}
