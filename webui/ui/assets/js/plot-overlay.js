// The figures of cells: what each is called, how it is written, and between what it lies.

import { colourAt } from "./plot-draw.js";
import { t } from "./texts.js";

export const METRICS = ["seconds", "sharpness", "similarity"];

export function ranges(cells) {
  const found = {};
  for (const name of METRICS) {
    for (const cell of cells) {
      const value = cell[name];
      if (typeof value !== "number") continue;
      const [low, high] = (found[name] ??= [value, value]);
      found[name] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  return found;
}

export function shownValue(name, value) {
  if (name === "seconds") return t("time.seconds", { seconds: value < 100 ? value.toFixed(1) : Math.round(value) });
  if (name === "similarity") return value.toFixed(3);
  return value >= 100 ? Math.round(value).toLocaleString() : value.toPrecision(3);
}

export const ramp = () => `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map((fraction) => colourAt(fraction)).join(", ")})`;
