// What the closed accordions of extensions say of their options.

import { isDefault } from "./fields.js";
import { changedInWords, setState } from "./options.js";

const { extensions: EXTENSIONS = {} } = window.periplusConfig ?? {};

const accordion = (tab, extension) => document.getElementById(`${tab}_extension_${extension}`);

export function accordionWith(tab, name) {
  const found = Object.keys(EXTENSIONS).find((extension) => EXTENSIONS[extension].fields.includes(name));
  return found ? accordion(tab, found) : null;
}

export function drawExtensions(tab, values) {
  for (const [extension, told] of Object.entries(EXTENSIONS)) {
    setState(accordion(tab, extension), inWords(extension, told, values));
  }
}

// By its own words where it has some: nothing while the first option that they name is at its default.
function inWords(extension, told, values) {
  const named = [...told.summary.matchAll(/\{(\w+)\}/g)].map((match) => `${extension}.${match[1]}`);
  if (!named.length) return changedInWords(values, told.fields.filter((name) => name in values));
  if (isDefault(named[0], values[named[0]])) return "";
  return told.summary.replace(/\{(\w+)\}/g, (_, option) => shortName(values[`${extension}.${option}`]));
}

const shortName = (value) => String(value ?? "").split("/").pop();
