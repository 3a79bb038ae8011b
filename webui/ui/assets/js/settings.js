// The tab Settings: search, what was changed and its way back, what stands below the header; defaults of the forms; settings to
// and from files.
// Gradio draws the settings themselves.

import { button, coalesce, h, iconButton, setHidden, setText } from "./dom.js";
import { press } from "./fields.js";
import { valuesOf } from "./form.js";
import { post } from "./notices.js";
import { call } from "./server.js";
import { forgetSettings, state } from "./state.js";
import { t } from "./texts.js";

const QUIET_MS = 1000;
const AS_IT_IS = { __type__: "update" }; // Gradio's answer that changes nothing
const BOXES = ":is(#settings, #settings_extensions) .block[id^=settings_]:not(#settings_search_place, #settings_saved, #settings_extensions_saved, #settings_folders, .settings-example)";

const idOf = (name) => `settings_${name.replace(".", "_")}`;

let touched = -Infinity; // when a control of the tab was used last
let following = null;
let asking = null; // the last question for what the controls show
let offered = []; // names of the settings that may stand below the header
let quick = []; // of those that do
let changed = []; // names
let search = null;
let onlyChanged = null;
let resetAll = null;
let nothing = null;

// ---- search, what was changed, and what stands below the header

export function mountSettings(host, names) {
  offered = names;
  search = h("input", { type: "search", id: "settings_search", placeholder: t("settings.search"), "aria-label": t("settings.search"), autocomplete: "off", spellcheck: "false", oninput: coalesce(show) });
  onlyChanged = h("input", { type: "checkbox", id: "settings_only_changed", onchange: show });
  resetAll = button(t("settings.reset_all"), "undo", () => reset(changed), { id: "settings_reset_all", hidden: true });
  nothing = h("p", { class: "subdued", role: "status", hidden: true }, t("settings.no_match"));
  host.replaceChildren(h("div", { class: "settings-top drawn" }, search, h("label", { class: "checkbox" }, onlyChanged, t("settings.only_changed")), resetAll), nothing);
  document.addEventListener("periplus:settings-changed", () => (look(), showWhenLeft()));
  for (const type of ["input", "change", "click"]) host.closest("#settings").parentElement.addEventListener(type, () => (touched = performance.now()), true);
  look();
  if (state.settingsChanged) requestAnimationFrame(showKept); // before the tab was opened, and its controls drawn
}

const showKept = () => document.getElementById("bridge_settings")?.click();

// What the controls show, in the order of the bridge's outputs, of which there are `count`. Only the last answer counts: that of a
// question asked before may be older.
export async function askKept(count) {
  const mine = (asking = call("kept_settings").catch(cannotAsk));
  const answer = await mine;
  return mine === asking && answer ? answer.values : Array(count).fill(AS_IT_IS);
}

function cannotAsk(error) {
  forgetSettings();
  post(error.message, "error");
}

// What is changed elsewhere is shown here, but not under the hands of somebody who changes settings here: then when they leave the field.
function showWhenLeft() {
  clearTimeout(following);
  const quiet = touched + QUIET_MS - performance.now();
  const field = document.activeElement?.closest(":is(#settings, #settings_extensions) :is(input, textarea)");
  if (quiet > 0) following = setTimeout(showWhenLeft, quiet);
  else if (field) field.addEventListener("blur", showWhenLeft, { once: true });
  else showKept();
}

const look = () => call("changed_settings").then(take, cannotAsk);

function take(answer) {
  changed = answer.settings;
  quick = answer.quick;
  setHidden(resetAll, changed.length === 0);
  mark();
  show();
}

// A changed setting says so, and has a button that takes the change back. Each has one that puts it below the header.
function mark() {
  const ids = new Set(changed.map(idOf));
  for (const name of offered) pin(name);
  for (const box of document.querySelectorAll(BOXES)) {
    const own = box.querySelector(":scope > .settings-reset");
    box.classList.toggle("settings-changed", ids.has(box.id));
    if (!ids.has(box.id)) own?.remove();
    else if (!own) box.append(iconButton(t("settings.reset", { label: labelOf(box) }), "undo", () => reset(changed.filter((name) => idOf(name) === box.id)), { class: "bare-button settings-reset" }));
  }
}

function pin(name) {
  const box = document.getElementById(idOf(name));
  if (!box) return;
  const known = box.querySelector(":scope > .settings-pin");
  const own = known ?? box.appendChild(iconButton(t("quick.pin", { label: labelOf(box) }), "pin", () => put(name), { class: "bare-button settings-pin" }));
  own.setAttribute("aria-pressed", String(quick.includes(name)));
}

function put(name) {
  call("show_setting", name, !quick.includes(name)).then(
    (answer) => {
      quick = answer.quick;
      mark();
    },
    (error) => post(error.message, "error"),
  );
}

const labelOf = (box) => (box.querySelector("[data-testid=block-info], label span")?.textContent ?? "").trim();

function reset(names) {
  call("reset_settings", names).then(
    (answer) => {
      press("bridge_settings"); // the controls show what is kept now
      take(answer);
      post(t(names.length === 1 ? "settings.reset_done.one" : "settings.reset_done", { count: names.length }));
    },
    (error) => post(error.message, "error"),
  );
}

