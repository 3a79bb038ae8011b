// A plot as one file of HTML: a table with sticky labels for each value of the further axes, pictures inside it, nothing fetched.

import { title } from "./plot-words.js";
import { url } from "./stream.js";
import { t } from "./texts.js";

const AT_ONCE = 4;
const SIDE = 512; // a larger picture is taken smaller, so that a thousand of them still make a file that opens

const STYLE = `:root{color-scheme:light dark;font:14px system-ui,sans-serif}body{margin:0;padding:16px}h1{font-size:18px;margin:0 0 4px}p{margin:0 0 12px;opacity:.75}
label{display:inline-flex;gap:8px;align-items:center;margin:0 16px 12px 0}.box{overflow:auto;max-height:calc(100vh - 120px);border:1px solid #8884;border-radius:8px}
table{border-collapse:separate;border-spacing:4px}th{position:sticky;background:Canvas;font-weight:500;padding:4px 8px;z-index:1;max-width:var(--size)}thead th{top:0}tbody th{left:0;text-align:right}
thead th:first-child{left:0;z-index:2}td{padding:0;width:var(--size);height:var(--size);text-align:center;background:#8882;overflow-wrap:anywhere}img{width:var(--size);display:block;object-fit:contain}
.failed{color:#b3261e;font-size:12px;padding:8px}.hidden{display:none}:target,dialog img{max-width:96vw;max-height:90vh;width:auto}dialog{padding:8px;border-radius:8px}`;

const SCRIPT = `const all=[...document.querySelectorAll("table")],picks=[...document.querySelectorAll("[data-axis]")],size=document.querySelector("#size"),big=document.querySelector("dialog");
function show(){const at=picks.map(p=>p.dataset.axis+"="+p.value).join(";");for(const t of all)t.classList.toggle("hidden",t.dataset.at!==at)}
for(const p of picks)p.oninput=show;size.oninput=()=>document.body.style.setProperty("--size",size.value+"px");show();
document.addEventListener("click",e=>{if(e.target.closest("dialog"))return big.close();if(e.target.matches("td img")){big.firstElementChild.src=e.target.src;big.lastElementChild.textContent=e.target.title;big.showModal()}});`;

// The parts of the file, for a Blob.
export async function document_(plot, { columns, rows }) {
  const pictures = await embedded(plot.cells.filter((cell) => cell.picture));
  const byIndex = new Map(plot.cells.map((cell) => [String(cell.index), cell]));
  const others = plot.shape.map((_, axis) => axis).filter((axis) => axis !== columns && axis !== rows && plot.shape[axis] > 1);
  const parts = [`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${safe(title(plot))}</title><style>${STYLE}</style><body style="--size:192px"><h1>${safe(title(plot))}</h1>`];
  parts.push(`<p>${safe(plot.axes.map((name, axis) => `${name} (${plot.shape[axis]})`).join(" × "))} · Periplus</p>`);
  for (const axis of others) parts.push(`<label>${safe(plot.axes[axis])}<select data-axis="${axis}">${plot.labels[axis].map((label, at) => `<option value="${at}">${safe(label)}</option>`).join("")}</select></label>`);
  parts.push(`<label>${safe(t("plot.size"))}<input id="size" type="range" min="48" max="768" value="192"></label><div class="box">`);
  for (const at of places(plot, others)) parts.push(table(plot, byIndex, pictures, { columns, rows, at }));
  parts.push(`</div><dialog><img alt=""><p></p></dialog><script>${SCRIPT}</script></body></html>`);
  return parts;
}

// Every combination of values of the axes that lie along no edge.
function places({ shape }, others) {
  return others.reduce((found, axis) => found.flatMap((place) => [...Array(shape[axis]).keys()].map((at) => ({ ...place, [axis]: at }))), [{}]);
}

function table(plot, byIndex, pictures, { columns, rows, at }) {
  const name = Object.entries(at).map(([axis, value]) => `${axis}=${value}`).join(";");
  const index = (column, row) => plot.shape.map((_, axis) => (axis === columns ? column : axis === rows ? row : (at[axis] ?? 0)));
  const head = `<thead><tr><th></th>${plot.labels[columns].map((label) => `<th>${safe(label)}</th>`).join("")}</tr></thead>`;
  const labels = rows >= 0 ? plot.labels[rows] : [""];
  const body = labels.map((label, row) => `<tr><th>${safe(label)}</th>${plot.labels[columns].map((_, column) => data(plot, byIndex.get(String(index(column, row))), pictures)).join("")}</tr>`);
  return `<table data-at="${name}">${head}<tbody>${body.join("")}</tbody></table>`;
}

function data(plot, cell, pictures) {
  if (!cell) return "<td></td>";
  const source = pictures.get(String(cell.index));
  if (!source) return `<td class="failed">${safe(cell.error || t(`plot.cell.${cell.state}`))}</td>`;
  const facts = [...cell.index.map((at, axis) => `${plot.axes[axis]}: ${plot.labels[axis][at]}`), `${t("plot.seed")}: ${cell.seed}`].join(", ");
  return `<td><img src="${source}" alt="${safe(facts)}" title="${safe(facts)}"></td>`;
}

const safe = (text) => String(text).replace(/[&<>"]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[mark]);

async function embedded(cells) {
  const found = new Map();
  const waiting = [...cells];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) found.set(String(cell.index), await dataOf(cell));
  }));
  return found;
}

// As it is where it is small.
async function dataOf({ picture, small, width, height }) {
  const response = await fetch(url(Math.max(width, height) > SIDE ? `${small}?size=${SIDE}` : picture));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return read(await response.blob());
}

function read(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
