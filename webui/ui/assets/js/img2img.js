// The tab img2img: its sub-tabs and their canvases. Pictures and drawings stay in the browser (canvas-store.js) and are handed in
// as they stand when Generate is pressed.

import { easel } from "./canvas-easel.js";
import { batchPanel, batchScript } from "./batch.js";
import { load, save } from "./canvas-store.js";
import { button, forward, h } from "./dom.js";
import { clearError, showErrors } from "./errors.js";
import { addAtGenerate, sendInfotext, valuesOf } from "./form.js";
import { fieldElement, fields } from "./fields.js";
import { resized, scaleBy, sourceChanged } from "./img2img-resize.js";
import { changedInWords, setState } from "./options.js";
import { request } from "./server.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

export { mountResize } from "./img2img-resize.js";

// In their order: what is done on the source, and whether a mask comes of it or beside it.
const SUBTABS = {
  img2img: { source: "picture" },
  sketch: { source: "paint" },
  inpaint: { source: "mask", masks: true },
  inpaint_sketch: { source: "paint", masks: true },
  inpaint_upload: { source: "picture", mask: "picture", masks: true },
  batch: { masks: true }, // without a canvas: the pictures lie elsewhere
};

const COPY_TO = ["img2img", "sketch", "inpaint", "inpaint_sketch"];
const CHOSEN = "periplus.img2img.subtab";
const FILL = "Resize and fill"; // the resize mode whose result holds all of the picture
const SOFT = Object.keys(fields).filter((name) => name.startsWith("soft_"));

const made = new Map(); // by sub-tab: {easels, element, ready}
let chosen = SUBTABS[sessionStorage.getItem(CHOSEN)] ? sessionStorage.getItem(CHOSEN) : "img2img";
let host = null;

// ---- sub-tabs

function subtab(name) {
  if (!made.has(name)) made.set(name, makeSubtab(name));
  return made.get(name);
}

function makeSubtab(name) {
  const { source, mask } = SUBTABS[name];
  const attributes = { class: "subtab", id: `subtab_${name}`, role: "tabpanel", "aria-labelledby": `subtab_${name}_tab` };
  if (!source) return { easels: {}, element: h("div", attributes, batchPanel()), ready: Promise.resolve() };
  const make = (part, mode) => {
    const id = part === "source" ? `canvas_${name}` : `canvas_${name}_${part}`;
    const refused = (message) => showErrors({ source: message }, "img2img");
    return easel({ id, mode, label: t(`img2img.label.${part}`), changed: (what) => onChanged(name, part, what), refused });
  };
  const easels = { source: make("source", source), ...(mask && { mask: make("mask", mask) }) };
  const element = h("div", attributes, ...Object.values(easels).map((each) => each.element));
  return { easels, element, ready: restore(name, easels) };
}

const storedAs = (name, part, what) => `${name}/${part}/${what}`;

async function restore(name, easels) {
  for (const [part, { canvas }] of Object.entries(easels)) {
    const picture = await load(storedAs(name, part, "picture"));
    const drawing = await load(storedAs(name, part, "drawing"));
    Object.assign(canvas.tool, drawing?.tool);
    if (picture && !canvas.bitmap) await canvas.restore({ picture, drawing: drawing?.layer });
    canvas.keeps = true; // only now: what is restored need not be kept again
  }
}

function onChanged(name, part, what) {
  const canvas = made.get(name)?.easels[part].canvas;
  if (!canvas) return;
  if (canvas.keeps) {
    if (what === "picture") save(storedAs(name, part, "picture"), async () => canvas.blob);
    save(storedAs(name, part, "drawing"), async () => ({ layer: (await canvas.stored()).drawing, tool: { ...canvas.tool } }));
  }
  if (name === chosen && part === "source") sourceChanged(canvas.size);
  if (what === "picture") proportions = inWords(valuesOf("img2img"));
  if (host && what) clearErrorAtSource();
}

function clearErrorAtSource() {
  const element = fieldElement("source", "img2img");
  if (element) clearError(element);
}

function show(name) {
  chosen = name;
  sessionStorage.setItem(CHOSEN, name);
  if (!host) return;
  const { element, easels } = subtab(name);
  host.panels.replaceChildren(element);
  for (const [each, tab] of Object.entries(host.tabs)) {
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
  }
  for (const [each, copy] of Object.entries(host.copies)) copy.hidden = each === name;
  host.copying.hidden = !easels.source;
  document.getElementById("img2img_frame")?.classList.toggle("masks", Boolean(SUBTABS[name].masks));
  clearErrorAtSource();
  sourceChanged(easels.source?.canvas.size ?? null);
}

