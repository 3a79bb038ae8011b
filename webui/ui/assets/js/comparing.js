// Two pictures of no plot, in the plot's comparison.

import { detailOf } from "./history-actions.js";
import { post } from "./notices.js";
import { openComparison } from "./plot-compare.js";
import { request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// Of the history.
export const compareTwo = (one, other, view) => compare([one, other], readEntry, view);

// Of jobs.
export const compareMade = (one, other, view) => compare([one, other], readPicture, view);

// `read(picture)`: {name, prompt, negative_prompt, …a cell}
async function compare(pair, read, view) {
  try {
    const told = await Promise.all(pair.map(read));
    const plot = { axes: [t("history.picture")], labels: [told.map(({ name }) => name)] };
    openComparison(plot, ...told.map((each, at) => ({ ...each, index: [at], state: "done" })), view);
  } catch (error) {
    post(t("history.failed", { reason: error.message }), "error");
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
