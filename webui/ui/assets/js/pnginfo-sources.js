// Where the tab PNG Info takes pictures from, beside files: an address of the web, and what was made here lately.

import { button, h } from "./dom.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const RECENT = 60;

const fail = (words) => post(words, "error");

// `read(file)` is told of what was found.
export function otherSources(read) {
  const address = h("input", { type: "text", inputmode: "url", id: "pnginfo_url", placeholder: "https://…", "aria-label": t("pnginfo.url"), autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "pnginfo-url drawn", novalidate: true, onsubmit: (event) => (event.preventDefault(), fetchPicture(address, read)) }, address,
    h("button", { type: "submit", class: "plain-button", id: "pnginfo_fetch" }, t("pnginfo.fetch")));
  const strip = h("div", { class: "pnginfo-recent", id: "pnginfo_recent", hidden: true });
  const opener = button(t("pnginfo.recent"), "picture", () => (strip.hidden ? list(strip, opener, read) : close()), { id: "pnginfo_recent_open", "aria-expanded": "false" });
  const close = () => ((strip.hidden = true), opener.setAttribute("aria-expanded", "false"));
  return h("div", { class: "pnginfo-others" }, opener, form, strip);
}

async function fetchPicture(input, read) {
  const place = input.value.trim();
  if (!place) return input.focus();
  try {
    const response = await fetch(url("api/v1/metadata/fetch"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ url: place }) });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail ?? `HTTP ${response.status}`);
    read(await fileOf(response, nameOf(place)));
  } catch (error) {
    fail(error.message);
  }
}

const fileOf = async (response, name) => new File([await response.blob()], name, { type: response.headers.get("Content-Type") ?? "" });

function nameOf(place) {
  const last = place.split(/[?#]/)[0].split("/").pop() || "picture";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

async function list(strip, opener, read) {
  try {
    const { pictures } = await request("GET", `api/v1/history?count=${RECENT}`);
    const thumbs = pictures.map((picture) => thumb(picture, read));
    strip.replaceChildren(...(thumbs.length ? thumbs : [h("p", { class: "subdued" }, t("pnginfo.recent.none"))]));
    strip.hidden = false;
    opener.setAttribute("aria-expanded", "true");
  } catch (error) {
    fail(error.message);
  }
}

function thumb(picture, read) {
  const name = picture.name.split(/[\\/]/).pop();
  const image = h("img", { src: url(picture.thumbnail), alt: name, loading: "lazy", decoding: "async" });
  const take = async () => {
    try {
      const response = await fetch(url(picture.url));
      if (!response.ok) throw new Error(t("pnginfo.recent.gone", { name }));
      read(await fileOf(response, name));
    } catch (error) {
      fail(error.message);
    }
  };
  return h("button", { type: "button", class: "thumb", title: name, onclick: take }, image);
}
