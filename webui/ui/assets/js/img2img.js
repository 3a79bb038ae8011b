// The tab img2img: what a picture is made from. The picture stays in the browser and is handed in when Generate is pressed.

import { h, icon } from "./dom.js";
import { addAtGenerate, sendInfotext, showTab } from "./form.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { t } from "./texts.js";

let picture = null; // a Blob
let parts = null;

addAtGenerate("img2img", async () => {
  if (!picture) return { source: null, mask: null };
  const kept = await request("POST", "api/v1/sources", picture).catch((error) => void post(error.message, "error"));
  return { source: kept?.digest ?? null, mask: null };
});

export function mountImg2img(host) {
  const input = h("input", { type: "file", accept: "image/*", class: "off-screen", id: "img2img_file", "aria-label": t("img2img.drop"), onchange: () => take(input.files[0]) });
  const image = h("img", { class: "drop-image", alt: "", hidden: true });
  const hint = h("div", { class: "drop-hint" }, icon("picture"), h("strong", {}, t("img2img.drop")));
  const drop = h("label", { class: "drop canvas" }, input, image, hint);
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => (event.preventDefault(), take(event.dataTransfer.files[0])));
  parts = { input, image, hint };
  host.replaceChildren(drop);
  draw();
}

export function mountResize() {}

function take(file) {
  if (!file) return;
  picture = file;
  draw();
}

function draw() {
  if (!parts || !picture) return;
  parts.image.src = URL.createObjectURL(picture);
  parts.image.hidden = false;
  parts.hint.hidden = true;
}

// Puts a picture (a Blob, or where it lies) into a sub-tab and shows it; `settings`, an infotext, go into the form.
export async function sendPicture(subtab, blobOrUrl, settings = "") {
  take(blobOrUrl instanceof Blob ? blobOrUrl : await (await fetch(blobOrUrl)).blob());
  showTab("img2img");
  if (settings) sendInfotext(settings, "img2img");
}
