// Two pictures of no plot, in the plot's comparison.

import { detailOf } from "./history-actions.js";
import { post } from "./notices.js";
import { openComparison } from "./plot-compare.js";
import { request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// Of the history.
export const compareTwo = (one, other, on) => compare([one, other], readEntry, on);

// Of jobs.
export const compareMade = (one, other, on) => compare([one, other], readPicture, on);

const tell = (text) => post(text, "error");

// `read(picture)`: {name, prompt, negative_prompt, …a cell}; `on`: {view, wanted(), failed(text)}: how it begins, whether it is
// still to be opened when the answers are here, and who tells why it cannot be.
async function compare(pair, read, { view, wanted = () => true, failed = tell } = {}) {
  try {
    const told = await Promise.all(pair.map(read));
    if (!wanted()) return;
    const plot = { axes: [t("history.picture")], labels: [told.map(({ name }) => name)] };
    openComparison(plot, ...told.map((each, at) => ({ ...each, index: [at], state: "done" })), view);
  } catch (error) {
    failed(t("history.failed", { reason: error.message }));
  }
}

async function readEntry(item) {
  const { name, url: picture, infotext, seed, prompt, negative_prompt, settings } = await detailOf(item);
  const { Seed, ...others } = settings;
  return { name, picture, infotext, seed, settings: { [t("pnginfo.prompt")]: prompt, [t("pnginfo.negative")]: negative_prompt, ...others } };
}

// It may stand in no file, but what is sent of it holds its settings.
async function readPicture({ index, url: picture, infotext, seed }) {
  const sent = await (await fetch(url(picture))).blob();
  const { seed: own, ...settings } = (await request("POST", "api/v1/metadata", sent)).request;
  return { name: t("picture.title", { index: index + 1, seed }), picture, infotext, seed, settings };
}
