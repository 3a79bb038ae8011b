// Beside the grid: the picture that is chosen with its settings, or what can be done with several.

import { compareTwo } from "./comparing.js";
import { button, copyText, h, icon, iconButton, once, setText } from "./dom.js";
import { sendInfotext } from "./form.js";
import { detailOf, openFolder } from "./history-actions.js";
import { size } from "./model-words.js";
import { linkButton } from "./links.js";
import { post } from "./notices.js";
import { PICTURE_TARGETS, sendButtons } from "./sending.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// `on`: {open(item), like(items), remove(items), clear()}
export function historyDetail(on) {
  const element = h("section", { class: "history-detail sheet-like", id: "history_detail", "aria-label": t("history.detail"), tabindex: "-1", onkeydown: (event) => event.key === "Escape" && (event.stopPropagation(), close()) });
  const hint = h("p", { class: "subdued" }, t("history.hint"));
  let shown = ""; // what is drawn
  let asked = null;
  element.append(hint);

  const phone = () => window.matchMedia("(max-width: 899px)").matches;

  function close() {
    element.classList.remove("open");
    on.clear();
  }

  function show(items, selecting) {
    const key = JSON.stringify(items.map(({ id, favourite }) => [id, favourite]));
    if (key === shown) return;
    shown = key;
    asked?.abort();
    element.classList.toggle("open", items.length > 0 && !(selecting && phone() && items.length < 2));
    if (!items.length) return element.replaceChildren(hint);
    if (items.length > 1) return element.replaceChildren(...several(items));
    one(items[0]);
  }

  async function one(item) {
    const facts = h("p", { class: "subdued history-facts" }, factsOf(item));
    const text = h("div", { class: "history-text" });
    const path = h("p", { class: "subdued history-path" }, item.name);
    const image = h("img", { src: url(item.thumbnail), alt: item.prompt || item.name });
    const large = h("button", { type: "button", class: "history-large", title: t("action.full_size"), onclick: () => on.open(item) }, image);
    const told = detailOf(item, (asked = new AbortController()).signal);
    told.catch(() => {});
    element.replaceChildren(head(path), large, actions(item, told), facts, text);
    element.scrollTop = 0;
    try {
      const detail = await told;
      path.title = detail.path;
      text.replaceChildren(...described(detail));
      image.src = url(item.url);
    } catch (error) {
      if (error.name !== "AbortError") setText(text, error.message);
    }
  }

  const head = (title) => h("header", {}, title, iconButton(t("action.close"), "close", close, { class: "bare-button history-close" }));

  // `told`: the promise of all that is known of it.
  function actions(item, told) {
    const withDetail = (action) => async () => {
      try {
        action(await told);
      } catch (error) {
        post(t("history.failed", { reason: error.message }), "error");
      }
    };
    let detail = null;
    told.then((found) => (detail = found), () => {});
    const send = button(t("action.send"), "send", withDetail(({ infotext }) => sendInfotext(infotext)), { id: "history_send", class: "plain-button primary" });
    const others = sendButtons("history_send", () => detail && { picture: url(detail.url), infotext: detail.infotext }, [...PICTURE_TARGETS, ...(item.seed ? ["plot"] : [])]);
    const copy = button(t("action.copy"), "copy", withDetail(({ infotext }) => copyText(infotext).then(() => once(copy, t("action.copied")))));
    const link = linkButton("history_link", () => told);
    const save = h("a", { class: "plain-button", href: `${url(item.url)}?download=1`, download: "", id: "history_download" }, icon("download"), t("action.download"));
    const folder = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname) && button(t("history.open_folder"), "folder", () => openFolder(item), { id: "history_folder" });
    return h("div", { class: "actions" }, send, others, favourite([item]), copy, link, save, ...(folder ? [folder] : []), deleting([item]));
  }

  function favourite(items) {
    const all = items.every((item) => item.favourite);
    return button(t(all ? "history.unlike" : "history.like"), "star", () => on.like(items), { id: "history_like", "aria-pressed": String(all), class: all ? "plain-button liked" : "plain-button" });
  }

  const deleting = (items) => button(t("history.delete"), "clear", () => on.remove(items), { id: "history_delete" });

  function several(items) {
    const compare = items.length === 2 && button(t("history.compare"), "compare", () => compareTwo(...items), { id: "history_compare", class: "plain-button primary" });
    const pictures = h("div", { class: "history-several" }, ...items.slice(0, 12).map((item) => h("img", { src: url(item.thumbnail), alt: item.prompt || item.name })));
    const title = h("p", { class: "history-path" }, h("strong", {}, t("history.selected", { count: items.length })));
    return [head(title), pictures, h("div", { class: "actions" }, ...(compare ? [compare] : []), favourite(items), deleting(items), button(t("history.unselect"), "close", close))];
  }

  return { element, show };
}

const factsOf = ({ width, height, made, size: bytes, kind }) => [t(`history.kind.${kind}`), `${width}×${height}`, size(bytes), new Date(made * 1000).toLocaleString()].join(" · ");

function described({ prompt, negative_prompt, settings, infotext }) {
  if (!infotext) return [h("p", { class: "subdued" }, t("history.no_settings"))];
  const line = infotext.split("\n").at(-1);
  const blocks = [prompt && h("p", { class: "pre" }, prompt), negative_prompt && h("p", { class: "pre" }, h("span", { class: "subdued" }, `${t("pnginfo.negative")}: `), negative_prompt)];
  return [...blocks, Object.keys(settings).length && h("p", { class: "pre subdued" }, line)].filter(Boolean);
}
