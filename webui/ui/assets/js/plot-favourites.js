// Cells that somebody liked: the server keeps them, so that every page and the table know of them.

import { post } from "./notices.js";
import { mark } from "./plot-data.js";
import { t } from "./texts.js";

// `drawn()` is called when the cell has changed, which it does at once, and again where that could not be kept.
export async function toggle(plot, cell, drawn) {
  const favourite = !cell.favourite;
  cell.favourite = favourite;
  drawn();
  try {
    await mark(plot.id, cell.index, favourite);
  } catch (error) {
    cell.favourite = !favourite;
    drawn();
    post(t("notice.request_failed", { reason: error.message }), "warning");
  }
}