// Shows the settings that hold every word typed; a heading goes with the last setting below it.
function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const ids = new Set(changed.map(idOf));
  let heading = null;
  let found = 0;
  for (const each of document.querySelectorAll(`:is(#settings, #settings_extensions) h3, ${BOXES}`)) {
    if (each.tagName === "H3") {
      heading = each.closest(".block") ?? each;
      heading.classList.toggle("settings-out", words.length > 0 || onlyChanged.checked);
      continue;
    }
    const text = each.textContent.toLowerCase();
    const out = (onlyChanged.checked && !ids.has(each.id)) || !words.every((word) => text.includes(word));
    each.classList.toggle("settings-out", out);
    if (out) continue;
    found += 1;
    heading?.classList.remove("settings-out");
  }
  for (const example of document.querySelectorAll(".settings-example, #settings_folders")) example.classList.toggle("settings-out", words.length > 0 || onlyChanged.checked);
  setHidden(nothing, found > 0);
}

// ---- what the forms begin with

export function mountFormDefaults(host) {
  const rows = h("div", { class: "settings-forms" });
  host.replaceChildren(h("section", { class: "sheet settings-section" }, h("h3", {}, t("settings.forms")), h("p", { class: "subdued" }, t("settings.forms.help")), rows));
  drawForms(rows);
  document.addEventListener("periplus:settings", () => drawForms(rows));
}

function drawForms(rows) {
  call("form_defaults").then(
    ({ forms }) => rows.replaceChildren(...Object.entries(forms).map(([tab, kept]) => formRow(tab, kept))),
    (error) => rows.replaceChildren(h("p", { class: "warning" }, error.message)),
  );
}

function formRow(tab, kept) {
  const list = h("ul", { class: "settings-kept" });
  const back = button(t("settings.forms.back"), "undo", () => set({}), { id: `settings_forms_back_${tab}` });
  const save = button(t("settings.forms.save"), "check", () => set(valuesOf(tab)), { id: `settings_forms_save_${tab}` });
  const problem = h("p", { class: "warning", role: "alert", hidden: true });
  const element = h("div", { class: "settings-form", id: `settings_form_${tab}` }, h("h4", {}, t(`tab.${tab}`)), list, h("div", { class: "actions" }, save, back), problem);
  draw(kept);
  return element;

  function draw(values) {
    list.replaceChildren(...(values.length ? values.map(({ label, value }) => h("li", {}, `${label}: ${value}`)) : [h("li", { class: "subdued" }, t("settings.forms.none"))]));
    setHidden(back, values.length === 0);
  }

  function set(values) {
    setHidden(problem, true);
    call("set_form_defaults", tab, values).then(
      (answer) => {
        draw(answer.kept);
        post(t("settings.forms.saved", { tab: t(`tab.${tab}`) }));
      },
      (error) => {
        setText(problem, error.message);
        setHidden(problem, false);
      },
    );
  }
}

// ---- files

export function mountSettingsFiles(host) {
  const told = h("div", { class: "settings-told", role: "status" });
  const input = h("input", { type: "file", accept: ".json,application/json", class: "off-screen", id: "settings_import_file", "aria-label": t("settings.import"), onchange: () => (read(input.files[0], told), (input.value = "")) });
  const open = button(t("settings.import"), "file", () => input.click(), { id: "settings_import" });
  const save = button(t("settings.export"), "download", exportAll, { id: "settings_export" });
  host.replaceChildren(
    h("section", { class: "sheet settings-section" }, h("h3", {}, t("settings.files")), h("p", { class: "subdued" }, t("settings.files.help")), h("div", { class: "actions" }, open, input, save), told),
  );
}

async function exportAll() {
  try {
    const text = JSON.stringify(await call("export_settings"), null, 2);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    h("a", { href: address, download: "periplus-settings.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  } catch (error) {
    post(error.message, "error");
  }
}

async function read(file, told) {
  if (!file) return;
  try {
    const text = await file.text();
    preview(told, file.name, text, await call("import_settings", text, false));
  } catch (error) {
    told.replaceChildren(h("p", { class: "warning" }, `${file.name}: ${error.message}`));
  }
}

// What the file would bring, before anything is changed.
function preview(told, name, text, found) {
  const accept = button(t("settings.import.take"), "check", () => takeOver(told, name, text), { id: "settings_import_take", hidden: found.taken.length === 0 });
  const drop = button(t("settings.import.drop"), "close", () => told.replaceChildren());
  told.replaceChildren(h("p", {}, h("strong", {}, name)), ...lists(found, "settings.import.found"), h("div", { class: "actions" }, accept, drop));
}

function takeOver(told, name, text) {
  call("import_settings", text, true).then(
    (found) => {
      told.replaceChildren(h("p", {}, h("strong", {}, name)), ...lists(found, "settings.import.done"), h("p", { class: "subdued" }, t("settings.import.later")));
      press("bridge_settings");
      document.dispatchEvent(new Event("periplus:settings"));
      look();
    },
    (error) => told.append(h("p", { class: "warning", role: "alert" }, error.message)),
  );
}

function lists(found, key) {
  const more = (title, rows, open) => rows.length > 0 && h("details", { open }, h("summary", {}, title), h("table", { class: "settings-table" }, h("tbody", {}, ...rows.map(({ label, value }) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, value))))));
  return [
    h("p", {}, t(key, { taken: found.taken.length, same: found.same, left: found.left.length })),
    more(t("settings.import.taken"), found.taken, true),
    more(t("settings.import.left"), found.left, found.left.length < 12),
  ].filter(Boolean);
}
