// The simple view: prompt, style, shape, number of pictures, Generate. The same form with the rest out of sight, so what is
// hidden keeps its values and goes into each request. Each browser has its own choice.

import { button, coalesce, h, setHidden, setText } from "./dom.js";
import { TABS } from "./fields.js";
import { setSize, valuesOf } from "./form.js";
import { t } from "./texts.js";
import { unseen } from "./unseen.js";

const VIEW = "periplus.view";
const SHAPES = ["square", "portrait", "landscape"];

const listeners = new Set();
let sizes = null; // by shape: width and height that suit the checkpoint; a shape that it cannot draw is left out
let fresh = {}; // by tab: the values with which a form begins under the checkpoint, where they are not the table's

export const viewWasChosen = () => localStorage.getItem(VIEW) !== null;
export const isSimple = () => localStorage.getItem(VIEW) === "simple";

export function applyView() {
  document.documentElement.classList.toggle("simple", isSimple());
}

export function setView(name) {
  localStorage.setItem(VIEW, name);
  for (const tab of TABS) document.getElementById(`${tab}_inner_generation`)?.click(); // cards would have no way back
  applyView();
  for (const listener of listeners) listener();
}

// ---- where it is chosen

export function viewChoice() {
  const select = h("select", { id: "view", onchange: () => setView(select.value) }, ...["full", "simple"].map((name) => h("option", { value: name }, t(`view.${name}`))));
  const show = () => (select.value = isSimple() ? "simple" : "full");
  listeners.add(show);
  show();
  return h("label", {}, t("view.label"), " ", select);
}

// For newcomers, in the empty stage; gone once they have chosen.
export function viewOffer() {
  const offer = h("p", { class: "view-offer" }, t("view.offer"), " ", button(t("view.offer.take"), null, () => setView("simple"), { class: "plain-button link inline", id: "view_offer" }));
  const show = () => setHidden(offer, viewWasChosen());
  listeners.add(show);
  show();
  return offer;
}

// ---- in the form

export function setSuited(shapes, values) {
  sizes = shapes ?? sizes;
  fresh = values ?? fresh;
  for (const listener of listeners) listener();
}

export function mountShape(host, tab) {
  const shapes = SHAPES.map((name) => h("button", { type: "button", class: `segment shape shape-${name}`, "data-shape": name, onclick: () => sizes && setSize(...sizes[name]) }, h("span", { class: "shape-icon", "aria-hidden": "true" }), t(`shape.${name}`)));
  const words = h("span", { class: "subdued shape-size" });
  const more = button(t("view.more"), null, () => setView("full"), { class: "plain-button link", id: `${tab}_full_view` });
  const hidden = h("p", { class: "subdued unseen", id: `${tab}_unseen`, hidden: true });
  host.replaceChildren(h("div", { class: "shapes drawn" }, h("div", { class: "segments", role: "group", "aria-label": t("shape.label") }, ...shapes), words, more), hidden);

  // What was set otherwise is no shape, but is told.
  function show() {
    document.querySelector(`#${tab}_batch_count [data-testid=block-info]`)?.setAttribute("data-simple", t("shape.pictures"));
    const { width, height } = valuesOf(tab);
    for (const each of shapes) {
      const size = sizes?.[each.dataset.shape];
      setHidden(each, Boolean(sizes && !size));
      each.setAttribute("aria-pressed", String(`${size}` === `${width},${height}`));
    }
    words.textContent = width ? `${width} × ${height}` : "";
  }
  listeners.add(show);
  document.addEventListener("periplus:form", ({ detail }) => detail.tab === tab && show());
  show();

  // When accordions and scripts have drawn what they hold.
  const tell = coalesce(() => {
    const names = isSimple() ? unseen(tab, valuesOf(tab), fresh[tab]).join(", ") : "";
    setHidden(hidden, !names);
    setText(hidden, names && t("view.unseen", { names }));
  });
  listeners.add(tell);
  for (const event of ["periplus:form", "periplus:resize", "change", "click"]) document.addEventListener(event, tell);
  tell();
}
