// Two cells beside each other or over each other: the pictures, moved and zoomed together; where their pixels differ; and the
// settings that do.

import { button, h, iconButton, setHidden, setText } from "./dom.js";
import { radios, slider } from "./controls.js";
import { sendInfotext } from "./form.js";
import { post } from "./notices.js";
import { infotextOf, otherSettings } from "./plot-data.js";
import { METRICS, shownValue } from "./plot-overlay.js";
import { cellName } from "./plot-words.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const VIEWS = ["beside", "over", "difference"];
const MAX_GAIN = 32;

export function openComparison(plot, one, other, view = VIEWS[0]) {
  const pair = [one, other];
  const figures = pair.map((cell, index) => figure(plot, cell, index ? "B" : "A"));
  const views = radios("plot_view", "view", t("plot.view"), VIEWS.map((name) => [name, t(`plot.view.${name}`)]));
  const gain = slider("plot_gain", "gain", t("plot.gain"), { low: 1, high: MAX_GAIN, step: 1, help: t("plot.gain.help") });
  const wipe = slider("plot_wipe", "wipe", t("plot.wipe"), { low: 0, high: 100, step: 1 });
  const canvas = h("canvas", { class: "plot-difference", id: "plot_difference", role: "img", "aria-label": t("plot.differing.pixels") });
  const told = h("p", { class: "plot-told", id: "plot_told", role: "status" });
  const stage = h("div", { class: "plot-pair" }, ...figures.map(({ element }) => element), canvas);
  const table = h("table", { class: "settings-table plot-differing" }, h("thead", {}, h("tr", {}, h("th"), h("th", { scope: "col" }, "A"), h("th", { scope: "col" }, "B"))), h("tbody", {}, ...differing(plot, one, other).map((cells) => h("tr", {}, h("th", { scope: "row" }, cells[0]), h("td", {}, cells[1]), h("td", {}, cells[2])))));
  const sends = pair.map((cell, index) => button(t("plot.send", { name: index ? "B" : "A" }), "send", () => send(cell)));
  const side = h("aside", { class: "plot-cell-side" }, h("header", {}, h("h2", {}, t("plot.compare.title")), iconButton(t("action.close"), "close", () => dialog.close())),
    views.element, gain.element, wipe.element, told, h("h3", {}, t("plot.differing")), table, h("div", { class: "actions" }, ...sends));
  const dialog = h("dialog", { class: "plot-dialog drawn plot-comparison", id: "plot_comparison", "aria-label": t("plot.compare.title") }, stage, side);
  views.value = view;
  gain.value = 8;
  wipe.value = 50;
  let difference = null;
  views.element.addEventListener("change", draw);
  gain.element.addEventListener("input", paint);
  wipe.element.addEventListener("input", divide);
  divide();
  moveTogether(stage, figures.map(({ image }) => image), canvas, (share) => ((wipe.value = Math.round(Math.min(1, Math.max(0, share)) * 100)), divide()));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  draw();
  dialog.showModal();
  compare();

  function divide() {
    stage.style.setProperty("--wipe", `${wipe.value}%`);
  }

  function draw() {
    const view = views.value;
    stage.dataset.view = view;
    setHidden(gain.element, view !== "difference");
    setHidden(wipe.element, view !== "over");
    setHidden(canvas, view !== "difference");
    paint();
  }

  async function compare() {
    setText(told, t("plot.comparing"));
    try {
      await Promise.all(figures.map(({ image }) => image.decode()));
      difference = measure(...figures.map(({ image }) => image));
      setText(told, difference.words);
      paint();
    } catch {
      setText(told, t("plot.not_comparable"));
    }
  }

  function paint() {
    if (difference && views.value === "difference") difference.paint(canvas, gain.value ?? 1);
  }

  async function send(cell) {
    try {
      const text = await infotextOf(cell);
      for (const each of document.querySelectorAll("dialog[open]")) each.close(); // also the viewer below this
      sendInfotext(text);
    } catch (error) {
      post(t("notice.request_failed", { reason: error.message }), "warning");
    }
  }
}

