// "Send to": a picture and its settings into another tab.

import { button, h } from "./dom.js";
import { TABS } from "./fields.js";
import { sendInfotext, showTab } from "./form.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

// As in A1111 a picture to be inpainted brings no size along: the mask decides what is made.
const withoutSize = (infotext) => infotext.replace(/, Size: \d+x\d+/g, "");

const TARGETS = {
  img2img: async (picture, infotext) => (await import("./img2img.js")).sendPicture("img2img", picture, infotext),
  sketch: async (picture, infotext) => (await import("./img2img.js")).sendPicture("sketch", picture, infotext),
  inpaint: async (picture, infotext) => (await import("./img2img.js")).sendPicture("inpaint", picture, withoutSize(infotext)),
  extras: async (picture) => (await import("./extras.js")).sendPicture(picture),
  plot: async (_picture, infotext) => varyFrom(infotext),
};

export const PICTURE_TARGETS = ["img2img", "sketch", "inpaint", "extras"];

// A plot varies what stands in a form.
function varyFrom(infotext) {
  sendInfotext(infotext, TABS[0], () => showTab("plot"));
  const over = document.getElementById("plot_over");
  if (over) {
    over.value = TABS[0];
    over.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// `given` tells what is sent: {picture: a Blob or where it lies, infotext}, or null.
export function sendButtons(id, given, targets = PICTURE_TARGETS) {
  const send = async (target) => {
    const sent = given();
    if (!sent) return;
    try {
      await TARGETS[target](sent.picture, sent.infotext);
    } catch (error) {
      post(t("send.failed", { reason: error.message }), "error");
    }
  };
  const named = targets.map((target) => button(t(`send.${target}`), null, () => send(target), { id: `${id}_${target}`, title: t("send.to", { tab: t(`send.${target}`) }) }));
  return h("div", { class: "send-to" }, ...named);
}
