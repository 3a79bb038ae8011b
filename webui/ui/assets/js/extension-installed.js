// What is installed: on and off, versions, what is wrong, news, and the way back.

import { button, h, icon, setHidden } from "./dom.js";
import { ask } from "./extension-asking.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

export function buildInstalled(board) {
  const all = h("input", { type: "checkbox", id: "ext_all", onchange: () => switchAll(all.checked) });
  const tools = h("div", { class: "ext-tools" },
    h("label", { class: "checkbox" }, all, t("ext.all")),
    button(t("ext.check"), "refresh", () => act(() => ask("POST", "extensions/check")), { id: "ext_check" }),
    button(t("ext.update_all"), "up", updateAll, { id: "ext_update_all" }),
  );
  const safe = h("p", { class: "warning", hidden: true }, t("ext.safe_mode"));
  const rows = h("ul", { class: "ext-list", "aria-label": t("ext.view.installed") });
  const trash = h("ul", { class: "ext-trash" });
  const bin = h("details", { class: "ext-bin", id: "ext_trash", hidden: true }, h("summary", {}, t("ext.trash")), trash);
  const element = h("div", { class: "ext-installed" }, tools, safe, rows, bin);
  let drawn = "";

  function draw(data) {
    const now = JSON.stringify([data.extensions, data.trash, data.safe_mode]);
    if (now === drawn) return;
    drawn = now;
    const open = new Set([...rows.querySelectorAll("details[open]")].map((each) => each.dataset.key));
    rows.replaceChildren(...data.extensions.map((one) => row(one, open)));
    trash.replaceChildren(...data.trash.map(thrown));
    setHidden(bin, !data.trash.length);
    setHidden(safe, !data.safe_mode);
    const on = data.extensions.filter((one) => one.enabled).length;
    all.checked = on === data.extensions.length;
    all.indeterminate = on > 0 && on < data.extensions.length;
    setHidden(tools.querySelector("#ext_update_all"), !behind(data).length);
  }

  const behind = (data) => data.extensions.filter((one) => one.news?.changes.length);

  async function act(action) {
    try {
      return await action();
    } catch (error) {
      post(error.message, "error");
      return null;
    } finally {
      drawn = "";
      board.read();
    }
  }

  async function switchAll(on) {
    await act(async () => {
      for (const one of board.data.extensions.filter((each) => each.enabled !== on)) await put(one, on);
    });
  }

  async function updateAll() {
    await act(async () => {
      for (const one of behind(board.data)) await ask("POST", `${at(one)}/update`);
    });
  }

  const at = (one) => `extensions/installed/${encodeURIComponent(one.name)}`;
  const put = (one, enabled) => ask("PUT", `${at(one)}/enabled`, { enabled });

  function row(one, open) {
    const box = h("input", { type: "checkbox", "aria-label": t("ext.enabled.named", { title: one.title }), onchange: () => act(() => put(one, box.checked)) });
    box.checked = one.enabled;
    const head = h("div", { class: "ext-head" }, h("label", { class: "checkbox" }, box, h("strong", {}, one.title)), h("span", { class: "ext-version" }, versionWords(one)), h("span", { class: "ext-state" }, stateWords(one)));
    const problem = one.problem && h("p", { class: "ext-problem", role: "alert" }, icon("warning"), one.problem);
    const failure = !one.problem && one.failure && h("p", { class: "ext-problem" }, icon("warning"), t("ext.failure", { reason: one.failure }));
    const news = one.news?.error && h("p", { class: "ext-problem" }, icon("warning"), t("ext.news.error", { reason: one.news.error }));
    return h("li", { class: "sheet-like ext-row", "data-name": one.name, "data-enabled": String(one.enabled) }, head, one.description && h("p", { class: "subdued" }, one.bundled ? t(`ext.about.${one.name}`) : one.description), problem, failure, news, one.news?.changes.length ? changes(one, open) : null, details(one, open), actions(one));
  }

  function actions(one) {
    const isFile = one.source && one.source.kind !== "git";
    const update = (one.news?.changes.length || isFile) && button(t(isFile ? "ext.read_again" : "ext.update"), "up", () => act(() => ask("POST", `${at(one)}/update`)), { class: `plain-button ext-update${isFile ? "" : " primary"}` });
    const back = one.previous && button(t("ext.rollback", { version: one.previous }), "undo", () => act(() => ask("POST", `${at(one)}/rollback`)), { class: "plain-button ext-rollback" });
    const away = one.removable && button(t("ext.remove"), "clear", () => remove(one), { class: "plain-button ext-remove" });
    return update || back || away ? h("div", { class: "actions" }, update, back, away) : null;
  }

  async function remove(one) {
    const deletion = await act(() => ask("DELETE", at(one)));
    if (deletion) post(t("ext.removed", { title: one.title }), "info", { seconds: 20, action: { text: t("ext.undo"), press: () => bringBack(deletion) } });
  }

  const bringBack = (deletion) => act(() => ask("POST", `extensions/trash/${deletion.id}/undo`));

  function thrown(deletion) {
    const words = t("ext.trash.one", { name: deletion.name, version: deletion.version, when: new Date(deletion.when).toLocaleString() });
    return h("li", { "data-id": deletion.id }, h("span", {}, words), button(t("ext.undo"), "undo", () => bringBack(deletion)), button(t("ext.delete"), "clear", () => act(() => ask("DELETE", `extensions/trash/${deletion.id}`))));
  }

  return { element, draw };
}

