// A plot in words: how large, how long, how far.

import { size } from "./model-words.js";
import { t } from "./texts.js";

// From so many seconds on, in which unit, with how many digits.
const UNITS = [[172_800, "plot.days", 86_400, 1], [5400, "plot.hours", 3600, 1], [90, "plot.minutes", 60, 0], [0, "plot.seconds", 1, 0]];

// About how long, in the unit that suits it, with what it may be off by: "about 4 min ± 1".
export function about(seconds, off = 0) {
  const [, key, unit, digits] = UNITS.find(([from]) => seconds >= from);
  const number = (value) => Number(value.toFixed(digits)).toLocaleString();
  const amount = off / unit >= 10 ** -digits / 2 ? `${number(seconds / unit)} ± ${number(off / unit)}` : number(Math.max(seconds / unit, 10 ** -digits));
  return t(key, { amount });
}

// "3 × 5 × 2 = 30 pictures, 3 model loads, about 4 min ± 1, 180 MB"
export function sentence({ shape, total, loads, seconds, uncertainty, bytes }) {
  const count = total === 1 ? t("plot.picture") : t("plot.pictures", { count: total.toLocaleString() });
  const product = shape.length > 1 ? `${shape.map((length) => length.toLocaleString()).join(" × ")} = ${count}` : count;
  const reading = loads > 0 && (loads === 1 ? t("plot.load") : t("plot.loads", { count: loads.toLocaleString() }));
  const time = seconds > 0 && t("plot.about", { time: about(seconds, uncertainty ?? 0) });
  return [product, reading, time, bytes > 0 && size(bytes)].filter(Boolean).join(", ");
}

export const isOver = ({ state }) => ["done", "cancelled"].includes(state);

export function progressWords(plot, left) {
  const count = { done: plot.done.toLocaleString(), total: plot.total.toLocaleString() };
  const failed = plot.failed ? t("plot.failed_cells", { count: plot.failed.toLocaleString() }) : "";
  const time = left > 0 && plot.state === "running" ? t("state.left", { time: about(left) }) : "";
  return [t(`plot.state.${plot.state}`), t("plot.progress", count), failed, time].filter(Boolean).join(" · ");
}

export const title = (plot) => plot.title || t("queue.no_prompt");

// What a cell is, by the axes: "CFG Scale: 7 · Sampler: Euler a"
export const cellName = (plot, cell) => cell.index.map((at, axis) => `${plot.axes[axis]}: ${plot.labels[axis][at]}`).join(" · ");
