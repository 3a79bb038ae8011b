// How a cell of a plot and the labels at the map's edges look. Everything in CSS pixels of the canvas.

const FONT = 12;
const LEAST_NUMBER = 46; // a narrower cell has no room for words
const STRIP = 18;

// The scale of an overlay from low to high: told apart without colours by its lightness, and by the number that stands there.
const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

export function colourAt(fraction, alpha = 1) {
  const place = Math.min(1, Math.max(0, fraction)) * (SCALE.length - 1);
  const low = Math.min(SCALE.length - 2, Math.floor(place));
  const mixed = SCALE[low].map((part, index) => Math.round(part + (SCALE[low + 1][index] - part) * (place - low)));
  return `rgb(${mixed.join(" ")} / ${alpha})`;
}

// Read once a theme from the page's own colours.
export function readColours(element) {
  const style = getComputedStyle(element);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ground: of("--plot-ground"), cell: of("--plot-cell"), text: style.color, faint: of("--body-text-color-subdued"), accent: of("--primary-500"), bad: of("--bad"), band: of("--background-fill-primary"), line: of("--border-color-primary"),
    family: style.fontFamily,
  };
}

// `look`: {value: the overlay's text, fraction: its place on the scale or null, star, faded, progress, words}
export function drawCell(pen, rect, cell, image, look, colours) {
  const { x, y, width, height } = rect;
  pen.fillStyle = colours.cell;
  pen.fillRect(x, y, width, height);
  if (!cell) return;
  pen.globalAlpha = look.faded ? 0.18 : 1;
  if (image) drawImage(pen, rect, image);
  else if (!cell.picture) drawWords(pen, rect, look.words, cell.state === "failed" ? colours.bad : colours.faint, colours);
  if (look.progress !== null) drawProgress(pen, rect, look.progress, colours);
  if (look.fraction !== null) drawValue(pen, rect, look, colours);
  if (look.star) drawStar(pen, x + width - 4, y + 4, Math.min(16, width / 3));
  pen.globalAlpha = 1;
}

function drawImage(pen, { x, y, width, height }, image) {
  const ratio = Math.min(width / image.width, height / image.height);
  const [wide, high] = [image.width * ratio, image.height * ratio];
  pen.imageSmoothingQuality = ratio < 0.5 ? "medium" : "low";
  pen.drawImage(image, x + (width - wide) / 2, y + (height - high) / 2, wide, high);
}

function drawWords(pen, rect, words, colour, colours) {
  pen.fillStyle = colour;
  if (rect.width < LEAST_NUMBER || !words) {
    const side = Math.max(2, Math.min(rect.width, rect.height) / 6);
    return pen.fillRect(rect.x + (rect.width - side) / 2, rect.y + (rect.height - side) / 2, side, side);
  }
  pen.font = `${FONT - 1}px ${colours.family}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const lines = wrapped(pen, words, rect.width - 8, Math.max(1, Math.floor((rect.height - 8) / 14)));
  lines.forEach((line, index) => pen.fillText(line, rect.x + rect.width / 2, rect.y + rect.height / 2 + (index - (lines.length - 1) / 2) * 14));
}

function drawProgress(pen, { x, y, width, height }, fraction, colours) {
  const thick = Math.max(2, Math.min(4, height / 12));
  pen.fillStyle = colours.line;
  pen.fillRect(x, y + height - thick, width, thick);
  pen.fillStyle = colours.accent;
  pen.fillRect(x, y + height - thick, width * fraction, thick);
}

function drawValue(pen, { x, y, width, height }, look, colours) {
  pen.fillStyle = colourAt(look.fraction, 0.34);
  pen.fillRect(x, y, width, height);
  if (width < LEAST_NUMBER || height < STRIP * 2) return;
  pen.fillStyle = colourAt(look.fraction);
  pen.fillRect(x, y + height - STRIP, width, STRIP);
  pen.fillStyle = look.fraction > 0.55 ? "#000" : "#fff";
  pen.font = `600 ${FONT - 1}px ${colours.family}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(look.value, x + width / 2, y + height - STRIP / 2, width - 4);
}

function drawStar(pen, right, top, size) {
  const radius = size / 2;
  pen.beginPath();
  for (let point = 0; point < 10; point++) {
    const length = point % 2 ? radius * 0.45 : radius;
    const angle = -Math.PI / 2 + (point * Math.PI) / 5;
    pen.lineTo(right - radius + length * Math.cos(angle), top + radius + length * Math.sin(angle));
  }
  pen.closePath();
  pen.fillStyle = "#ffc53d";
  pen.strokeStyle = "rgb(0 0 0 / 0.65)";
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.fill();
}

