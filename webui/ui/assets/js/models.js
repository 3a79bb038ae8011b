// The tab Models: what lies here as cards, and beside them what is chosen.

import { h, setHidden } from "./dom.js";
import { buildCards, makeQuery } from "./cards.js";
import { chosen } from "./form.js";
import { buildGet } from "./get-models.js";
import { buildDetail } from "./model-detail.js";
import { showTab } from "./tabs.js";
import { taskList } from "./tasks.js";
import { t } from "./texts.js";

const STORED = "periplus.models";
const VIEWS = ["checkpoint", "vae", "lora", "embedding", "hypernetwork", "upscaler", "get"];
const TASKS = ["download", "hash", "convert"];

const query = makeQuery({ view: "checkpoint", ...JSON.parse(sessionStorage.getItem(STORED) ?? "{}") });
let parts = null;
let selected = null; // the name of the card whose details are shown

export function mountModels(host) {
  parts = build();
  host.replaceChildren(parts.root);
  choose(query.view);
}

// Opens the tab on one of VIEWS.
export function showModels(view) {
  showTab("models");
  if (parts) choose(view);
  else query.view = view;
}

function build() {
  const views = h("div", { class: "segments", role: "group", "aria-label": t("tab.models") }, ...VIEWS.map((view) => h("button", { type: "button", class: "segment", id: `models_view_${view}`, "data-view": view, onclick: () => choose(view) }, t(`models.view.${view}`))));
  const hashAll = h("button", { type: "button", class: "plain-button", id: "models_hash_all", title: t("models.hash_all.help"), onclick: () => begin(hashAll) }, t("models.hash_all"));
  const cards = buildCards({
    id: "models",
    label: t("tab.models"),
    query,
    keep,
    pick: select,
    isChosen: (entry) => entry.name === selected,
    mark: (entry) => (chosen(entry.kind) === entry.name ? t("models.in_use") : ""),
    drawn: () => selected && cards.entry(selected) && detail.update(cards.entry(selected)),
    tools: [hashAll],
  });
  const get = buildGet();
  const detail = buildDetail({ close: () => select(null), reload: cards.load });
  const side = h("aside", { class: "models-side" }, taskList(TASKS), detail.element);
  const root = h("section", { class: "models", id: "models_tab" }, h("div", { class: "models-main" }, views, cards.element, get.element), side);
  return { root, views, cards, get, detail };
}

const keep = () => sessionStorage.setItem(STORED, JSON.stringify(query));

function choose(view) {
  for (const each of parts.views.children) each.setAttribute("aria-pressed", String(each.dataset.view === view));
  parts.root.dataset.view = view;
  setHidden(parts.cards.element, view === "get");
  setHidden(parts.get.element, view !== "get");
  select(null);
  if (view !== "get") return parts.cards.show(view);
  query.view = view;
  keep();
  parts.get.shown();
}

async function begin(pressed) {
  pressed.disabled = true;
  await parts.detail.hash({}); // of no model alone: of all
  pressed.disabled = false;
}

function select(entry) {
  const before = selected;
  selected = entry?.name ?? null;
  parts.root.classList.toggle("detailed", Boolean(entry));
  parts.detail.show(entry);
  parts.cards.redraw();
  // The keyboard goes back to the card that it came from.
  if (!entry && before) parts.cards.cardOf(before)?.focus({ preventScroll: true });
}
