// The line between a form and its pictures, to be moved. Each browser keeps its place, the same for all tabs with two columns.

import { coalesce, forward, h } from "./dom.js";
import { pressed } from "./key-table.js";
import { t } from "./texts.js";

const KEPT = "periplus.form_share";
const SHARE = "--form-share"; // percent of both columns that the form has (frame.css)
const NARROWEST = 380; // pixels of either column, as there
const STEP = 2; // percent

const root = document.documentElement;
const lines = new Set(); // what to call when the share has changed

// Before anything is drawn, so that nothing moves.
export function applySplit() {
  const kept = Number(localStorage.getItem(KEPT));
  if (kept > 0 && kept < 100) root.style.setProperty(SHARE, kept);
}

function choose(share) {
  if (share === null) root.style.removeProperty(SHARE);
  else root.style.setProperty(SHARE, share);
  for (const tell of lines) tell();
}

function keep() {
  const share = root.style.getPropertyValue(SHARE);
  if (share) localStorage.setItem(KEPT, share);
  else localStorage.removeItem(KEPT);
}

export function mountSplitter(host, tab) {
  const line = h("div", { class: "splitter-line", id: `${tab}_splitter_line`, role: "separator", tabindex: "0", "aria-orientation": "vertical", "aria-controls": `${tab}_left`, "aria-label": t("splitter.label"), title: t("splitter.title") }, h("span", { class: "splitter-grip" }));
  host.replaceChildren(line);
  const frame = document.getElementById(`${tab}_frame`);
  const columns = () => ["left", "right"].map((side) => document.getElementById(`${tab}_${side}`).getBoundingClientRect().width);
  lines.add(tell);
  new ResizeObserver(coalesce(tell)).observe(frame);
  line.addEventListener("keydown", onKey);
  line.addEventListener("dblclick", () => (choose(null), keep()));
  line.addEventListener("pointerdown", drag);

  function limits() {
    const [left, right] = columns();
    const low = Math.min(50, (NARROWEST / (left + right || 1)) * 100);
    return { low, high: 100 - low, now: (left / (left + right || 1)) * 100 };
  }

  const within = (share) => {
    const { low, high } = limits();
    return Math.round(Math.max(low, Math.min(high, share)) * 10) / 10;
  };

  function tell() {
    if (!line.checkVisibility()) return;
    const { low, high, now } = limits();
    for (const [name, value] of Object.entries({ min: low, max: high, now })) line.setAttribute(`aria-value${name}`, Math.round(value));
  }

  function onKey(event) {
    const { low, high, now } = limits();
    const forth = STEP * forward(frame);
    const shares = { left: now - forth, right: now + forth, narrowest: low, widest: high, usual: null };
    const action = pressed(event, "splitter");
    if (!action) return;
    event.preventDefault();
    choose(shares[action] === null ? null : within(shares[action]));
    keep();
  }

  // What was gripped stays below the pointer.
  function drag(down) {
    if (!down.isPrimary || down.button !== 0) return; // a second finger moves nothing
    const [left, right] = columns();
    const move = ({ clientX }) => {
      const moved = (clientX - down.clientX) * forward(frame);
      if (moved) choose(within(((left + moved) / (left + right)) * 100));
    };
    const stay = (event) => event.preventDefault(); // a picture that comes below the pointer, or words chosen before
    const end = () => {
      document.removeEventListener("dragstart", stay, true);
      line.removeEventListener("pointermove", move);
      line.removeEventListener("pointerup", move);
      line.classList.remove("moves");
      keep();
    };
    line.setPointerCapture(down.pointerId);
    line.classList.add("moves");
    document.addEventListener("dragstart", stay, true);
    line.addEventListener("pointermove", move);
    line.addEventListener("pointerup", move); // where it was let go, whether or not the last move was told
    line.addEventListener("lostpointercapture", end, { once: true });
  }
}