export function mountImg2img(element) {
  const names = Object.keys(SUBTABS);
  const tabs = Object.fromEntries(names.map((name) => [name, h("button", { type: "button", role: "tab", id: `subtab_${name}_tab`, "aria-controls": `subtab_${name}`, onclick: () => show(name) }, t(`img2img.tab.${name}`))]));
  const copies = Object.fromEntries(COPY_TO.map((name) => [name, button(t(`img2img.tab.${name}`), null, () => copyTo(name), { id: `copy_to_${name}`, class: "plain-button small" })]));
  const panels = h("div", { class: "subtab-panels" });
  const list = h("div", { class: "subtabs", role: "tablist", "aria-label": t("img2img.tabs") }, ...Object.values(tabs));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * forward(list);
    if (!step) return;
    event.preventDefault();
    show(names[(names.indexOf(chosen) + step + names.length) % names.length]);
    tabs[chosen].focus();
  });
  const copying = h("div", { class: "copy-to", role: "group", "aria-label": t("img2img.copy_to") }, h("span", { class: "subdued" }, t("img2img.copy_to")), ...Object.values(copies));
  element.replaceChildren(list, panels, copying);
  host = { tabs, copies, panels, copying };
  show(chosen);
}

// A picture that is pasted goes to the canvas that is seen.
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData?.files ?? [];
  if (file && host?.panels.checkVisibility()) subtab(chosen).easels.source?.take(file);
});

// What the closed accordions say of their fields.
function drawStates(values) {
  const soft = document.getElementById("img2img_soft");
  setState(soft, values.soft_inpainting ? [t("on"), changedInWords(values, SOFT.filter((name) => name !== "soft_inpainting"))].filter(Boolean).join(", ") : "");
  for (const [id, names] of Object.entries(window.periplusConfig?.img2img ?? {})) setState(document.getElementById(id), changedInWords(values, names));
}

document.addEventListener("periplus:form", ({ detail: { tab, values } }) => {
  if (tab !== "img2img") return;
  drawStates(values);
  showProportions(values);
});

let proportions = ""; // as they were when they were last told, or the picture came
const inWords = ({ width, height }) => `${width}×${height}`;

// What the sliders of width and height come to is seen over the picture while they are moved.
function showProportions(values) {
  const before = proportions;
  proportions = inWords(values);
  const canvas = made.get(chosen)?.easels.source?.canvas;
  if (before !== proportions && canvas?.bitmap) canvas.showFrame(values.width, values.height, values.resize_mode === FILL);
}
document.addEventListener("periplus:tab", () => drawStates(valuesOf("img2img")));

// ---- what leaves

addAtGenerate("img2img", async () => {
  try {
    return { ...(await handIn()), ...resized() };
  } catch (error) {
    return { source: null, mask: null, problems: { source: error.message } };
  }
});

async function handIn() {
  const { easels, ready } = subtab(chosen);
  await ready;
  if (!easels.source) return { source: null, mask: null, script: batchScript(scaleBy()) };
  const { canvas } = easels.source;
  const source = await canvas.source();
  if (!source) return { source: null, mask: null };
  const mask = SUBTABS[chosen].masks ? await maskOf(easels) : null;
  return { source: await digestOf(source), mask: mask && (await digestOf(mask)) };
}

// Raises in words where nothing is masked, for then nothing would be made.
async function maskOf({ source, mask }) {
  const found = mask ? await mask.canvas.source() : await source.canvas.mask();
  const needed = mask || valuesOf("img2img").mask_mode !== "Inpaint not masked";
  if (!found && needed) throw new Error(t(mask ? "img2img.no_mask_file" : "img2img.no_mask"));
  return found;
}

async function digestOf(blob) {
  return (await request("POST", "api/v1/sources", blob)).digest;
}

// ---- what comes in

// Puts a picture (a Blob, or where it lies) into a sub-tab ("img2img", "sketch", "inpaint", "inpaint_sketch", "inpaint_upload")
// and shows it; `settings`, an infotext, go into the form. What was drawn there before can be had back.
// `mask`: where one lies, for a sub-tab that takes a picture as mask.
export async function sendPicture(name, blobOrUrl, settings = "", mask = null) {
  const focused = document.activeElement;
  const blob = blobOrUrl instanceof Blob ? blobOrUrl : await (await fetch(blobOrUrl)).blob();
  const { easels, ready } = subtab(name);
  await ready;
  await easels.source.take(blob);
  if (mask) await easels.mask.take(await (await fetch(mask)).blob());
  showTab("img2img");
  show(name);
  if (settings) sendInfotext(settings, "img2img", null, focused);
}

async function copyTo(name) {
  const source = await subtab(chosen).easels.source.canvas.source();
  if (source) await sendPicture(name, source);
}

// For those who look at what is drawn.
export const canvasOf = (name, part = "source") => subtab(name).easels[part].canvas;
export const restored = async (name) => void (await subtab(name).ready);
