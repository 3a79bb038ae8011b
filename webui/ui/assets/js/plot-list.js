// Plots there were, newest first.

import { h, icon, iconButton } from "./dom.js";
import { firstThumbnail, plots } from "./plot-data.js";
import { progressWords, title } from "./plot-words.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

export async function openList(current, show) {
  const list = h("ul", { class: "plot-list" }, h("li", { class: "subdued" }, t("plot.reading")));
  const dialog = h("dialog", { class: "plot-dialog drawn plot-small", id: "plot_list", "aria-label": t("plot.older") }, h("header", {}, h("h2", {}, t("plot.older")), iconButton(t("action.close"), "close", () => dialog.close())), list);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  try {
    const found = await plots();
    list.replaceChildren(...(found.length ? found.map(row) : [h("li", { class: "subdued" }, t("plot.no_older"))]));
  } catch (error) {
    list.replaceChildren(h("li", { class: "bad" }, error.message));
  }

  function row(plot) {
    const image = plot.done > 0 && h("img", { src: url(firstThumbnail(plot)), alt: "", loading: "lazy", decoding: "async", onerror: () => image.remove() });
    const facts = [plot.axes.join(" × "), new Date(plot.created * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })].join(" · ");
    const text = h("span", { class: "row-text" }, h("span", { class: "row-prompt" }, title(plot)), h("span", { class: "row-facts" }, facts), h("span", { class: "row-status" }, progressWords(plot)));
    const open = h("button", { type: "button", class: "row-open", "aria-current": plot.id === current ? "true" : null, onclick: () => (dialog.close(), show(plot.id)) }, h("span", { class: "row-picture" }, icon("plot"), image), text);
    return h("li", { "data-plot": plot.id }, open);
  }
}