function figure(plot, cell, letter) {
  const name = cellName(plot, cell);
  const image = h("img", { src: cell.picture ? url(cell.picture) : null, alt: name, draggable: "false" });
  const caption = h("figcaption", {}, h("strong", {}, letter), h("span", {}, name));
  return { image, element: h("figure", { class: `plot-figure plot-figure-${letter}` }, h("div", { class: "plot-frame" }, cell.picture ? image : h("p", { class: "bad" }, cell.error || t(`plot.cell.${cell.state}`))), caption) };
}

function differing(plot, one, other) {
  const axes = plot.axes.map((name, axis) => [name, plot.labels[axis][one.index[axis]], plot.labels[axis][other.index[axis]]]);
  const [left, right] = [one, other].map((cell) => otherSettings(plot, cell));
  const settings = Object.keys({ ...left, ...right }).map((key) => [key, left[key] ?? "–", right[key] ?? "–"]);
  const seed = plot.axes.includes("Seed") ? [] : [[t("plot.seed"), one.seed ?? "–", other.seed ?? "–"]];
  const figures = METRICS.map((name) => [t(`plot.overlay.${name}`), ...[one, other].map((cell) => (typeof cell[name] === "number" ? shownValue(name, cell[name]) : "–"))]);
  return [...axes, ...settings, ...seed, ...figures].filter(([, mine, yours]) => String(mine) !== String(yours));
}

// How far two pictures differ, pixel by pixel; one of another size is first drawn as large as the first.
function measure(one, other) {
  const { naturalWidth: width, naturalHeight: height } = one;
  const scaled = other.naturalWidth !== width || other.naturalHeight !== height;
  const [left, right] = [one, other].map((image) => pixels(image, width, height));
  const apart = new Uint8ClampedArray(width * height * 3);
  let sum = 0;
  let changed = 0;
  let most = 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    let largest = 0;
    for (let part = 0; part < 3; part++) {
      const value = Math.abs(left[pixel * 4 + part] - right[pixel * 4 + part]);
      apart[pixel * 3 + part] = value;
      sum += value;
      largest = Math.max(largest, value);
    }
    if (largest) changed++;
    most = Math.max(most, largest);
  }
  return { words: words({ scaled, mean: sum / (width * height * 3), share: changed / (width * height), most }), paint };

  function paint(canvas, gain) {
    canvas.width = width;
    canvas.height = height;
    const data = new ImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let part = 0; part < 3; part++) data.data[pixel * 4 + part] = apart[pixel * 3 + part] * gain;
      data.data[pixel * 4 + 3] = 255;
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
  }
}

function words({ scaled, mean, share, most }) {
  const size = scaled ? ` ${t("plot.scaled")}` : "";
  if (!most) return t("plot.equal") + size;
  return t("plot.unequal", { share: share < 0.01 ? "<1" : Math.round(share * 100), mean: mean.toFixed(mean < 10 ? 1 : 0), most }) + size;
}

function pixels(image, width, height) {
  const canvas = h("canvas", { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height).data;
}

// Wheel and dragging move both pictures by the same. Where there is nothing to move, dragging says where one ends and the other
// begins: `divided(share of the width)`.
function moveTogether(stage, images, canvas, divided) {
  const view = { x: 0, y: 0, scale: 1 };
  let from = null;
  const draw = () => {
    for (const each of [...images, canvas]) each.style.transform = `translate(${view.x}%, ${view.y}%) scale(${view.scale})`;
  };
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const scale = Math.min(16, Math.max(1, view.scale * Math.exp(-event.deltaY / 400)));
    view.x *= scale / view.scale;
    view.y *= scale / view.scale;
    view.scale = scale;
    if (scale === 1) view.x = view.y = 0;
    draw();
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = [event.clientX, event.clientY];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from) return;
    const { left, width } = stage.getBoundingClientRect();
    if (view.scale === 1) return divided((event.clientX - left) / width);
    const size = images[0].clientWidth || 1;
    view.x += ((event.clientX - from[0]) / size) * 100;
    view.y += ((event.clientY - from[1]) / size) * 100;
    from = [event.clientX, event.clientY];
    draw();
  });
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, () => (from = null));
}
