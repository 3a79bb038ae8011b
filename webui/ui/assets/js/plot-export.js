// Taking a plot out of the page: the server's grid as PNG, its table as CSV, and one file of HTML that needs nothing else.

import { button, h, setHidden } from "./dom.js";
import { post } from "./notices.js";
import { address } from "./plot-data.js";
import { document_ } from "./plot-html.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

// `plot()`, `layout()`: as they are now.
export function exportMenu(plot, layout) {
  const entries = [
    link("plot_export_png", t("plot.export.png"), () => ["grid.png?download=1", "png"]),
    link("plot_export_csv", t("plot.export.csv"), () => ["export.csv", "csv"]),
    h("button", { type: "button", role: "menuitem", id: "plot_export_html", onclick: saveHtml }, t("plot.export.html")),
  ];
  const list = h("div", { class: "plot-menu", role: "menu", hidden: true }, ...entries);
  const opener = button(t("plot.export"), "download", () => (list.hidden ? open() : close()), { id: "plot_export", "aria-haspopup": "menu", "aria-expanded": "false" });
  const element = h("div", { class: "plot-menu-box", onfocusout: (event) => element.contains(event.relatedTarget) || close(), onkeydown: onKey }, opener, list);

  function link(id, words, file) {
    const made = h("a", { role: "menuitem", id, href: "#", onclick: () => close() }, words);
    made.prepare = () => {
      const [name, ending] = file();
      made.href = url(address(plot().id, name));
      made.download = `plot-${plot().id}.${ending}`;
    };
    return made;
  }

  function open() {
    for (const entry of entries) entry.prepare?.();
    setHidden(list, false);
    opener.setAttribute("aria-expanded", "true");
    entries[0].focus();
  }

  function close() {
    setHidden(list, true);
    opener.setAttribute("aria-expanded", "false");
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && !list.hidden) (event.preventDefault(), event.stopPropagation(), close(), opener.focus());
    else if (step && !list.hidden) {
      event.preventDefault();
      entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length].focus();
    }
  }

  async function saveHtml() {
    close();
    opener.disabled = true;
    try {
      const blob = new Blob(await document_(plot(), layout()), { type: "text/html" });
      const made = h("a", { href: URL.createObjectURL(blob), download: `plot-${plot().id}.html` });
      made.click();
      setTimeout(() => URL.revokeObjectURL(made.href), 60_000);
    } catch (error) {
      post(t("notice.request_failed", { reason: error.message }), "warning");
    } finally {
      opener.disabled = false;
    }
  }

  return { element };
}
