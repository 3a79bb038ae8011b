// "Hires. fix": which size becomes which, and the second pass on a picture that was made before.

import { h, setText } from "./dom.js";
import { clearErrors, showErrors } from "./errors.js";
import { valuesOf } from "./form.js";
import { post } from "./notices.js";
import { follow, pageId } from "./page.js";
import { request } from "./server.js";
import { changed } from "./state.js";
import { t } from "./texts.js";

const TAB = "txt2img";
const RASTER = 8;

let line = null;

export function mountHires(host) {
  line = host.appendChild(h("span", { class: "subdued" }));
  draw(valuesOf(TAB));
}

document.addEventListener("periplus:form", ({ detail: { tab, values } }) => tab === TAB && draw(values));

function draw(values) {
  document.getElementById(`${TAB}_hr`)?.classList.toggle("on", Boolean(values.hires));
  if (!line || !("hires" in values)) return;
  const [width, height] = finalSize(values);
  setText(line, t("hires.from_to", { from: `${values.width}×${values.height}`, to: `${width}×${height}` }));
}

const rounded = (side) => Math.max(RASTER, Math.floor(side / RASTER) * RASTER);

// As webui/generation/hires.py has it: a side of 0 follows the other, and with both the scale counts for nothing.
export function finalSize({ width, height, hires_scale: scale, hires_width: toWidth, hires_height: toHeight }) {
  if (!toWidth && !toHeight) return [rounded(width * scale), rounded(height * scale)];
  return [toWidth || rounded((toHeight * width) / height), toHeight || rounded((toWidth * height) / width)];
}

// The second pass as the form says it now, whether or not it is ticked there; all else is as it was with the picture.
export async function enlargeLater(job, picture) {
  const values = Object.entries(valuesOf(TAB)).filter(([name]) => name.startsWith("hires_") || name === "denoising_strength");
  clearErrors();
  try {
    const made = await request("POST", `api/v1/jobs/${encodeURIComponent(job.id)}/pictures/${picture.index}/hires`, { ...Object.fromEntries(values), owner: pageId });
    follow(made.id);
    changed();
  } catch (error) {
    if (error.field) showErrors({ [error.field]: error.message }, TAB);
    else post(error.message, "error");
  }
}
