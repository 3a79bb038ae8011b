// Backups of the set of extensions, what restoring one would change, and restoring it.

import { button, h, setHidden } from "./dom.js";
import { ask } from "./extension-asking.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

export function buildBackups() {
  const name = h("input", { id: "ext_backup_name", type: "text", autocomplete: "off", maxlength: 100, placeholder: t("ext.backup.name"), "aria-label": t("ext.backup.name") });
  const save = h("button", { type: "submit", class: "plain-button primary", id: "ext_backup_save" }, t("ext.backup.save"));
  const form = h("form", { class: "sheet-like ext-inline", novalidate: true, onsubmit: (event) => (event.preventDefault(), act(() => ask("POST", "extensions/backups", { name: name.value.trim() }))) }, name, save);
  const list = h("ul", { class: "ext-list", "aria-label": t("ext.view.backups") });
  const none = h("p", { class: "subdued" }, t("ext.backup.none"));
  const element = h("div", { class: "ext-backups" }, form, none, list);

  async function act(action) {
    try {
      await action();
      name.value = "";
      await read();
    } catch (error) {
      post(error.message, "error");
    }
  }

  async function read() {
    const backups = await ask("GET", "extensions/backups").catch((error) => (post(error.message, "error"), []));
    list.replaceChildren(...backups.map(row));
    setHidden(none, backups.length > 0);
  }

  function row(backup) {
    const differences = h("ul", { class: "ext-differences", "aria-live": "polite" });
    const restore = button(t("ext.backup.restore"), "undo", () => act(() => ask("POST", `extensions/backups/${backup.id}/restore`)), { class: "plain-button ext-restore", hidden: true });
    const compare = button(t("ext.backup.compare"), "compare", async () => {
      const found = await ask("GET", `extensions/backups/${backup.id}/differences`).catch((error) => (post(error.message, "error"), null));
      if (!found) return;
      differences.replaceChildren(...(found.length ? found.map(words) : [h("li", {}, t("ext.backup.same"))]));
      setHidden(restore, !found.length);
    });
    const away = button(t("ext.delete"), "clear", () => act(() => ask("DELETE", `extensions/backups/${backup.id}`)));
    const facts = t("ext.backup.facts", { when: new Date(backup.created).toLocaleString(), count: backup.extensions.length });
    return h("li", { class: "sheet-like ext-row", "data-name": backup.name }, h("strong", {}, backup.name), h("span", { class: "subdued" }, facts), differences, h("div", { class: "actions" }, compare, restore, away));
  }

  const words = (each) => h("li", {}, t(`ext.what.${each.what}`, { name: each.name, now: each.now, wanted: each.wanted.version }));

  return { element, shown: read };
}