function stateWords(one) {
  if (one.problem) return t("ext.state.problem");
  if (!one.enabled) return t("ext.state.off");
  if (!one.loaded) return "";
  const loaded = t("ext.state.loaded", { ms: Math.max(1, Math.round(one.load_seconds * 1000)) });
  const spent = one.picture_seconds; // null: no picture was made with it yet
  return spent == null ? loaded : `${loaded}, ${t("ext.state.picture", { ms: Math.max(0.1, Math.round(spent * 10000) / 10) })}`;
}

export const shortCommit = (commit) => commit.replace(/^sha256:/, "").slice(0, 10);

function versionWords(one) {
  return [one.version, one.commit && shortCommit(one.commit), one.bundled && t("ext.bundled")].filter(Boolean).join(" · ");
}

function changes(one, open) {
  const key = `${one.name}/news`;
  const list = one.news.changes.map((change) => h("li", {}, h("code", {}, change.commit.slice(0, 10)), ` ${change.subject} `, h("span", { class: "subdued" }, `${change.author}, ${change.date.slice(0, 10)}`)));
  return h("details", { class: "ext-news", "data-key": key, open: open.has(key) || one.news.changes.length < 6 }, h("summary", {}, t(one.news.changes.length === 1 ? "ext.news.one" : "ext.news", { count: one.news.changes.length })), h("ol", {}, ...list));
}

function details(one, open) {
  const source = one.source && [one.source.address, one.source.branch].filter(Boolean).join(" · ");
  const facts = [
    ["ext.fact.source", source],
    ["ext.fact.commit", one.commit],
    ["ext.fact.date", one.date && new Date(one.date).toLocaleString()],
    ["ext.fact.author", one.author],
    ["ext.fact.hooks", one.hooks.join(", ")],
    ["ext.fact.options", one.adds.join(", ")],
    ["ext.fact.packages", one.packages.map((each) => `${each.name} ${each.version}`).join(", ")],
    ["ext.fact.folder", one.path],
  ];
  return factsTable(facts, { "data-key": one.name, open: open.has(one.name) }, t("ext.details"));
}

export function factsTable(facts, attributes, title) {
  const lines = facts.filter(([, value]) => value).map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, t(key)), h("td", {}, value)));
  return h("details", { class: "ext-details", ...attributes }, h("summary", {}, title), h("table", { class: "settings-table facts" }, h("tbody", {}, ...lines)));
}
