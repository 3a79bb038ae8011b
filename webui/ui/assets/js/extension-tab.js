// The tab Extensions: what is installed, what there is to install, from an address, and backups of the set.

import { button, coalesce, h, setHidden, setText } from "./dom.js";
import { password } from "./extension-asking.js";
import { buildAvailable } from "./extension-available.js";
import { buildBackups } from "./extension-backups.js";
import { buildInstalled } from "./extension-installed.js";
import { buildAddress } from "./extension-address.js";
import { restart } from "./extension-restart.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { onChange, state } from "./state.js";
import { taskList } from "./tasks.js";
import { t } from "./texts.js";

const VIEWS = ["installed", "available", "address", "backups"];
const STORED = "periplus.extensions.view";

export function mountExtensions(host) {
  const board = { data: null, read, show, look };
  const address = buildAddress(board);
  const parts = { installed: buildInstalled(board), available: buildAvailable(board), address, backups: buildBackups(board) };
  const views = h("div", { class: "segments", role: "group", "aria-label": t("tab.extensions") }, ...VIEWS.map((view) => h("button", { type: "button", class: "segment", id: `ext_view_${view}`, onclick: () => show(view) }, t(`ext.view.${view}`))));
  const apply = button(t("ext.restart"), "refresh", begin, { id: "ext_restart", title: t("ext.restart.help") });
  const needed = h("span", { class: "subdued ext-needed", role: "status" });
  const access = buildAccess(() => read());
  const failed = h("p", { class: "warning", hidden: true });
  const main = h("div", { class: "ext-main" }, h("div", { class: "ext-top" }, views, needed, apply), access.element, failed, ...VIEWS.map((view) => parts[view].element));
  host.replaceChildren(h("section", { class: "ext" }, main, taskList(["extension"])));

  let running = "";
  onChange(coalesce(() => {
    const now = [...state.tasks.values()].filter((task) => task.kind === "extension" && task.state === "running").map((task) => task.id).join();
    if (now !== running && state.online) read(); // one has begun or ended
    running = now;
  }));
  document.addEventListener("periplus:lists", () => host.checkVisibility() && read());
  new IntersectionObserver(([entry]) => entry.isIntersecting && read()).observe(host);
  show(sessionStorage.getItem(STORED) ?? "installed");

  async function begin() {
    apply.disabled = true;
    await restart().catch((error) => post(error.message, "error"));
    apply.disabled = false;
  }

  async function read() {
    try {
      board.data = await request("GET", "api/v1/extensions");
      setHidden(failed, true);
      draw();
    } catch (error) {
      setText(failed, t("ext.failed", { reason: error.message }));
      setHidden(failed, false);
    }
  }

  function draw() {
    const { data } = board;
    setText(needed, data.restart_needed ? t("ext.restart.needed") : "");
    apply.classList.toggle("primary", data.restart_needed);
    access.draw(data);
    for (const view of VIEWS) parts[view].draw?.(data);
  }

  function show(view) {
    const chosen = VIEWS.includes(view) ? view : "installed";
    sessionStorage.setItem(STORED, chosen);
    for (const each of VIEWS) {
      setHidden(parts[each].element, each !== chosen);
      views.querySelector(`#ext_view_${each}`).setAttribute("aria-pressed", String(each === chosen));
    }
    parts[chosen].shown?.();
    read();
  }

  // Fetches something to look at before it is installed.
  function look(source, branch = "") {
    show("address");
    address.look(source, branch);
  }
}

// What a page on another machine may do, and the field for the admin password.
function buildAccess(changed) {
  const words = h("p", {});
  const input = h("input", { id: "ext_password", type: "password", autocomplete: "off", value: password.get(), "aria-label": t("ext.password"), placeholder: t("ext.password"), onchange: () => (password.set(input.value), changed()) });
  const element = h("div", { class: "sheet-like ext-access", hidden: true }, words, input);
  function draw(data) {
    setHidden(element, data.at_the_machine);
    setHidden(input, !data.admin_password);
    setText(words, t(data.admin_password ? "ext.access.password" : "ext.access.none"));
  }
  return { element, draw };
}
