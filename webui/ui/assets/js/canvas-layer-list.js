// The list of a canvas's layers of paint, the topmost first: which one is painted on, which are seen, and how they lie.

import { arrangement } from "./canvas-history.js";
import { h, iconButton, setHidden, setText } from "./dom.js";
import { t } from "./texts.js";

const CLOSED = ""; // what `drawn` is while the list is not shown

export function layerList(id, canvas) {
  const named = (name, iconName, press) => iconButton(t(`canvas.layer.${name}`), iconName, press, { id: `${id}_layer_${name}` });
  const add = named("add", "add", () => canvas.arrange((layers) => layers.add()));
  const up = named("up", "up", () => canvas.arrange((layers) => layers.move(1)));
  const down = named("down", "down", () => canvas.arrange((layers) => layers.move(-1)));
  const merge = named("merge", "merge", () => canvas.arrange((layers) => layers.merge()));
  const remove = named("remove", "clear", () => canvas.arrange((layers) => layers.remove()));
  const opacity = opacityRange(id, canvas);
  const rows = h("ul", { class: "layer-rows" });
  const element = h("div", { class: "layer-list sheet", id: `${id}_layer_list`, role: "group", "aria-label": t("canvas.layers"), hidden: true },
    rows, opacity.element, h("div", { class: "layer-actions" }, add, up, down, merge, remove));
  const opener = iconButton(t("canvas.layers"), "layers", toggle, { id: `${id}_layers`, "aria-expanded": "false", "aria-controls": element.id });
  let drawn = CLOSED;

  function toggle() {
    setHidden(element, !element.hidden);
    opener.setAttribute("aria-expanded", String(!element.hidden));
    drawn = CLOSED;
    draw();
  }

  function close() {
    setHidden(element, true);
    opener.setAttribute("aria-expanded", "false");
  }

  function draw() {
    const { layer } = canvas;
    if (!layer) return close();
    if (element.hidden) return;
    const { all, at } = layer;
    const seen = JSON.stringify([at, all.map(({ name, visible, opacity: share }) => [name, visible, share])]);
    if (seen === drawn) return;
    drawn = seen;
    rows.replaceChildren(...all.map((each, index) => row(each, index, index === at)).reverse());
    opacity.show(all[at]);
    add.disabled = layer.full;
    up.disabled = at === all.length - 1;
    down.disabled = merge.disabled = at === 0;
  }

  function row({ name, visible }, index, active) {
    const words = t("canvas.layer", { name });
    const change = () => canvas.arrange((layers) => Object.assign(layers.all[index], { visible: !visible }));
    const eye = iconButton(t(visible ? "canvas.layer.hide" : "canvas.layer.show", { name }), visible ? "eye" : "hidden", change);
    const choose = h("button", { type: "button", class: "layer-name", "aria-pressed": String(active), onclick: () => ((canvas.layer.at = index), canvas.finish()) }, words);
    return h("li", { class: visible ? null : "hidden" }, eye, choose);
  }

  return { element, opener, draw };
}

// Seen while it is moved; what undo goes back to is how it was before.
function opacityRange(id, canvas) {
  let before = null;
  const input = h("input", { type: "range", id: `${id}_layer_opacity`, min: 0, max: 100, oninput, onchange });
  const words = h("output", { for: input.id });

  function oninput() {
    before ??= canvas.layer.state;
    canvas.layer.change({ opacity: Number(input.value) / 100 });
    canvas.draw();
  }

  function onchange() {
    if (before) canvas.history.push(arrangement(canvas.layer, before));
    before = null;
    canvas.finish();
  }

  function show({ opacity }) {
    const percent = Math.round(opacity * 100);
    if (Number(input.value) !== percent) input.value = percent;
    input.style.setProperty("--filled", `${percent}%`);
    setText(words, String(percent));
  }

  return { element: h("label", { class: "easel-range", for: input.id }, h("span", {}, t("canvas.layer.opacity")), input, words), show };
}
