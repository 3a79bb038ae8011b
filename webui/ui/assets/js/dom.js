// Making elements. Text only ever goes in as text: a prompt may hold HTML.

const SVG = "http://www.w3.org/2000/svg";

// One set of icons, 24 × 24, drawn with strokes in the colour of the text.
const ICONS = {
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  download: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  send: "M4 12h14m-6-6 6 6-6 6",
  enlarge: "M4 10V4h6M20 14v6h-6M4 4l7 7M20 20l-7-7",
  recycle: "M4 12a8 8 0 0 1 13.7-5.7L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.7L4 15.5M4 20v-4.5h4.5",
  queue: "M4 6h16M4 12h16M4 18h10",
  stop: "M7 7h10v10H7z",
  skip: "M5 6l7 6-7 6zM13 6l7 6-7 6z",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
  refresh: "M20 11A8 8 0 0 0 5.6 6.6L4 8.5M4 4v4.5h4.5M4 13a8 8 0 0 0 14.4 4.4L20 15.5M20 20v-4.5h-4.5",
  first: "M5 4h14M12 20V8m-5 5 5-5 5 5",
  up: "M12 19V5m-6 6 6-6 6 6",
  down: "M12 5v14m6-6-6 6-6-6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  model: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  add: "M12 5v14M5 12h14",
  swap: "M8 20V5m0 0L4 9m4-4 4 4M16 4v15m0 0 4-4m-4 4-4-4",
  star: "M12 4l2.4 5.2 5.6.6-4.2 3.8 1.2 5.6-5-2.9-5 2.9 1.2-5.6L4 9.8l5.6-.6z",
  zoom: "M16.5 10.5a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM15 15l5 5M7.5 10.5h6M10.5 7.5v6",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  pause: "M8 6v12M16 6v12",
  play: "M7 5l12 7-12 7z",
  minus: "M5 12h14",
  plot: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  warning: "M12 4 2.5 20h19zM12 10v4m0 3v.01",
  brush: "M19.5 3.5c-4 1.5-9 6-11 10l2 2c4-2 8.5-7 10-11zM8 14.5c-2.5 0-3.5 2-3.5 5.5 3.5 0 5.5-1 5.5-3.5",
  eraser: "M9 20h11M4 14l9-9 6 6-9 9H8zM8.5 9.5l6 6",
  fill: "M11 3l8 8-7.5 7.5-8-8zM3.5 10.5h15M20 15c1.2 1.8 1.8 2.7 1.8 3.5a1.8 1.8 0 0 1-3.6 0c0-.8.6-1.7 1.8-3.5z",
  picker: "M13.5 6.5l4 4M12 8l4 4-7.5 7.5H4.5v-4zM14.5 5.5l2-2a2.2 2.2 0 0 1 4 4l-2 2",
  undo: "M8 4L4 8l4 4M4 8h9a6 6 0 0 1 0 12H8",
  redo: "M16 4l4 4-4 4M20 8h-9a6 6 0 0 0 0 12h5",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  invert: "M4 4h16v16H4zM4 20L20 4M14 14h6v6h-6zM17 14v6",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17",
  file: "M12 20V9m-5 5 5-5 5 5M5 4h14",
  layers: "M12 3l9 5-9 5-9-5zM3 12.5l9 5 9-5M3 17l9 5 9-5",
  eye: "M2.5 12C6 6.5 18 6.5 21.5 12 18 17.5 6 17.5 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  hidden: "M2.5 12C6 6.5 18 6.5 21.5 12 18 17.5 6 17.5 2.5 12zM4 20L20 4",
  edit: "M4 20l1-5L16 4l4 4L9 19zM13.5 6.5l4 4",
  merge: "M12 4v9m-4-4 4 4 4-4M4 16h16M4 20h16",
  folder: "M3 6h6l2 2h10v11H3z",
  pin: "M9 3h6M10 3v6l-3 4v1h10v-1l-3-4V3M12 14v7",
  blank: "M6 3h8l4 4v14H6zM14 3v4h4M12 11v6M9 14h6",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// h("button", {class: "x", onclick: f, "aria-label": "…"}, children…); null and false children are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "hidden") element.hidden = true;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function button(text, iconName, onclick, attributes = {}) {
  return h("button", { type: "button", class: "plain-button", ...attributes, onclick }, iconName ? icon(iconName) : null, text);
}

export function iconButton(text, iconName, onclick, attributes = {}) {
  const labels = { "aria-label": text, title: text };
  return h("button", { type: "button", class: "bare-button", ...labels, ...attributes, onclick }, icon(iconName));
}

// Which way what comes next lies: 1 to the right, -1 where one reads from the right.
export const forward = (element) => (getComputedStyle(element).direction === "rtl" ? -1 : 1);

// For what scrolls by itself.
export const scrolling = () => (window.matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

// Change the text only where it differs, so that a selection in it survives.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

// The clipboard's own interface exists only on https and localhost; the old way works everywhere.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { class: "off-screen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function once(element, text, seconds = 1.5) {
  const before = (element.dataset.words ??= element.lastChild.textContent); // what it says may have been replaced already
  element.lastChild.textContent = text;
  setTimeout(() => {
    element.lastChild.textContent = before;
    delete element.dataset.words;
  }, seconds * 1000);
}

// Calls `action` at the next frame, however often it is asked; a hidden page draws nothing, so there a timer serves.
export function coalesce(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const run = () => {
      waiting = false;
      action();
    };
    if (document.hidden) setTimeout(run, 200);
    else requestAnimationFrame(run);
  };
}
