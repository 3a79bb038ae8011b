// A model's facts as people say them.

import { t } from "./texts.js";

const UNITS = [[1e9, "GB", 1], [1e6, "MB", 0], [1e3, "kB", 0], [1, "B", 0]];

// A file's size: 24 MB, 6.9 GB, 900 B.
export function size(bytes) {
  if (!bytes) return "";
  const [unit, name, digits] = UNITS.find(([least]) => bytes >= least) ?? UNITS.at(-1);
  return t("models.size", { size: (bytes / unit).toFixed(digits), unit: name });
}

// `modified` in seconds since 1970.
export const day = (modified) => (modified ? new Date(modified * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");
