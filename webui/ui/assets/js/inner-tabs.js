// The tabs beside "Generation" in a form: LoRAs, embeddings, hypernetworks and checkpoints as cards. What is pressed goes into the
// prompts of this form, and out of them again; a checkpoint is chosen.

import { forward, h, setHidden } from "./dom.js";
import { buildCards, makeQuery } from "./cards.js";
import { chosen, useModel } from "./form.js";
import { buildDetail } from "./model-detail.js";
import { isCalled, press, watchFocus } from "./prompt-calls.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const GENERATION = "generation";
const KINDS = ["lora", "embedding", "hypernetwork", "checkpoint"];
const RARE = "hypernetwork"; // shown only where there are any
const STORED = "periplus.cards";

const stored = () => JSON.parse(sessionStorage.getItem(STORED) ?? "{}");

export function mountInnerTabs(host, tab) {
  const column = document.getElementById(`${tab}_left`);
  const query = makeQuery({ ...stored()[tab], view: "" });
  let panel = null; // made when it is asked for the first time
  let shown = GENERATION;

  const tabs = [GENERATION, ...KINDS].map((view) => h("button", { type: "button", role: "tab", class: "inner-tab", id: `${tab}_inner_${view}`, "data-view": view, "aria-controls": view === GENERATION ? `${tab}_controls` : `${tab}_cards`, onclick: () => choose(view), onkeydown: onKey }, t(`inner.${view}`)));
  const place = h("div", { class: "drawn inner-panel", id: `${tab}_cards`, role: "tabpanel", hidden: true });
  const row = h("div", { class: "inner-tabs", role: "tablist", "aria-label": t("inner.label") }, ...tabs);
  host.replaceChildren(row, place);
  watchFocus(tab);
  draw();
  const rare = tabs.find((each) => each.dataset.view === RARE);
  setHidden(rare, true);
  offerRare();
  document.addEventListener("periplus:models", ({ detail }) => detail.includes(RARE) && offerRare());

  async function offerRare() {
    const answer = await request("GET", `api/v1/models?kind=${RARE}&count=0`).catch(() => null);
    if (answer) setHidden(rare, !answer.total);
  }

  function choose(view) {
    shown = view;
    draw();
    if (view === GENERATION) return;
    panel ??= build();
    panel.show(view);
  }

  function draw() {
    for (const each of tabs) {
      const here = each.dataset.view === shown;
      each.setAttribute("aria-selected", String(here));
      each.tabIndex = here ? 0 : -1;
    }
    column.classList.toggle("shows-cards", shown !== GENERATION);
    setHidden(place, shown === GENERATION);
  }

  function onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] * forward(event.currentTarget);
    if (!step) return;
    const seen = tabs.filter((each) => !each.hidden);
    const to = seen[(seen.indexOf(event.currentTarget) + step + seen.length) % seen.length];
    event.preventDefault();
    to.focus();
    choose(to.dataset.view);
  }

  function build() {
    const cards = buildCards({
      id: `${tab}_cards`,
      label: t("inner.label"),
      query,
      keep: () => sessionStorage.setItem(STORED, JSON.stringify({ ...stored(), [tab]: query })),
      pick: (entry, pressed) => (take(entry), pressed.focus({ preventScroll: true })),
      edit: (entry) => editor.open(entry),
      isChosen,
      mark: (entry) => (isChosen(entry) ? t(entry.kind === "checkpoint" ? "models.in_use" : "cards.in_prompt") : ""),
      drawn: () => editor.update(),
      fitting: true,
    });
    const editor = buildEditor(tab, cards);
    place.replaceChildren(cards.element);
    document.addEventListener("periplus:form", ({ detail }) => detail.tab === tab && shown !== GENERATION && cards.redraw());
    return cards;
  }

  const isChosen = (entry) => (entry.kind === "checkpoint" ? chosen("checkpoint") === entry.name : isCalled(tab, entry));

  function take(entry) {
    if (entry.kind === "checkpoint") return entry.problem ? null : useModel("checkpoint", entry.name);
    press(tab, entry);
  }
}

// What is known of a model and can be noted, over the page.
function buildEditor(tab, cards) {
  let name = null;
  const detail = buildDetail({ close: () => dialog.close(), reload: cards.load, prefix: `${tab}_cards_` });
  const dialog = h("dialog", { class: "sheet card-editor drawn", "aria-label": t("detail.title"), onclose: closed, onclick: (event) => event.target === dialog && dialog.close() }, detail.element);
  document.body.append(dialog);

  function open(entry) {
    name = entry.name;
    detail.show(entry);
    dialog.showModal();
  }

  function closed() {
    detail.show(null);
    const card = cards.cardOf(name);
    name = null;
    card?.focus({ preventScroll: true });
  }

  return { open, update: () => name && cards.entry(name) && detail.update(cards.entry(name)) };
}
