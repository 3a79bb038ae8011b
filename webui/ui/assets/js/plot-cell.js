// One cell of a plot over the whole window: its picture, what it is, and what can be done with it. The arrows go to its
// neighbours in the grid.

import { button, copyText, h, icon, iconButton, once, setHidden, setText } from "./dom.js";
import { sendInfotext } from "./form.js";
import { post } from "./notices.js";
import { infotextOf, otherSettings } from "./plot-data.js";
import { METRICS, shownValue } from "./plot-overlay.js";
import { cellName } from "./plot-words.js";
import { sendButtons } from "./sending.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const STEPS = { ArrowLeft: ["columns", -1], ArrowRight: ["columns", 1], ArrowUp: ["rows", -1], ArrowDown: ["rows", 1] };

// `plot()`, `cells()`: as they are now; `layout`: which axis runs where; `star(cell)` makes it a favourite or none;
// `moved(cell)`, `pickFor(cell)`: what happened.
export function openCell({ plot, cells, star, cell, layout, moved, pickFor }) {
  const image = h("img", { class: "plot-cell-image", alt: "" });
  const words = h("p", { class: "plot-cell-words" });
  const facts = h("tbody");
  const infotext = h("p", { class: "pre" });
  const raw = h("details", {}, h("summary", {}, t("infotext.label")), infotext);
  const heading = h("h2", {});
  const send = button(t("action.send"), "send", () => withInfotext((text) => (dialog.close(), sendInfotext(text))), { id: "plot_send", class: "plain-button primary" });
  const compare = button(t("plot.compare"), "compare", () => (dialog.close(), pickFor(cell)), { id: "plot_compare", title: t("plot.compare.help") });
  const liking = button(t("plot.favourite"), "star", () => (star(cell), drawStar()), { id: "plot_star" });
  const copy = button(t("action.copy"), "copy", () => withInfotext((text) => copyText(text).then(() => once(copy, t("action.copied")))));
  const save = h("a", { class: "plain-button" }, icon("download"), t("action.download"));
  const others = sendButtons("plot_send", () => ({ picture: url(cell.picture), infotext: infotext.textContent }));
  others.addEventListener("click", (event) => event.target.closest("button") && dialog.close());
  const side = h("aside", { class: "plot-cell-side" }, h("header", {}, heading, iconButton(t("action.close"), "close", () => dialog.close(), { id: "plot_cell_close" })),
    h("div", { class: "actions" }, send, compare, liking, copy, save), h("div", { class: "actions plot-others" }, h("span", { class: "subdued" }, t("plot.send_to")), others), h("table", { class: "settings-table" }, facts), raw, h("p", { class: "subdued plot-keys" }, t("plot.cell.keys")));
  const arrows = Object.entries(STEPS).map(([key, [, by]]) => iconButton(t(`plot.go.${key}`), { ArrowLeft: "previous", ArrowRight: "next", ArrowUp: "up", ArrowDown: "down" }[key], () => go(key), { class: `bare-button plot-go plot-go-${key}`, "data-by": by }));
  const dialog = h("dialog", { class: "plot-dialog drawn plot-cell", id: "plot_cell", "aria-label": t("plot.cell") }, h("div", { class: "plot-cell-stage" }, image, words, ...arrows), side);

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, textarea")) return;
    if (event.key in STEPS) (event.preventDefault(), go(event.key));
    else if (event.key === "f") liking.click();
    else if (event.key === "c") compare.click();
  });
  image.addEventListener("click", () => dialog.classList.toggle("actual-size"));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  draw();
  dialog.showModal();

  function neighbour(key) {
    const [name, by] = STEPS[key];
    const axis = layout[name];
    if (axis < 0) return null;
    const index = [...cell.index];
    index[axis] += by;
    return cells().get(String(index)) ?? null;
  }

  function go(key) {
    const next = neighbour(key);
    if (!next) return;
    cell = next;
    moved(cell);
    draw();
  }

  function draw() {
    const now = (cell = cells().get(String(cell.index)) ?? cell);
    const name = cellName(plot(), now);
    setText(heading, name);
    setHidden(image, !now.picture);
    if (now.picture && image.src !== url(now.picture)) {
      image.src = url(now.picture);
      image.style.setProperty("--widest", `${Math.max(now.width * 4, 384)}px`);
    }
    image.alt = name;
    setHidden(words, Boolean(now.picture));
    setText(words, now.state === "failed" ? now.error : t(`plot.cell.${now.state}`));
    words.classList.toggle("bad", now.state === "failed");
    facts.replaceChildren(...rows(now).map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, value))));
    for (const each of [send.parentNode, others]) {
      each.toggleAttribute("inert", !now.picture);
      each.classList.toggle("faded", !now.picture);
    }
    if (now.picture) {
      save.href = url(now.picture);
      save.download = `${plot().id}-${now.index.join("-")}.png`;
    }
    for (const arrow of arrows) arrow.disabled = !neighbour([...arrow.classList].at(-1).slice("plot-go-".length));
    drawStar();
    setHidden(raw, !now.picture);
    setText(infotext, "");
    if (now.picture) infotextOf(now).then((text) => now === cell && setText(infotext, text), () => {});
  }

  function drawStar() {
    liking.setAttribute("aria-pressed", String(cell.favourite));
    liking.classList.toggle("starred", cell.favourite);
  }

  function rows(now) {
    const axes = now.index.map((at, axis) => [plot().axes[axis], plot().labels[axis][at]]);
    const figures = METRICS.filter((name) => typeof now[name] === "number").map((name) => [t(`plot.overlay.${name}`), shownValue(name, now[name])]);
    const others = Object.entries(otherSettings(plot(), now));
    const size = now.width ? [[t("plot.size"), `${now.width}×${now.height}`]] : [];
    return [...axes, ...others, ...(now.seed && !plot().axes.includes("Seed") ? [[t("plot.seed"), now.seed]] : []), ...size, ...figures];
  }

  async function withInfotext(action) {
    try {
      action(await infotextOf(cell));
    } catch (error) {
      post(t("notice.request_failed", { reason: error.message }), "warning");
    }
  }
}
