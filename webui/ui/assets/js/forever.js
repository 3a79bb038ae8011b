// The menu of Generate: "Generate forever". It is the page that asks for the next picture, when the last one of this tab of the
// browser is done: each takes what the form holds then, and nothing runs on when the page is closed.

import { h, icon, setHidden } from "./dom.js";
import { TABS } from "./fields.js";
import { generateButton } from "./form.js";
import { post } from "./notices.js";
import { isOwn } from "./page.js";
import { isWorking } from "./series.js";
import { finished, onChange, state } from "./state.js";
import { t } from "./texts.js";

const STORED = "periplus.forever"; // survives a reload of this tab, not its end
const LONG_PRESS_MS = 600;
const PATIENCE_MS = 5_000; // for a pressed Generate to give a job

let tab = sessionStorage.getItem(STORED); // of the form that generates forever
let asked = 0; // when Generate was pressed, while its job is not known yet
let known = null; // jobs from before it began
let menu = null;
const controls = new Map(); // by tab: the arrow that opens the menu, and the button that ends it

export function mountGenerateMenu(host, name) {
  const opener = h("button", { type: "button", class: "generate-more", id: `${name}_generate_menu_button`, "aria-haspopup": "menu", "aria-label": t("forever.menu"), title: t("forever.menu"), onclick: (event) => open(name, event) }, icon("down"));
  const stop = h("button", { type: "button", class: "plain-button", id: `${name}_forever_stop`, onclick: end, hidden: true }, icon("stop"), t("forever.stop"));
  controls.set(name, { opener, stop });
  host.replaceChildren(h("div", { class: "generate-menu" }, opener, stop));
  draw();
}

export const isForever = () => tab !== null;

function begin(name) {
  tab = name;
  known = null;
  sessionStorage.setItem(STORED, name);
  draw();
  proceed();
}

// What is being made is finished; nothing follows.
export function end() {
  tab = null;
  sessionStorage.removeItem(STORED);
  draw();
}

function draw() {
  for (const [name, { opener, stop }] of controls) {
    setHidden(stop, name !== tab);
    setHidden(opener, name === tab);
  }
}

function proceed() {
  if (tab === null || !state.online || document.documentElement.dataset.periplus !== "ready") return;
  const own = [...state.jobs.values()].filter(isOwn);
  known ??= new Set(own.map((job) => job.id));
  if (own.some((job) => job.state === "failed" && !known.has(job.id))) return fail();
  if (isWorking() || own.some((job) => !finished(job))) return void (asked = 0);
  if (performance.now() - asked < PATIENCE_MS && asked) return;
  const button = generateButton(tab);
  if (!button) return;
  asked = performance.now();
  button.click();
}

// The same would fail again and again.
function fail() {
  end();
  post(t("forever.failed"), "warning");
}

// The form was refused: its errors stand at the fields.
document.addEventListener("periplus:submitted", ({ detail }) => {
  if (detail.tab === tab && !detail.job) end();
});

onChange(proceed);
setInterval(proceed, 1000); // what is told by no event: a Gradio that has just become ready

// ---- the menu

function open(name, event) {
  event.preventDefault();
  close();
  const on = tab === name;
  const item = h("button", { type: "button", role: "menuitem", id: "generate_forever", onclick: () => (close(), on ? end() : begin(name)) }, icon(on ? "stop" : "recycle"), t(on ? "forever.stop" : "forever.start"));
  menu = h("div", { class: "context-menu", role: "menu", "aria-label": t("forever.menu") }, item);
  document.body.append(menu);
  place(menu, event);
  item.focus();
}

function place(element, event) {
  const box = (event.currentTarget?.getBoundingClientRect ? event.currentTarget : event.target).getBoundingClientRect();
  const x = event.clientX || box.left;
  const y = event.clientY || box.bottom;
  element.style.left = `${Math.max(8, Math.min(x, innerWidth - element.offsetWidth - 8))}px`;
  element.style.top = `${Math.max(8, Math.min(y, innerHeight - element.offsetHeight - 8))}px`;
}

function close() {
  menu?.remove();
  menu = null;
}

// On Generate, and on Interrupt, where one looks for an end.
function formAt(target) {
  const name = TABS.find((each) => target.closest?.(`#${each}_generate`));
  return name ?? (target.closest?.(`#txt2img_interrupt`) ? (tab ?? null) : null);
}

document.addEventListener("contextmenu", (event) => {
  const name = formAt(event.target);
  if (name) open(name, event);
});

let press = null;
let held = false; // the finger that opened the menu and leaves it presses nothing in it

document.addEventListener("pointerdown", (event) => {
  if (menu && !menu.contains(event.target)) close();
  held = false;
  const name = event.pointerType === "mouse" ? null : formAt(event.target);
  if (!name) return;
  press = setTimeout(() => ((held = true), open(name, event)), LONG_PRESS_MS);
});
for (const kind of ["pointerup", "pointercancel", "pointermove"]) {
  document.addEventListener(kind, (event) => {
    if (kind !== "pointermove" || Math.hypot(event.movementX, event.movementY) > 6) clearTimeout(press);
  });
}
document.addEventListener("click", (event) => {
  if (!held) return;
  held = false;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("keydown", (event) => event.key === "Escape" && menu && (event.stopPropagation(), close()), true);
