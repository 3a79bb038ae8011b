// From an address: what is there is fetched and shown; only a second press installs it.

import { button, h, icon } from "./dom.js";
import { keepOver, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { ask, ended } from "./extension-asking.js";
import { factsTable, shortCommit } from "./extension-installed.js";
import { size } from "./model-words.js";
import { post } from "./notices.js";
import { t } from "./texts.js";

export function buildAddress(board) {
  const source = textBox("ext_source", "source", t("ext.source"), { placeholder: t("ext.source.example"), help: t("ext.source.help") });
  const branch = textBox("ext_branch", "branch", t("ext.branch"), { help: t("ext.branch.help") });
  keepOver("periplus.extensions.address", [source, branch]);
  const press = h("button", { type: "submit", class: "plain-button primary", id: "ext_look" }, t("ext.look"));
  const form = h("form", { class: "sheet-like ext-form", novalidate: true, onsubmit: (event) => (event.preventDefault(), begin()) }, h("p", { class: "subdued" }, t("ext.warning")), source.element, branch.element, h("div", { class: "actions" }, press));
  const plan = h("div", { class: "ext-plan", "aria-live": "polite" });
  const element = h("div", { class: "ext-address" }, form, plan);

  function look(address, its = "") {
    source.value = address;
    branch.value = its;
    begin();
  }

  async function begin() {
    for (const each of [source, branch]) clearError(each.element);
    press.disabled = true;
    plan.replaceChildren(h("p", { class: "subdued" }, t("ext.looking")));
    try {
      const task = await ended(await ask("POST", "extensions/plans", { source: source.value.trim(), branch: branch.value.trim() }));
      if (task.state === "done") show(await ask("GET", `extensions/plans/${task.result}`));
      else plan.replaceChildren(task.state === "failed" ? problem(task.error) : "");
    } catch (error) {
      plan.replaceChildren();
      mark(error);
    } finally {
      press.disabled = false;
    }
  }

  function mark(error) {
    const control = error.field === "branch" ? branch : source;
    markField(control.element, error.message);
    control.input.focus();
  }

  const problem = (text) => h("p", { class: "ext-problem sheet-like", role: "alert" }, icon("warning"), text);

  function show(found) {
    const install = button(t(found.replaces ? "ext.install.replace" : "ext.install", { version: found.version }), "download", () => take(found, install), { class: "plain-button primary", id: "ext_install", disabled: found.problems.length > 0 });
    const title = found.title ? t("ext.plan.title", { title: found.title, version: found.version }) : t("ext.plan.none");
    const files = found.files.map((file) => h("li", {}, h("code", {}, file.path), ` ${size(file.size)}`));
    const facts = [
      ["ext.fact.source", [found.source.address, found.source.branch].filter(Boolean).join(" · ")],
      ["ext.fact.commit", `${shortCommit(found.commit)} · ${found.date.slice(0, 10)}`],
      ["ext.fact.author", found.author],
      ["ext.fact.hooks", found.hooks.join(", ") || t("ext.plan.no_hooks")],
      ["ext.fact.requires", found.requires.join(", ")],
      ["ext.fact.python", found.python.join(", ")],
      ["ext.fact.adds", found.adds.map((each) => `${each.name} ${each.version}`).join(", ") || t("ext.plan.no_packages")],
      ["ext.fact.files", t(found.file_count === 1 ? "ext.plan.files.one" : "ext.plan.files", { count: found.file_count, size: size(found.size) })],
    ];
    plan.replaceChildren(h("section", { class: "sheet-like", id: "ext_plan" },
      h("h3", {}, title),
      found.description && h("p", {}, found.description),
      ...found.problems.map((text) => h("p", { class: "ext-problem", role: "alert" }, icon("warning"), text)),
      factsTable(facts, { open: true }, t("ext.plan.adds")),
      h("details", { class: "ext-details" }, h("summary", {}, t("ext.plan.files.all")), h("ul", { class: "ext-files" }, ...files)),
      h("div", { class: "actions" }, install, button(t("ext.plan.away"), "close", () => away(found), { id: "ext_away" })),
    ));
  }

  async function take(found, press) {
    press.disabled = true;
    try {
      const task = await ended(await ask("POST", `extensions/plans/${found.id}/install`));
      plan.replaceChildren(task.state === "failed" ? problem(task.error) : "");
      if (task.state !== "done") return;
      source.value = branch.value = "";
      board.show("installed");
    } catch (error) {
      press.disabled = false;
      post(error.message, "error");
    }
  }

  async function away(found) {
    plan.replaceChildren();
    await ask("DELETE", `extensions/plans/${found.id}`).catch(() => null);
  }

  return { element, look };
}
