// "Send to": a picture and its settings into another tab.

import { button, h } from "./dom.js";
import { TABS } from "./fields.js";
import { sendInfotext } from "./form.js";
import { post } from "./notices.js";
import { boxOf } from "./prompt-boxes.js";
import { newestFirst } from "./state.js";
import { showTab } from "./tabs.js";
import { t } from "./texts.js";

// As in A1111 a picture to be inpainted brings no size along: the mask decides what is made.
const withoutSize = (infotext) => infotext.replace(/, Size: \d+x\d+/g, "");

const TARGETS = {
  txt2img: async (_picture, infotext) => sendInfotext(infotext),
  img2img: async (picture, infotext) => (picture ? (await import("./img2img.js")).sendPicture("img2img", picture, infotext) : sendInfotext(infotext, "img2img")),
  sketch: async (picture, infotext) => (await import("./img2img.js")).sendPicture("sketch", picture, infotext),
  inpaint: async (picture, infotext) => (await import("./img2img.js")).sendPicture("inpaint", picture, withoutSize(infotext)),
  extras: async (picture) => (await import("./extras.js")).sendPicture(picture),
  plot: async (_picture, infotext) => varyFrom(infotext),
};

export const PICTURE_TARGETS = ["img2img", "sketch", "inpaint", "extras"];

// Of these names a link may be: all that can be sent to, and those of them that need a picture.
export const SENDING = Object.keys(TARGETS);
export const WITH_PICTURE = ["sketch", "inpaint", "extras"];
export const sendTo = (target, picture, infotext) => TARGETS[target](picture, infotext);

const SETTINGS = /^\s*Steps: \d/m;

// A1111's arrow below Generate: settings that stand in the prompt go into the form; those of the last picture if it is empty.
export function readSettings(tab) {
  const typed = boxOf(tab, "prompt")?.value.trim() ?? "";
  const made = newestFirst().flatMap(({ pictures }) => pictures ?? []).map(({ infotext }) => infotext);
  const found = (typed ? [typed] : made).find((text) => SETTINGS.test(text));
  if (found) sendInfotext(found, tab);
  else post(t(typed ? "read.nothing_typed" : "read.nothing_made"), "warning");
}

// A plot varies what stands in a form.
function varyFrom(infotext) {
  sendInfotext(infotext, TABS[0], () => showTab("plot"));
  const over = document.getElementById("plot_over");
  if (over) {
    over.value = TABS[0];
    over.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// `given` tells what is sent: {picture: a Blob or where it lies, infotext}, or null. A button that is at work says so, and sends
// nothing twice.
export function sendButtons(id, given, targets = PICTURE_TARGETS) {
  const send = async (target, pressed) => {
    const sent = given();
    if (!sent || pressed.ariaBusy) return;
    pressed.ariaBusy = "true";
    try {
      await TARGETS[target](sent.picture, sent.infotext);
    } catch (error) {
      post(t("send.failed", { reason: error.message }), "error");
    }
    pressed.ariaBusy = null;
  };
  const named = targets.map((target) => button(t(`send.${target}`), null, ({ currentTarget }) => send(target, currentTarget), { id: `${id}_${target}`, title: t("send.to", { tab: t(`send.${target}`) }) }));
  return h("div", { class: "send-to" }, ...named);
}
