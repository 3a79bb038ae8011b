// Addresses that open a tab with a picture's settings: "#txt2img?infotext=…" or "#inpaint?picture=17", the number of a picture in
// the history. What stands behind the # is never sent to a server. A link only fills a form: it presses nothing, and fetches
// nothing but a picture that is here already; so one that comes from elsewhere can do no harm.

import { button, copyText, once } from "./dom.js";
import { detailOf } from "./history-actions.js";
import { post } from "./notices.js";
import { whenReady } from "./ready.js";
import { SENDING, WITH_PICTURE, sendTo } from "./sending.js";
import { onChange, state } from "./state.js";
import { url } from "./stream.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

const LONGEST = 100_000; // characters of settings; those of real pictures are a few thousand
const KNOWN = ["infotext", "picture"];

// Brackets and quotes too, at which many programs believe that an address ends.
const encoded = (text) => encodeURIComponent(text).replace(/[()'!*~]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

export const linkTo = (tab, infotext) => `${location.origin}${location.pathname}#${tab}?infotext=${encoded(infotext)}`;

// `given()` tells what the link is to hold: {kind, infotext} of a picture, or null.
export function linkButton(id, given) {
  const copy = async () => {
    const { kind, infotext } = (await Promise.resolve(given()).catch(() => null)) ?? {};
    if (!infotext) return post(t("link.nothing"), "warning");
    await copyText(linkTo(kind === "img2img" ? "img2img" : "txt2img", infotext));
    once(pressed, t("action.copied"));
  };
  const pressed = button(t("link.copy"), "link", copy, { id, title: t("link.copy.help") });
  return pressed;
}

export function watchLinks() {
  whenReady(openLink);
  window.addEventListener("hashchange", openLink);
}

const tabs = () => [...document.querySelectorAll('#tabs button[role="tab"][data-tab-id]')].map((each) => each.dataset.tabId);

// A form is filled by the server, which may still be out of reach when the page is opened.
const reached = () => new Promise((done) => (state.online ? done() : onChange(() => state.online && done())));

async function openLink() {
  const [, name, query] = /^#([\w-]+)(?:\?(.*))?$/s.exec(location.hash) ?? [];
  const isPlace = query === undefined && !tabs().includes(name) && document.getElementById(name); // of this page
  if (!name || isPlace) return;
  // A reload must not fill the form once more.
  window.history.replaceState(null, "", location.pathname + location.search);
  try {
    await reached();
    await follow(name, new URLSearchParams(query));
  } catch (error) {
    post(t("link.bad", { reason: error.message }), "error");
  }
}

async function follow(name, parameters) {
  const what = check(name, parameters);
  if (!what) return showTab(name);
  const value = parameters.get(what);
  const { url: place, infotext } = what === "picture" ? await detailOf({ id: value }) : { infotext: value };
  await sendTo(name, place && url(place), infotext);
  post(t("link.opened"), "info", { seconds: 10 });
}

// What the link fills the form with, by the name of its parameter; undefined where it only opens a tab. Throws in words.

function check(name, parameters) {
  const filled = KNOWN.filter((each) => parameters.has(each));
  const unknown = [...parameters.keys()].find((each) => !KNOWN.includes(each));
  const known = filled.length ? SENDING : tabs();
  if (!known.includes(name)) throw new Error(t(filled.length ? "link.takes_nothing" : "link.no_tab", { name, names: known.join(", ") }));
  if (unknown) throw new Error(t("link.unknown", { name: unknown }));
  if (filled.length > 1) throw new Error(t("link.both"));
  if (!filled.length) return undefined;
  const value = parameters.get(filled[0]);
  if (filled[0] === "picture" && !/^\d{1,16}$/.test(value)) throw new Error(t("link.no_picture", { value: value.slice(0, 40) }));
  if (filled[0] === "infotext" && WITH_PICTURE.includes(name)) throw new Error(t("link.needs_picture", { name }));
  if (!value.trim() || value.length > LONGEST) throw new Error(t("link.length", { most: LONGEST.toLocaleString() }));
  return filled[0];
}
