// What the simple view hides and what decides pictures all the same. Nobody looks for what cannot be seen, so it is told.

import { fields, same } from "./fields.js";
import { scaleBy } from "./img2img-resize.js";
import { inWords } from "./options.js";
import { scriptOf } from "./scripts.js";
import { t } from "./texts.js";

const LONG = 30; // characters of a text that are told

// Fields that stand in the form itself. What accordions hold is told by their headers.
const PLAIN = [
  "vae", "clip_skip", "negative_prompt", "sampler", "scheduler", "steps", "guidance_scale", "batch_size", "seed",
  "variation_strength", "seed_resize_width", "seed_resize_height",
  "resize_mode", "mask_mode", "masked_content", "inpaint_area", "mask_blur", "masked_padding",
];

// In words. `fresh`: the values with which the form would begin, where those are not the table's.
export function unseen(tab, values, fresh = {}) {
  const changed = (name) => name in values && !same(meant(name, values), fresh[name] ?? fields[name].default) && !isPutAway(document.getElementById(`${tab}_${name}`));
  const plain = PLAIN.filter(changed).map((name) => inWords(name, said(name, meant(name, values)), fields[name].label));
  const scale = tab === "img2img" && scaleBy() ? [`${t("img2img.resize.by")} ${scaleBy()}`] : [];
  const second = values.hires ? [fields.hires.label] : [];
  const closed = [...document.querySelectorAll(`#${tab}_controls .accordion-state`)].filter((state) => state.textContent && !isPutAway(state)).map((state) => state.parentElement.textContent.trim());
  const script = scriptOf(tab);
  return [...plain, ...scale, ...second, ...closed, ...(script ? [JSON.parse(script).script] : [])];
}

// What has no effect as the rest is set: the full view does not show it either.
const isPutAway = (element) => Boolean(element?.closest("[hidden], #img2img_frame:not(.masks) :is(#img2img_mask_fields, #img2img_soft)"));

// An empty box for the seed is a random one.
const meant = (name, values) => (name === "seed" && values.seed === "" ? fields.seed.default : values[name]);

const VAES = { Automatic: "vae.automatic", None: "vae.none" }; // those that are no files

function said(name, value) {
  if (name === "vae" && VAES[value]) return t(VAES[value]);
  return typeof value === "string" && value.length > LONG && !fields[name].choices[value] ? `${value.slice(0, LONG)}…` : value;
}
