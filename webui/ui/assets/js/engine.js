// The engine in the header: what it does and how full the memory is; pressed, the figures in full, and what frees memory.

import { button, coalesce, h, setHidden, setText } from "./dom.js";
import { size } from "./model-words.js";
import { post } from "./notices.js";
import { call, modelPath, request } from "./server.js";
import { onChange, state } from "./state.js";
import { t } from "./texts.js";

const PANEL_WIDTH = 340; // pixels
const EDGE = 8; // pixels that a panel keeps from the sides of the screen

const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);

export function mountEngine(host) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const words = h("span");
  const device = h("span", { class: "device" });
  const panel = h("div", { class: "engine-panel", id: "engine_panel", popover: "auto", role: "dialog", "aria-label": t("engine.title") });
  const line = h("button", { type: "button", class: "engine", id: "engine_opener", popovertarget: panel.id, "aria-haspopup": "dialog", "aria-expanded": "false" }, dot, h("span", { class: "engine-words" }, words, device));
  const panelParts = buildPanel(panel);
  host.replaceChildren(line, panel);
  panel.addEventListener("beforetoggle", ({ newState }) => newState === "open" && place(panel, line));
  panel.addEventListener("toggle", ({ newState }) => {
    panel.toggleAttribute("data-open", newState === "open"); // keys that stop a job mean the panel while it is open
    if (newState === "open") panelParts.opened();
    line.setAttribute("aria-expanded", String(newState === "open"));
  });
  const draw = coalesce(() => {
    const { engine } = state;
    const kind = state.online ? (engine?.state ?? "starting") : "offline";
    dot.className = `dot dot-${kind}`;
    setText(words, t(`engine.${kind}`));
    setText(device, engine ? deviceWords(engine) : "");
    line.title = [engine?.text || [words.textContent, engine?.device].filter(Boolean).join(" · "), engine && heldWords(engine)].filter(Boolean).join("\n");
    panelParts.draw(kind, engine);
  });
  onChange(draw);
  draw();
}

function deviceWords({ device, memory_total: total, memory_free: free }) {
  if (!total) return device;
  const memory = t("engine.memory", { used: gigabytes(total - free), total: (total / 1e9).toFixed(0) });
  return [device.length > 14 ? "" : device, memory].filter(Boolean).join(" ");
}

// What is in memory, ready for the next job, in a sentence.
function heldWords({ checkpoint, vae }) {
  if (!checkpoint) return t("engine.holds_nothing");
  return vae ? t("engine.holds_with_vae", { name: checkpoint, vae }) : t("engine.holds", { name: checkpoint });
}

// Under its button, and within a narrow screen.
function place(panel, line) {
  const box = line.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const width = Math.min(PANEL_WIDTH, room - 2 * EDGE);
  panel.style.width = `${width}px`;
  panel.style.top = `${Math.round(box.bottom + 6)}px`;
  panel.style.right = `${Math.max(EDGE, Math.min(Math.round(room - box.right), room - width - EDGE))}px`;
}

function buildPanel(panel) {
  const title = h("strong");
  const text = h("p", { class: "subdued engine-text" });
  const held = h("p", { class: "engine-held", id: "engine_held" });
  const facts = h("p", { class: "subdued engine-facts", id: "engine_facts" });
  const figures = h("tbody");
  let known = null; // the checkpoint whose facts are shown
  const head = h("thead", {}, h("tr", {}, h("th"), ...["now", "peak", "total"].map((name) => h("th", { scope: "col" }, t(`memory.${name}`)))));
  const unload = button(t("engine.unload"), null, () => press("unload_model"), { id: "engine_unload", title: t("engine.unload.help") });
  const reload = button(t("engine.reload"), null, () => press("reload_model"), { id: "engine_reload", title: t("engine.reload.help") });
  panel.append(title, text, held, facts, h("table", { class: "memory" }, head, figures), h("div", { class: "engine-actions" }, unload, reload));

  // Its family and size, and its hash, which may have become known since it was loaded.
  async function tellFacts(name) {
    known = name;
    if (!name) return setText(facts, "");
    const entry = await request("GET", modelPath("checkpoint", name)).catch(() => null); // a file that is gone has none
    if (known === name) setText(facts, entry ? [entry.family, size(entry.size), entry.short].filter(Boolean).join(" · ") : "");
  }

  function draw(kind, engine) {
    setText(title, [t(`engine.${kind}`), engine?.device].filter(Boolean).join(" · "));
    setText(text, engine?.text ?? "");
    setHidden(text, !engine?.text);
    setText(held, engine ? heldWords(engine) : "");
    if (panel.hasAttribute("data-open") && known !== engine?.checkpoint) tellFacts(engine?.checkpoint);
    const rows = engine ? memoryRows(engine) : [];
    const shown = JSON.stringify(rows);
    if (figures.dataset.shown !== shown) {
      figures.dataset.shown = shown;
      figures.replaceChildren(...rows.map(([name, ...values]) => h("tr", {}, h("th", { scope: "row" }, name), ...values.map((value) => h("td", {}, value)))));
    }
    // Between jobs only: what a running job has on loan stays.
    for (const pressed of [unload, reload]) pressed.disabled = kind !== "idle";
  }

  return { draw, opened: () => tellFacts(state.engine?.checkpoint) };
}

// [place, now, peak, total]; a figure that nobody knows is a dash.
function memoryRows(engine) {
  const { memory_total: total, memory_free: free, memory_peak: peak, host_used, host_peak, host_total } = engine;
  const words = (bytes) => (bytes ? t("memory.gb", { size: gigabytes(bytes) }) : "–");
  const rows = total ? [[t("memory.device"), words(total - free), words(peak), words(total)]] : [];
  return host_used ? [...rows, [t("memory.host"), words(host_used), words(host_peak), words(host_total)]] : rows;
}

async function press(what) {
  try {
    await call(what);
  } catch (error) {
    post(error.message, "warning");
  }
}
