// A picture's file without what it says, and another picture with its settings. The server changes the texts, never the pixels.

import { button, h } from "./dom.js";
import { post } from "./notices.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// `file()` is the picture that is shown, `infotext` its settings; "" where it has none.
export function fileButtons(file, infotext) {
  const found = [button(t("pnginfo.remove"), "download", () => remove(file()), { id: "pnginfo_remove", title: t("pnginfo.remove.help") })];
  if (infotext) found.push(writeButton(infotext));
  return found;
}

const remove = (file) => deliver("remove", file, withMark(file.name, t("pnginfo.remove.mark")));

function writeButton(infotext) {
  const write = (file) => {
    const form = new FormData();
    form.append("picture", file, file.name);
    form.append("infotext", infotext);
    return deliver("write", form, file.name);
  };
  const take = () => ([...input.files].slice(0, 1).forEach(write), (input.value = ""));
  const input = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/avif,image/gif", class: "off-screen", id: "pnginfo_write_file", "aria-label": t("pnginfo.write"), onchange: take });
  return h("span", {}, input, button(t("pnginfo.write"), null, () => input.click(), { id: "pnginfo_write", title: t("pnginfo.write.help") }));
}

async function deliver(what, body, name) {
  try {
    const response = await fetch(url(`api/v1/metadata/${what}`), { method: "POST", body });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail ?? `HTTP ${response.status}`);
    const place = URL.createObjectURL(await response.blob());
    h("a", { href: place, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(place), 60_000);
    post(t("pnginfo.delivered", { name }));
  } catch (error) {
    post(error.message, "error");
  }
}

function withMark(name, mark) {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)}-${mark}${name.slice(dot)}` : `${name}-${mark}`;
}
