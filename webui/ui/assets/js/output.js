// The panel beside the form: picture or preview, bar, thumbnails, actions, infotext. Every part keeps its place
// whatever the state, so nothing moves when a job starts or ends.

import { button, coalesce, copyText, h, icon, once, setHidden, setText } from "./dom.js";
import { finished, onChange, state } from "./state.js";
import { choose, isChosen, lastPictured, mayStay, shownJob } from "./page.js";
import { percent, starting, statusText, titleText } from "./status.js";
import { ask, url } from "./stream.js";
import { reachable } from "./reach.js";
import { post } from "./notices.js";
import { TABS, activeTab, labelFields } from "./fields.js";
import { sendInfotext, setSeed, usePrompt } from "./form.js";
import { enlargeLater } from "./hires.js";
import { linkButton } from "./links.js";
import { savingButtons } from "./saving.js";
import { sendButtons } from "./sending.js";
import { viewOffer } from "./simple.js";
import { openViewer } from "./viewer.js";
import { t } from "./texts.js";

const EXAMPLES = ["red heart", "blue circle on a yellow background", "cat face", "castle", "rocket", "pizza"];
const PIXELS_AT_MOST = 3; // small pictures are shown enlarged, but not to a blur

const hosts = new Set(); // one in every tab that shows the panel
let parts = null;
let selection = { job: null, index: null }; // index null: the newest picture
let stage = { url: null, job: null, stays: false }; // what the large picture shows, of which job, and whether it may while another waits
let bundled = true;

// There is one panel, which stands in the tab that is seen: what is made is the same whoever asked for it.
export function mountOutput(host) {
  hosts.add(host);
  new ResizeObserver(settle).observe(host);
  if (!parts) begin();
  settle();
}

function begin() {
  parts = build();
  onChange(coalesce(draw));
  setInterval(() => (state.progress.size || starting()) && draw(), 1000);
  setInterval(announce, 5000);
}

function settle() {
  const seen = [...hosts].find((host) => host.checkVisibility());
  if (!seen || seen === parts.root.parentElement) return;
  seen.replaceChildren(parts.root);
  labelFields();
  document.dispatchEvent(new Event("periplus:tab"));
  draw();
}

export function setExamples(shown) {
  bundled = shown;
  if (parts) draw();
}

// Once the page is there: what is offered to those who have made nothing yet.
export async function welcome() {
  const { offerNearby, welcomeModels } = await import("./nearby.js");
  if (parts && !parts.empty.hidden) offerNearby(parts.nearby);
  welcomeModels();
}

