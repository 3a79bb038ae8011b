// Models that are not here yet: from an address or the hub by name, or one of the well-known open ones.

import { button, h, setHidden, setText } from "./dom.js";
import { checkBox, keepOver, selectBox, textBox } from "./controls.js";
import { clearError, markField } from "./errors.js";
import { size } from "./model-words.js";
import { post } from "./notices.js";
import { listNearby } from "./nearby.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { taskWords } from "./tasks.js";
import { t } from "./texts.js";

const KINDS = ["checkpoint", "vae", "lora", "embedding", "hypernetwork", "upscaler"];

export function buildGet() {
  const open = h("ul", { class: "open-models", "aria-label": t("get.open") });
  const waiting = h("p", { class: "subdued" }, t("get.reading"));
  let asked = false;

  async function shown() {
    if (asked) return;
    asked = true;
    listNearby(nearby);
    try {
      const models = await request("GET", "api/v1/models/open");
      open.replaceChildren(...models.map(openModel));
      setHidden(waiting, true);
    } catch (error) {
      asked = false;
      setText(waiting, t("models.failed", { reason: error.message }));
    }
  }

  const nearby = h("div", { class: "nearby", hidden: true });
  const list = h("section", { class: "sheet-like" }, nearby, h("h3", {}, t("get.open")), h("p", { class: "subdued" }, t("get.open.help")), waiting, open);
  return { element: h("div", { class: "get" }, list, buildBox()), shown };
}

// ---- an address

function buildBox() {
  const source = textBox("get_source", "source", t("get.source"), { placeholder: t("get.source.example"), help: t("get.source.help"), inputmode: "url" });
  const kind = selectBox("get_kind", "kind", t("get.kind"), KINDS.map((name) => [name, t(`get.kind.${name}`)]));
  const file = textBox("get_file_name", "file_name", t("get.file_name"), { placeholder: t("get.file_name.example"), help: t("get.file_name.help") });
  const sha256 = textBox("get_sha256", "sha256", t("get.sha256"), { help: t("get.sha256.help"), maxlength: 80 });
  const token = textBox("get_token", "token", t("get.token"), { help: t("get.token.help"), type: "password" });
  const pickled = checkBox("get_allow_pickled", "allow_pickled", t("get.allow_pickled"), { help: t("get.allow_pickled.help") });
  const controls = [source, kind, file, sha256, token, pickled];
  kind.value = "checkpoint";
  keepOver("periplus.get", [source, kind, file, sha256]); // a token is not kept
  const press = h("button", { type: "submit", class: "plain-button primary", id: "get_download" }, t("get.download"));
  const form = h("form", { class: "sheet-like get-box", novalidate: true, onsubmit: (event) => (event.preventDefault(), begin()) }, h("h3", {}, t("get.title")), source.element, kind.element, file.element, sha256.element, token.element, pickled.element, h("div", { class: "actions" }, press));

  async function begin() {
    for (const each of controls) clearError(each.element);
    if (!source.value.trim()) return mark(source, t("get.source.empty"));
    const body = Object.fromEntries(controls.map((each) => [each.name, typeof each.value === "string" ? each.value.trim() : each.value]).filter(([, value]) => value));
    press.disabled = true;
    try {
      await request("POST", "api/v1/models/download", body);
    } catch (error) {
      mark(controls.find((each) => each.name === error.field) ?? source, error.message);
    } finally {
      press.disabled = false;
    }
  }

  function mark(control, message) {
    markField(control.element, message);
    control.input.focus();
  }

  return form;
}

// ---- the shipped list

function openModel(model) {
  const words = h("span", { class: "saved", role: "status" }, model.installed ? t("get.installed") : "");
  const press = button(t("get.download"), "download", begin, { "aria-label": t("get.download.named", { title: model.title }), disabled: model.installed });
  let task = null;

  async function begin() {
    press.disabled = true;
    const { source, kind, file_name, sha256 } = model;
    try {
      task = await request("POST", "api/v1/models/download", { source, kind, file_name, ...(sha256 && { sha256 }) });
      draw();
    } catch (error) {
      press.disabled = false;
      post(error.message, "error");
    }
  }

  function draw() {
    if (!task) return;
    const now = state.tasks.get(task.id) ?? task;
    setText(words, taskWords(now));
    press.disabled = ["running", "done"].includes(now.state);
  }

  onChange(draw);
  const licence = h("a", { href: model.licence_url, target: "_blank", rel: "noopener noreferrer" }, model.licence);
  const page = h("a", { href: model.page, target: "_blank", rel: "noopener noreferrer" }, t("get.page"));
  const bytes = t(model.approximate ? "get.about" : "get.size", { size: size(model.size) });
  const facts = h("span", { class: "open-facts" }, `${[model.family, bytes].filter(Boolean).join(" · ")} · ${t("get.licence")} `, licence, " · ", page);
  return h("li", { "data-id": model.id }, h("div", { class: "open-text" }, h("strong", {}, model.title), h("span", { class: "subdued" }, model.what), facts, words), press);
}
