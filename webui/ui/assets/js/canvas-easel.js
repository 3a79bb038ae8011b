// A canvas with what belongs to it: tools, sliders, what is said where there is no picture, and the ways that a picture comes in.

import { Canvas, SIZES } from "./canvas.js";
import { layerList } from "./canvas-layer-list.js";
import { button, h, icon, iconButton, setHidden, setText } from "./dom.js";
import { valuesOf } from "./form.js";
import { pressed } from "./key-table.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

const UNDO_SECONDS = 10;
const REST_MS = 600;
const BLANK = 512; // pixels each way, where the form says nothing

// `changed("picture" | "drawing")` is called after each change, `refused` with words about a file that is no picture.
// Returns {element, canvas, take}: `take` puts a file in.
export function easel({ id, mode, label, changed, refused }) {
  const canvas = new Canvas({ id: `${id}_screen`, mode, label: t(`canvas.label.${mode}`, { label }), changed: onChanged, told: () => redraw() });
  const input = h("input", { type: "file", accept: "image/*", class: "off-screen", id: `${id}_file`, "aria-label": t("canvas.choose"), onchange: () => (take(input.files[0]), (input.value = "")) });
  const blank = blankForm(id, (size) => take(size));
  const hint = h("div", { class: "drop-hint" }, icon("picture"), h("strong", {}, label), h("span", {}, t("canvas.drop")),
    h("span", { class: "hint-buttons" }, button(t("canvas.choose"), "file", () => input.click()), mode === "paint" && button(t("canvas.blank"), "blank", () => blank.show(), { id: `${id}_new` })));
  const layers = mode === "paint" ? layerList(id, canvas) : null;
  const bar = toolbar(id, canvas, { choose: () => input.click(), blank: () => blank.show(), remove, enlarge: () => enlarge(!large()), layers: layers?.opener });
  const foot = footer(id, canvas);
  const spoken = sayWhere(canvas);
  const stage = h("div", { class: "easel-stage" }, canvas.screen, hint, layers?.element, blank.element, spoken);
  const element = h("div", { class: "easel canvas", id, "data-mode": mode }, input, bar.element, stage, foot.element);
  acceptDrops(element, take);
  element.addEventListener("keydown", onKey);

  const large = () => element.classList.contains("large");

  // Over the whole window, and back; the view fits itself to its new size.
  function enlarge(on) {
    element.classList.toggle("large", on);
    bar.enlarged(on);
  }

  // Escape would interrupt a job elsewhere on the page.
  function onKey(event) {
    const asked = pressed(event, "canvas");
    const leaves = asked === "leave" && large();
    if (!leaves && !(asked === "enlarge" && event.target === canvas.screen)) return;
    event.preventDefault();
    event.stopPropagation();
    enlarge(!leaves && !large());
  }

  function redraw() {
    bar.draw();
    foot.draw();
    layers?.draw();
  }

  function onChanged(what) {
    setHidden(hint, Boolean(canvas.bitmap));
    element.classList.toggle("empty", !canvas.bitmap);
    if (!canvas.bitmap) enlarge(false);
    changed(what);
  }

  // What was drawn on the former picture can be had back.
  async function take(file) {
    if (!file) return;
    const before = await canvas.stored();
    try {
      await canvas.setPicture(file);
    } catch {
      const words = t("canvas.no_picture", { name: file.name ?? "" });
      return large() ? post(words, "error") : refused(words); // what stands beside it lies beneath it then
    }
    offer(before.drawing ? before : null, t("canvas.replaced"));
  }

  async function remove() {
    const before = await canvas.stored();
    canvas.clear();
    offer(before, t("canvas.removed"));
  }

  function offer(before, words) {
    if (before) post(words, "info", { action: { text: t("action.undo"), press: () => canvas.restore(before) }, seconds: UNDO_SECONDS });
  }

  onChanged(null);
  return { element, canvas, take };
}

// ---- tools

function toolbar(id, canvas, { choose, blank, remove, enlarge, layers }) {
  const named = (name, key, press, attributes = {}) => iconButton(t(`canvas.${key ?? name}`), name, press, { id: `${id}_${name}`, ...attributes });
  const tools = { paint: ["brush", "eraser", "fill", "picker"], mask: ["brush", "eraser", "fill"] }[canvas.mode] ?? [];
  const kinds = tools.map((name) => named(name, null, () => canvas.setTool({ name }), { "data-tool": name, "aria-pressed": "false" }));
  const colour = canvas.mode === "paint" && h("input", { type: "color", id: `${id}_colour`, class: "easel-colour", title: t("canvas.colour"), "aria-label": t("canvas.colour"), oninput: () => canvas.setTool({ colour: colour.value }) });
  const undo = tools.length && named("undo", null, () => canvas.undo());
  const redo = tools.length && named("redo", null, () => canvas.redo());
  const large = named("enlarge", "large", enlarge, { "aria-pressed": "false" });
  const rest = [
    canvas.mode === "mask" && named("invert", null, () => canvas.invert()),
    tools.length && named("clear", null, () => canvas.empty()),
    layers,
    named("fit", null, () => (canvas.view.fit(), canvas.draw())),
    large,
    h("span", { class: "easel-gap" }),
    named("file", "choose", choose),
    canvas.mode === "paint" && named("blank", "blank", blank),
    named("close", "remove", remove),
  ];
  const element = h("div", { class: "easel-tools", role: "toolbar", "aria-label": t("canvas.tools") }, ...kinds, colour, ...[undo, redo, ...rest].filter(Boolean));

  function draw() {
    for (const kind of kinds) kind.setAttribute("aria-pressed", String(kind.dataset.tool === canvas.tool.name));
    if (colour && colour.value !== canvas.tool.colour) colour.value = canvas.tool.colour;
    if (undo) undo.disabled = !canvas.history.done.length;
    if (redo) redo.disabled = !canvas.history.undone.length;
    canvas.screen.dataset.tool = canvas.drawable ? canvas.tool.name : "none";
  }

  return { element, draw, enlarged: (on) => large.setAttribute("aria-pressed", String(on)) };
}