// ---- labels

export function drawLabels(pen, { band, size, grid, rectOf, columns, rows, colours }) {
  pen.fillStyle = colours.band;
  pen.fillRect(0, 0, size.width, band.top);
  pen.fillRect(0, 0, band.left, size.height);
  pen.fillStyle = colours.line;
  pen.fillRect(band.left, band.top - 1, size.width - band.left, 1);
  pen.fillRect(band.left - 1, band.top, 1, size.height - band.top);
  pen.fillStyle = colours.text;
  pen.font = `500 ${FONT}px ${colours.family}`;
  pen.textBaseline = "middle";
  drawColumns(pen, { band, size, grid, rectOf, columns });
  drawRows(pen, { band, size, grid, rectOf, rows });
}

// Where columns are too narrow for every label, every second, fifth… has one.
const NEAT = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const every = (step, least) => NEAT.find((count) => count * step >= least) ?? 1000;

function drawColumns(pen, { band, size, grid, rectOf, columns: [first, last] }) {
  const step = grid.columns.length > 1 ? rectOf(1, 0).x - rectOf(0, 0).x : rectOf(0, 0).width;
  const apart = every(step, 30);
  inside(pen, [band.left, 0, size.width - band.left, band.top], () => {
    pen.textAlign = "center";
    for (let column = first; column <= last; column++) {
      if (column % apart) continue;
      const rect = rectOf(column, 0);
      // In the middle of what is in view of the column.
      const [from, to] = [Math.max(rect.x, band.left), Math.min(rect.x + rect.width, size.width)];
      const wide = apart > 1 ? step * apart : Math.max(to - from, 24);
      const lines = wrapped(pen, grid.columns[column], wide - 4, 2);
      const middle = apart > 1 ? rect.x + rect.width / 2 : (from + to) / 2;
      lines.forEach((line, index) => pen.fillText(line, middle, band.top / 2 + (index - (lines.length - 1) / 2) * 15));
    }
  });
}

function drawRows(pen, { band, size, grid, rectOf, rows: [first, last] }) {
  const step = grid.rows.length > 1 ? rectOf(0, 1).y - rectOf(0, 0).y : rectOf(0, 0).height;
  const apart = every(step, 16);
  inside(pen, [0, band.top, band.left, size.height - band.top], () => {
    pen.textAlign = "right";
    for (let row = first; row <= last; row++) {
      if (row % apart) continue;
      const rect = rectOf(0, row);
      const [from, to] = [Math.max(rect.y, band.top), Math.min(rect.y + rect.height, size.height)];
      const lines = wrapped(pen, grid.rows[row], band.left - 14, Math.max(1, Math.min(4, Math.floor((to - from) / 15))));
      const middle = apart > 1 ? rect.y + rect.height / 2 : (from + to) / 2;
      lines.forEach((line, index) => pen.fillText(line, band.left - 8, middle + (index - (lines.length - 1) / 2) * 15));
    }
  });
}

function inside(pen, [x, y, width, height], action) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  action();
  pen.restore();
}

// ---- text

const known = new Map(); // what was wrapped lately

// `text` in at most `most` lines of that width; the last ends in "…" where it does not fit.
export function wrapped(pen, text, width, most) {
  const key = `${pen.font}|${Math.round(width / 4)}|${most}|${text}`;
  if (known.has(key)) return known.get(key);
  if (known.size > 4000) known.clear();
  const lines = [];
  let rest = text.trim();
  while (rest && lines.length < most) {
    const line = lines.length === most - 1 ? ended(pen, rest, width) : firstLine(pen, rest, width);
    lines.push(line.trim());
    rest = line.endsWith("…") ? "" : rest.slice(line.length).trim();
  }
  known.set(key, lines);
  return lines;
}

const fits = (pen, text, width) => pen.measureText(text).width <= width;

// The longest beginning that fits: up to a blank, or within a word that is too long by itself.
function firstLine(pen, text, width) {
  const length = longest(pen, text, width);
  if (length === text.length) return text;
  const blank = text.lastIndexOf(" ", length);
  return text.slice(0, blank > 0 ? blank : Math.max(1, length));
}

function ended(pen, text, width) {
  if (fits(pen, text, width)) return text;
  return `${text.slice(0, Math.max(0, longest(pen, text, width - pen.measureText("…").width)))}…`;
}

function longest(pen, text, width) {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(pen, text.slice(0, middle), width)) low = middle;
    else high = middle - 1;
  }
  return low;
}
