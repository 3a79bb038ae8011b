// What the server knows of plots. A request's base travels as the text that the server made: numbers of 64 bits are in it.

import { fields } from "./fields.js";
import { requestOf, valuesOf } from "./form.js";
import { call, request } from "./server.js";

const PLOTS = "api/v1/plots";

let types = null;
let base = { form: null, answer: null };

// By name: {name, field, kind, choices, cost, help}. Asked once; `again` after models have come or gone.
export async function axisTypes(again = false) {
  if (types === null || again) types = new Map((await request("GET", `${PLOTS}/axes`)).map((axis) => [axis.name, axis]));
  return types;
}

// The request that a tab's form asks for, as JSON text, or its errors by field.
async function baseOf(tab) {
  const form = JSON.stringify([tab, valuesOf(tab)]);
  if (base.form !== form) base = { form, answer: await call("plot_base", tab, valuesOf(tab), false) };
  return base.answer;
}

// `over`: the tab whose form is varied; `plan`: {axes: [{type, values}], options…}. What is wrong with the form comes as `base`,
// what is wrong with an axis as `errors` by its position.
export async function check(over, plan, signal) {
  const { base: text, errors } = await baseOf(over);
  if (!text) return { base: errors };
  const answer = await request("POST", `${PLOTS}/check`, body(text, plan), signal);
  return { ...answer, labels: answer.labels && shortened(plan.axes, answer.labels), errors: Object.fromEntries(answer.errors.map(({ axis, message }) => [axis, message])) };
}

export async function submit(over, plan) {
  const { problems, ...values } = await requestOf(over);
  const { base: text, errors } = Object.keys(problems ?? {}).length ? { errors: problems } : await call("plot_base", over, values, true);
  if (!text) throw Object.assign(new Error(Object.values(errors)[0]), { base: errors });
  return request("POST", PLOTS, body(text, plan));
}

const body = (text, plan) => new Blob([`{"base":${text},${JSON.stringify(plan).slice(1)}`], { type: "application/json" });

export const plots = async () => (await request("GET", PLOTS)).map(summary);
export const extend = (id, axis, values) => request("POST", address(id, "extend"), { axis, values });
export const mark = (id, index, favourite) => request("PUT", address(id, "cells", index.join(".")), { favourite });
// `action`: pause, resume, cancel
export const act = (id, action) => request("POST", address(id, action));
export const address = (id, ...parts) => [PLOTS, encodeURIComponent(id), ...parts].join("/");

export async function plot(id, signal) {
  const [told] = await Promise.all([request("GET", address(id), undefined, signal), axisTypes().catch(() => null)]);
  const labels = shortened(told.axes, told.labels);
  return { ...summary(told), shape: told.shape, labels, secondsLeft: told.seconds_left, cells: told.cells.map(cellOf) };
}

// `axes`: names; `request`: what was asked for, as an editor takes it.
function summary(told) {
  const { id, state, note, created, done, failed, total, base: { prompt, width, height }, axes } = told;
  return { id, state, note, created, done, failed, total, width, height, title: prompt.trim(), axes: axes.map(({ type }) => type), request: told };
}

// A label beside its axis's name does not say the name again.
function shortened(axes, labels) {
  return labels.map((values, axis) => values.map((label) => (label.startsWith(`${axes[axis].type}: `) ? label.slice(axes[axis].type.length + 2) : label)));
}

// A cell as the stream tells of it lacks its settings.
export const cellOf = ({ job_id: job, url: picture, thumbnail: small, ...cell }) => ({ ...cell, job, picture, small });

export const firstThumbnail = ({ id, axes }) => address(id, "cells", `${axes.map(() => 0).join(".")}.webp?size=128`);

// What of a cell's settings is no axis's value, by label.
export function otherSettings({ axes }, { settings }) {
  const own = new Set(axes.map((name) => types?.get(name)?.field));
  const others = Object.entries(settings ?? {}).filter(([field]) => !own.has(field));
  return Object.fromEntries(others.map(([field, value]) => [fields[field]?.label ?? field, typeof value === "object" ? JSON.stringify(value) : String(value)]));
}

const infotexts = new Map(); // by picture

// The settings of a cell's picture, as they stand in its file.
export async function infotextOf({ job, picture, infotext }) {
  if (infotext !== undefined) return infotext; // a picture of no plot
  if (!infotexts.has(picture)) infotexts.set(picture, (await request("GET", `api/v1/jobs/${encodeURIComponent(job)}`)).pictures[0]?.infotext ?? "");
  return infotexts.get(picture);
}
