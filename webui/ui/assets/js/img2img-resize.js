// "Resize to" a width and height, or "Resize by" a factor of the source; from which size to which, before anything is made.

import { button, h, setText } from "./dom.js";
import { fields } from "./fields.js";
import { setSize, valuesOf } from "./form.js";
import { keepOver, slider } from "./controls.js";
import { t } from "./texts.js";

const KINDS = ["to", "by"];
const RANGE = { low: 0.05, high: 4, step: 0.01 };

let source = null; // {width, height} of the picture that is seen
let parts = null;
const kind = { name: "kind", value: "to", element: new EventTarget() };

export function mountResize(host) {
  const tabs = KINDS.map((name) => h("button", { type: "button", role: "radio", id: `img2img_resize_${name}`, onclick: () => choose(name) }, t(`img2img.resize.${name}`)));
  const scale = slider("img2img_scale", "scale", t("img2img.scale"), { ...RANGE, help: t("img2img.scale.help") });
  const detect = button(t("img2img.detect"), "fit", () => source && setSize(...limited(source, 1)), { id: "img2img_detect_size", class: "plain-button small", title: t("img2img.detect.help") });
  const words = h("p", { class: "resize-words", role: "status" });
  scale.value = 1;
  parts = { tabs, scale, words, detect };
  keepOver("periplus.img2img.resize", [kind, scale]);
  scale.element.addEventListener("input", draw);
  host.replaceChildren(
    h("div", { class: "resize-head" }, h("div", { class: "segments", role: "radiogroup", "aria-label": t("img2img.resize") }, ...tabs), detect, words),
    scale.element,
  );
  draw();
}

function choose(name) {
  kind.value = name;
  kind.element.dispatchEvent(new Event("change"));
  draw();
}

export function sourceChanged(size) {
  source = size;
  draw();
}

// Within what a request may have, in its steps of 8, in the proportions of the source.
function limited({ width, height }, factor) {
  const { low, high, multiple_of: raster } = fields.width;
  const most = Math.min(factor, high / Math.max(width, height));
  return [width, height].map((side) => Math.min(high, Math.max(low, Math.round((side * most) / raster) * raster)));
}

// What Generate must replace in the form.
export function resized() {
  if (kind.value !== "by" || !source || !parts) return {};
  const [width, height] = limited(source, parts.scale.value ?? 1);
  return { width, height };
}

// How many times as large as its source a result is to be; 0: as large as the form says.
export const scaleBy = () => (kind.value === "by" && parts ? (parts.scale.value ?? 1) : 0);

function draw() {
  if (!parts) return;
  const by = kind.value === "by";
  document.getElementById("img2img_frame")?.classList.toggle("resize-by", by);
  parts.tabs.forEach((tab, index) => tab.setAttribute("aria-checked", String(KINDS[index] === kind.value)));
  parts.scale.element.hidden = !by;
  parts.detect.hidden = by;
  parts.detect.disabled = !source;
  const { width, height } = { ...valuesOf("img2img"), ...resized() };
  setText(parts.words, source ? t("img2img.resize.words", { from: `${source.width}×${source.height}`, to: `${width}×${height}` }) : "");
  document.dispatchEvent(new Event("periplus:resize"));
}

document.addEventListener("periplus:form", ({ detail: { tab } }) => tab === "img2img" && draw());