function build() {
  const image = h("img", { class: "stage-image", alt: "", draggable: "true" });
  const open = h("button", { type: "button", class: "stage-open", title: t("action.full_size"), onclick: () => openSelected() }, image);
  const examples = h("div", { class: "examples" }, ...EXAMPLES.map((text) => button(text, null, () => usePrompt(text))));
  const emptyText = h("p");
  const offer = viewOffer();
  const nearby = h("div", { class: "nearby", hidden: true });
  const empty = h("div", { class: "stage-empty" }, icon("picture"), emptyText, examples, offer, nearby);
  const failText = h("p", { class: "fail-text" });
  const copyDetails = button(t("action.copy_details"), "copy", () => copyDetailsOf(shownJob(), copyDetails));
  const fail = h("div", { class: "stage-fail", role: "alert" }, icon("warning"), h("strong", {}, t("state.failed")), failText, copyDetails);
  const live = button(t("action.live"), null, () => ((selection = { job: selection.job, index: null }), draw()), { class: "plain-button stage-live", id: "output_live" });
  const stripText = h("p", { class: "fail-text" });
  const copyStrip = button(t("action.copy_details"), "copy", () => copyDetailsOf(shownJob(), copyStrip));
  const strip = h("div", { class: "stage-strip", role: "alert", hidden: true }, icon("warning"), stripText, copyStrip);
  const stageElement = h("div", { class: "stage" }, open, empty, fail, live, strip);

  const fill = h("div", { class: "bar-fill" });
  const bar = h("div", { class: "bar", role: "progressbar", "aria-label": t("queue.running"), "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const line = h("p", { class: "status-text" });
  const interrupt = button(t("action.interrupt"), "stop", () => stopShown("interrupt"), { id: "txt2img_interrupt" });
  const skip = button(t("action.skip"), "skip", () => stopShown("skip"), { id: "txt2img_skip" });
  const cancel = button(t("action.cancel"), "close", () => stopShown("interrupt"), { id: "txt2img_cancel" });
  const back = button(t("action.back"), null, () => (choose(null), draw()), { class: "plain-button link" });
  const status = h("div", { class: "status" }, bar, line, h("div", { class: "status-buttons" }, back, cancel, interrupt, skip));

  const thumbs = h("div", { class: "thumbs", role: "listbox", "aria-label": t("thumbs.label") });
  const send = button(t("action.send"), "send", () => withSelected((picture) => sendInfotext(picture.infotext)), { id: "output_send" });
  const seed = button(t("action.reuse_seed"), "recycle", () => withSelected((picture) => setSeed(picture.seed)));
  const copy = button(t("action.copy"), "copy", () => withSelected((picture) => copyText(picture.infotext).then(() => once(copy, t("action.copied")))));
  const save = h("a", { class: "plain-button", id: "output_download" }, icon("download"), t("action.download"));
  const larger = button(t("action.hires"), "enlarge", () => withSelected((picture) => enlargeLater(shownJob(), picture)), { id: "output_hires", title: t("action.hires.help") });
  const others = sendButtons("output_send", () => selectedPicture() && { picture: url(selectedPicture().url), infotext: selectedPicture().infotext });
  const link = linkButton("output_link", () => selectedPicture() && { kind: shownJob().kind, infotext: selectedPicture().infotext });
  const [keep, zip] = savingButtons(() => ({ job: shownJob(), picture: selectedPicture() }));
  const actions = h("div", { class: "actions" }, send, others, larger, seed, copy, link, save, keep, zip);
  const infotext = h("div", { class: "infotext", tabindex: "0", role: "region", "aria-label": t("infotext.label") });
  const spoken = h("div", { class: "off-screen", role: "status", "aria-live": "polite" });
  const root = h("section", { class: "output", "aria-label": t("output.label") }, stageElement, status, thumbs, actions, infotext, spoken);
  return { root, stageElement, image, open, empty, emptyText, examples, nearby, fail, failText, live, strip, stripText, bar, fill, line, interrupt, skip, cancel, back,
    thumbs, actions, save, infotext, spoken };
}

// ---- what is shown

function draw() {
  if (!parts) return;
  const job = shownJob();
  if (job?.id !== selection.job) selection = { job: job?.id ?? null, index: null };
  drawStage(job);
  drawStatus(job);
  drawThumbs(job);
  drawSelected(selectedPicture(job));
  document.title = titleText(job);
  parts.root.dataset.state = !state.online ? "offline" : (job?.state ?? (starting() ? "starting" : "empty"));
  parts.root.dataset.job = job?.id ?? "";
}

export function selectedPicture(job = shownJob()) {
  if (!job?.pictures.length) return null;
  return job.pictures.find((picture) => picture.index === selection.index) ?? job.pictures[job.pictures.length - 1];
}

function drawStage(job) {
  const picture = selectedPicture(job);
  const preview = job && state.preferences.live_preview && selection.index === null ? state.previews.get(job.id) : null;
  const source = preview ?? (picture ? url(picture.url) : null);
  // Until there is something of the job, the last picture stays; of what others have under way nothing does.
  const awaited = job && !finished(job) && source === null;
  if (awaited && !stage.stays && stage.job !== job.id) showLast();
  if (!awaited && source !== stage.url) showPicture(source, job);
  if (!awaited) stage.stays = Boolean(job) && mayStay(job);
  const keep = awaited && stage.url !== null;
  const failed = job?.state === "failed" && !picture;
  parts.open.classList.toggle("stale", Boolean(keep));
  setHidden(parts.fail, !failed);
  setHidden(parts.open, !stage.url || failed);
  setHidden(parts.empty, Boolean(stage.url) || failed);
  if (failed) setText(parts.failText, job.error || job.note);
  // Beside what was made, in the same place: the picture is drawn smaller, nothing moves.
  const reason = job?.state === "failed" && picture ? job.error || job.note || t("state.failed") : "";
  setText(parts.stripText, reason);
  setHidden(parts.strip, !reason);
  setHidden(parts.live, !(job?.state === "running" && picture && selection.index !== null));
  setText(parts.emptyText, emptyWords(job));
  setHidden(parts.examples, Boolean(job && !finished(job)) || !bundled || activeTab() !== TABS[0] || Boolean(parts.root.closest("#extras_output")));
}

function emptyWords(job) {
  if (!job && state.online && starting()) return statusText(null);
  if (job && !finished(job)) return "";
  if (parts.root.closest("#extras_output")) return t("state.empty.extras");
  if (activeTab() !== TABS[0]) return t("state.empty.img2img");
  if (!bundled) return t("state.empty.other");
  return t(job ? "state.empty.again" : "state.empty");
}

function showLast() {
  const last = lastPictured();
  const source = last && url(selectedPicture(last).url);
  if (source !== stage.url) showPicture(source, last);
}

function showPicture(source, job) {
  stage = { url: source, job: job?.id ?? null, stays: false };
  if (!source) return parts.image.removeAttribute("src");
  const { prompt } = job.request;
  const { width, height } = source.startsWith("data:") ? job.request : (selectedPicture(job) ?? job.request);
  const alt = source.startsWith("data:") ? "preview.alt" : prompt ? "picture.alt" : "picture.alt.empty";
  parts.image.alt = t(alt, { prompt });
  parts.image.style.setProperty("--widest", `${width * PIXELS_AT_MOST}px`);
  parts.image.style.aspectRatio = `${width} / ${height}`;
  parts.image.src = source;
}

function drawStatus(job) {
  const active = job?.state === "running";
  setText(parts.line, job || !state.online || !starting() ? statusText(job) : "");
  parts.line.title = selectedPicture(job)?.path ?? parts.line.textContent;
  const value = job && active ? percent(job) : 0;
  parts.fill.style.width = `${value}%`;
  parts.bar.setAttribute("aria-valuenow", value);
  parts.bar.classList.toggle("active", active);
  parts.bar.classList.toggle("unsure", active && !state.progress.get(job.id)?.steps);
  setHidden(parts.interrupt, !active);
  setHidden(parts.skip, !active);
  for (const pressed of [parts.interrupt, parts.skip, parts.cancel]) pressed.disabled = !state.online;
  setHidden(parts.cancel, job?.state !== "queued");
  setHidden(parts.back, !isChosen());
}

function drawThumbs(job) {
  const pictures = job?.pictures ?? [];
  const key = JSON.stringify([job?.id, pictures.map((picture) => picture.index)]);
  const selected = selectedPicture(job)?.index;
  if (parts.thumbs.dataset.key !== key) {
    parts.thumbs.dataset.key = key;
    parts.thumbs.replaceChildren(...pictures.map((picture) => thumb(job, picture)));
    parts.thumbs.lastChild?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }
  for (const element of parts.thumbs.children) element.setAttribute("aria-selected", String(Number(element.dataset.index) === selected));
}

function thumb(job, picture) {
  const label = t("picture.title", { index: picture.index + 1, seed: picture.seed });
  const image = h("img", { src: url(picture.url), alt: label, loading: "lazy", decoding: "async" });
  const pick = () => ((selection = { job: job.id, index: picture.index }), draw());
  return h("button", { type: "button", class: "thumb", role: "option", title: label, "data-index": picture.index, onclick: pick }, image);
}

function drawSelected(picture) {
  setText(parts.infotext, picture?.infotext || t("infotext.empty"));
  parts.infotext.classList.toggle("subdued", !picture);
  parts.actions.toggleAttribute("inert", !picture);
  parts.actions.classList.toggle("faded", !picture);
  if (!picture) return;
  Object.assign(parts.save, savingOf(picture));
}

// Of a link that saves the picture.
const savingOf = ({ path, seed, url: address }) => ({ href: url(address), download: path ? path.split(/[\\/]/).pop() : `${seed}.png` });

// ---- what is pressed

function withSelected(action) {
  const picture = selectedPicture();
  if (picture) action(picture);
}

function openSelected() {
  const job = shownJob();
  if (!job?.pictures.length) return;
  const select = (index) => ((selection = { job: job.id, index }), draw());
  const compare = (one, other, on) =>
    import("./comparing.js").then(({ compareMade }) => compareMade(one, other, { view: "over", ...on }), () => on.failed(t("notice.offline")));
  openViewer(job, selectedPicture(job).index, { select, saving: savingOf, compare });
}

export function stopShown(how) {
  const job = shownJob();
  if (job && !finished(job)) stop(job, how);
}

// By a key: what runs is meant. A job that waits is taken out of the queue by a button only.
export function stopRunning(how) {
  if (shownJob()?.state === "running") stopShown(how);
}

// Returns whether the server has taken it.
export async function stop(job, how) {
  if (!reachable()) return false;
  if (job.state === "running") state.asked.set(job.id, how);
  draw();
  try {
    await ask(`api/v1/jobs/${encodeURIComponent(job.id)}/${how}`);
    return true;
  } catch (error) {
    state.asked.delete(job.id);
    post(t("notice.request_failed", { reason: error.message }), "warning");
    return false;
  }
}

function copyDetailsOf(job, pressed) {
  if (!job) return;
  const details = { version: window.periplusConfig?.version, error: job.error, note: job.note, job: job.id, request: job.request, engine: state.engine };
  copyText(JSON.stringify(details, null, 2)).then(() => once(pressed, t("action.copied")));
}

let spoken = "";

function announce() {
  if (!parts) return;
  const job = shownJob();
  const text = job?.state === "running" ? t("announce.progress", { percent: percent(job) }) : job && finished(job) ? statusText(job) : "";
  if (text !== spoken) parts.spoken.textContent = spoken = text;
}
