// The dialog that edits styles. It asks the server for what there is each time it is opened, for other programs write the file too.

import { button, h, iconButton, setHidden, setText } from "./dom.js";
import { textBox } from "./controls.js";
import { TABS, fieldElement, press } from "./fields.js";
import { forget } from "./prompt-steps.js";
import { reachable } from "./reach.js";
import { call } from "./server.js";
import { t } from "./texts.js";

const TEXTS = ["prompt", "negative_prompt"];

let dialog = null;
let tab = null; // the form that it was opened for

export async function openStyles(ofTab) {
  if (!reachable()) return;
  tab = ofTab;
  dialog ??= build();
  dialog.showModal();
  await dialog.read();
  const [chosen] = chosenNames();
  if (chosen && dialog.known.has(chosen)) dialog.show(chosen);
  dialog.querySelector("#style_name").select();
}

// What the list under the prompts has chosen, as it shows it.
const chosenNames = () => [...document.querySelectorAll(`#${tab}_styles .token > span`)].map((token) => token.textContent.trim());

function build() {
  const made = h("dialog", { id: "styles", class: "sheet", "aria-labelledby": "styles_title" });
  const names = h("datalist", { id: "style_names" });
  const name = textBox("style_name", "name", t("styles.name"), { list: "style_names", placeholder: t("styles.name.hint") });
  const texts = {
    prompt: textBox("style_prompt", "prompt", t("styles.prompt"), { lines: 3, placeholder: t("styles.prompt.hint"), "data-prompt": true }),
    negative_prompt: textBox("style_negative", "negative_prompt", t("styles.negative"), { lines: 2, "data-prompt": true }),
  };
  const remove = button(t("styles.delete"), null, removeStyle, { id: "style_delete" });
  const words = h("span");
  const undo = button(t("action.undo"), null, () => undone?.(), { id: "style_undo", class: "plain-button link", hidden: true });
  const buttons = [
    button(t("styles.save"), null, saveStyle, { id: "style_save", class: "plain-button primary" }),
    remove,
    button(t("styles.copy"), null, copyPrompts, { id: "style_copy" }),
  ];
  made.append(
    h("header", {}, h("h2", { id: "styles_title" }, t("styles.title")), iconButton(t("action.close"), "close", () => made.close())),
    names,
    ...[name, ...Object.values(texts)].map((each) => each.element),
    h("div", { class: "actions" }, ...buttons),
    h("p", { class: "styles-told", role: "status" }, words, undo),
  );

  let undone = null;
  let shown = { name: "", prompt: "", negative_prompt: "" }; // as it was last read or saved

  const current = () => ({ name: name.value.trim(), prompt: texts.prompt.value, negative_prompt: texts.negative_prompt.value });
  const edited = () => TEXTS.some((key) => texts[key].value !== shown[key]);

  function fill(style) {
    name.value = style.name;
    for (const key of TEXTS) {
      texts[key].value = style[key];
      forget(texts[key].input);
    }
    remove.disabled = !made.known.has(name.value);
  }

  function tell(text, back = null) {
    setText(words, text);
    words.parentElement.classList.remove("bad");
    undone = back && (() => (tell(""), back()));
    setHidden(undo, !back);
  }

  // What was typed and not saved can be had back.
  function replace(style, text) {
    const before = current();
    const lost = edited() && TEXTS.some((key) => before[key]);
    fill(style);
    tell(lost ? text : "", lost ? () => fill(before) : null);
  }

  async function asking(action) {
    try {
      await action();
    } catch (error) {
      tell(error.message);
      words.parentElement.classList.add("bad");
    }
  }

  async function change(ask, text, back = null) {
    await asking(async () => {
      await ask();
      await read();
      for (const each of TABS) press(`${each}_bridge_styles`); // the lists under the prompts
      tell(text, back);
    });
  }

  async function read() {
    await asking(async () => {
      const answer = await call("list_styles");
      made.known = new Map(answer.styles.map((style) => [style.name, style]));
      names.replaceChildren(...[...made.known.keys()].map((value) => h("option", { value })));
      remove.disabled = !made.known.has(name.value);
      if (answer.problem) tell(answer.problem);
    });
  }

  const save = (style) => call("save_style", style.name, style.prompt, style.negative_prompt).then(() => (shown = style));
  const saved = (style) => t("styles.saved", { name: style.name });
  const restore = (style) => () => (fill(style), change(() => save(style), saved(style)));

  function saveStyle() {
    const style = current();
    const before = made.known.get(style.name);
    change(() => save(style), saved(style), before && restore(before));
  }

  function removeStyle() {
    const style = made.known.get(name.value);
    if (style) change(() => call("delete_style", style.name), t("styles.deleted", { name: style.name }), restore(style));
  }

  function copyPrompts() {
    const prompts = Object.fromEntries(TEXTS.map((key) => [key, fieldElement(key, tab)?.querySelector("textarea")?.value ?? ""]));
    replace({ name: name.value, ...prompts }, t("styles.copied"));
  }

  made.known = new Map();
  remove.disabled = true;
  made.read = read;
  made.show = (wanted) => {
    replace(made.known.get(wanted), t("styles.loaded", { name: wanted }));
    shown = made.known.get(wanted);
  };
  name.input.addEventListener("change", () => {
    remove.disabled = !made.known.has(name.value);
    if (made.known.has(name.value)) made.show(name.value);
  });
  made.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && saveStyle());
  document.body.append(made);
  return made;
}