// Where the brush is that keys move, for those who do not see it, once it rests.
function sayWhere(canvas) {
  const element = h("div", { class: "off-screen", role: "status", "aria-live": "polite" });
  let timer = null;
  canvas.brushMoved = ({ x, y }, paints) => {
    clearTimeout(timer);
    timer = setTimeout(() => setText(element, t(paints ? "canvas.painting" : "canvas.at", { x, y })), REST_MS);
  };
  return element;
}

// ---- sliders, and what is seen

function footer(id, canvas) {
  const size = range(`${id}_size`, t("canvas.size"), SIZES.low, SIZES.high, (value) => canvas.setTool({ size: value }));
  const opacity = canvas.mode === "paint" && range(`${id}_opacity`, t("canvas.opacity"), 1, 100, (value) => canvas.setTool({ opacity: value / 100 }));
  const veil = canvas.mode === "mask" && range(`${id}_veil`, t("canvas.veil"), 10, 100, (value) => canvas.setTool({ veil: value / 100 }));
  const facts = h("span", { class: "easel-facts" });
  const element = h("div", { class: "easel-foot" }, canvas.mode !== "picture" && size.element, opacity && opacity.element, veil && veil.element, facts);

  function draw() {
    size.show(canvas.tool.size);
    if (opacity) opacity.show(Math.round(canvas.tool.opacity * 100));
    if (veil) veil.show(Math.round(canvas.tool.veil * 100));
    const { size: pixels, view } = canvas;
    setText(facts, pixels ? t("canvas.facts", { ...pixels, percent: Math.round(view.scale * 100) }) : "");
  }

  return { element, draw };
}

function range(id, label, low, high, set) {
  const input = h("input", { type: "range", id, min: low, max: high, oninput: () => set(Number(input.value)) });
  const words = h("output", { for: id });
  const show = (value) => {
    if (Number(input.value) !== value) input.value = value;
    input.style.setProperty("--filled", `${((value - low) / (high - low)) * 100}%`);
    setText(words, String(value));
  };
  return { element: h("label", { class: "easel-range", for: id }, h("span", {}, label), input, words), show };
}

// ---- an empty canvas

function blankForm(id, make) {
  const number = (name, label) => {
    const input = h("input", { type: "number", id: `${id}_blank_${name}`, min: 8, max: 4096, step: 8, required: true });
    return { input, element: h("label", {}, label, input) };
  };
  const width = number("width", t("canvas.width"));
  const height = number("height", t("canvas.height"));
  const colour = h("input", { type: "color", value: "#ffffff", id: `${id}_blank_colour` });
  const cancel = button(t("action.cancel"), null, () => setHidden(element, true));
  const create = h("button", { type: "submit", class: "plain-button primary", id: `${id}_blank_create` }, t("canvas.create"));
  const fields = [width.element, height.element, h("label", {}, t("canvas.colour"), colour)];
  const onsubmit = async (event) => {
    event.preventDefault();
    setHidden(element, true);
    make(await filled(Number(width.input.value), Number(height.input.value), colour.value));
  };
  const element = h("form", { class: "easel-blank sheet", "aria-label": t("canvas.blank"), hidden: true, onsubmit }, ...fields, h("div", { class: "actions" }, create, cancel));

  function show() {
    const values = valuesOf("img2img");
    width.input.value ||= values.width ?? BLANK;
    height.input.value ||= values.height ?? BLANK;
    setHidden(element, false);
    width.input.select();
  }

  return { element, show };
}

async function filled(width, height, colour) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  return canvas.convertToBlob({ type: "image/png" });
}

// ---- what is dropped

function acceptDrops(element, take) {
  for (const kind of ["dragenter", "dragover"]) element.addEventListener(kind, (event) => (event.preventDefault(), element.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) element.addEventListener(kind, () => element.classList.remove("over"));
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const [file] = event.dataTransfer.files;
    const address = event.dataTransfer.getData("text/uri-list").split("\n")[0];
    // A picture of this page comes as its address too, and from there as it lies on the disk.
    const own = address.startsWith(document.baseURI);
    take(own ? await fetch(address).then((answer) => answer.blob()) : file);
  });
}
