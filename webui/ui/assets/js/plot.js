// The tab Plot: one request varied along axes. To the left what is to be made, to the right what has been.

import { h } from "./dom.js";
import { plotEditor } from "./plot-editor.js";
import { plotExplorer } from "./plot-explorer.js";

export function mountPlot(host) {
  const explorer = plotExplorer((plot) => editor.take(plot.request));
  const editor = plotEditor((plot) => explorer.show(plot.id));
  const root = h("section", { class: "plot drawn", id: "plot_tab" }, editor.element, explorer.element);
  host.replaceChildren(root);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    if (!event.repeat) editor.element.requestSubmit();
  });
}
