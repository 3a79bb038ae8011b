// Models of other programs on this machine (A1111, Forge, ComfyUI), which can be used where they lie.

import { button, h } from "./dom.js";
import { restart } from "./extension-restart.js";
import { chosen, useModel } from "./form.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { finished, state } from "./state.js";
import { t } from "./texts.js";

const PATH = "api/v1/models/nearby";
const CAME = "periplus.nearby.came";
const KINDS = ["checkpoint", "lora", "vae", "embedding"];

// In the empty stage: what was not answered yet.
export const offerNearby = (host) => draw(host, ({ found }) => found.filter(({ declined }) => !declined).map((each) => offer(host, each, true)));

// On the tab Models: all of them, and those in use.
export const listNearby = (host) => draw(host, ({ found, used }) => [...found.map((each) => offer(host, each)), ...used.map((home) => inUse(host, home))]);

async function draw(host, lines) {
  const drawn = lines(await request("GET", PATH).catch(() => ({ found: [], used: [] })));
  host.replaceChildren(...drawn);
  host.hidden = !drawn.length;
}

function offer(host, { home, program, counts }, once = false) {
  const models = KINDS.filter((kind) => counts[kind]).map((kind) => `${t(`models.view.${kind}`)}: ${counts[kind]}`).join(", ");
  const words = h("p", {}, t(`nearby.${program}`, { models }), " ", h("code", {}, home));
  const use = button(t("nearby.use"), null, () => answer(host, home, true), { title: t("nearby.use.help"), "aria-label": `${t("nearby.use")}: ${home}` });
  const later = once && button(t("nearby.later"), null, () => answer(host, home, false), { class: "plain-button link", title: t("nearby.later.help") });
  return h("div", { class: "nearby-line" }, words, h("div", { class: "actions" }, use, later));
}

function inUse(host, home) {
  const stop = button(t("nearby.stop"), null, () => answer(host, home, false), { class: "plain-button link", "aria-label": `${t("nearby.stop")}: ${home}` });
  return h("div", { class: "nearby-line" }, h("p", {}, t("nearby.used"), " ", h("code", {}, home)), stop);
}

async function answer(host, home, use) {
  const wasUsed = host.closest(".get") !== null && !use;
  try {
    await request("POST", PATH, { home, use });
    if (use) return await begin(host);
    if (wasUsed) sayWhen();
    await (wasUsed ? listNearby : offerNearby)(host);
  } catch (error) {
    post(error.message, "error");
  }
}

// The folders are read at the start. What is being made, fetched or merged is not broken off for it.
async function begin(host) {
  const busy = ![...state.jobs.values()].every(finished) || [...state.tasks.values()].some((task) => task.state === "running");
  if (!busy) return restartForModels();
  sayWhen(restartForModels);
  await (host.closest(".get") ? listNearby : offerNearby)(host);
}

async function restartForModels() {
  sessionStorage.setItem(CAME, "1");
  await restart("txt2img").catch((error) => {
    sessionStorage.removeItem(CAME);
    throw error;
  });
}

const sayWhen = (begun = () => restart("txt2img")) => post(t("nearby.next_start"), "info", { seconds: 0, action: { text: t("nearby.restart"), press: () => begun().catch((error) => post(error.message, "error")) } });

// After that start the first of the new checkpoints takes the place of the one that came along.
export async function welcomeModels() {
  if (!sessionStorage.getItem(CAME)) return;
  sessionStorage.removeItem(CAME);
  const { entries } = await request("GET", "api/v1/models?kind=checkpoint");
  const mine = entries.find(({ bundled, problem }) => !bundled && !problem);
  const now = entries.find(({ name }) => name === chosen("checkpoint"));
  if (mine && (!now || now.bundled)) useModel("checkpoint", mine.name);
  post(t("nearby.came", { count: entries.filter(({ bundled }) => !bundled).length }));
}
