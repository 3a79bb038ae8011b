// What can be done with pictures of the history: like, delete and take back, open their folder.

import { button, h, iconButton } from "./dom.js";
import { post } from "./notices.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const HISTORY = "api/v1/history";
const UNDO_SECONDS = 15;

let last = null; // the deletion that Ctrl+Z takes back

export const address = (id, ...parts) => [HISTORY, id, ...parts].join("/");
export const detailOf = (item, signal) => request("GET", address(item.id), undefined, signal);

const fail = (error) => post(t("history.failed", { reason: error.message }), "error");

// Likes all of them, or none of them any more if all were liked; calls `changed(item)` for each.
export async function like(items, changed) {
  const favourite = !items.every((item) => item.favourite);
  try {
    for (const item of items) changed(await request("PUT", address(item.id, "favourite"), { favourite }));
  } catch (error) {
    fail(error);
  }
}

// `gone(ids)` is called once they are in the trash, `back()` once they are taken back.
export async function remove(items, { gone, back }) {
  if (!items.length) return;
  try {
    const { deletion, problems } = await request("POST", `${HISTORY}/delete`, { ids: items.map(({ id }) => id) });
    const text = items.length === 1 ? t("history.deleted.one", { name: items[0].name }) : t("history.deleted", { count: items.length });
    const close = post(text, "info", { action: { text: t("action.undo"), press: () => restore(deletion, back) }, seconds: UNDO_SECONDS });
    last = { deletion, back, close };
    if (problems.length) post(problems.join("\n"), "error");
    gone(items.map(({ id }) => id));
    if (problems.length) back(); // those that stay are shown again
  } catch (error) {
    fail(error);
  }
}

export async function restore(deletion, back) {
  if (last?.deletion === deletion) {
    last.close();
    last = null;
  }
  try {
    const { pictures, problems } = await request("POST", `${HISTORY}/trash/${deletion}/restore`);
    post([t(pictures.length === 1 ? "history.restored.one" : "history.restored", { count: pictures.length }), ...problems].join("\n"), problems.length ? "warning" : "info");
    back();
  } catch (error) {
    fail(error);
  }
}

export const undo = () => last && restore(last.deletion, last.back);

export async function openFolder(item) {
  try {
    await request("POST", address(item.id, "open-folder"));
  } catch (error) {
    post(error.message, "warning");
  }
}

// What lies in the trash, each with a button that takes it back.
export async function openTrash(back) {
  const list = h("ul", { class: "history-deletions" });
  const note = h("p", { class: "subdued" });
  const close = iconButton(t("action.close"), "close", () => dialog.close());
  const dialog = h("dialog", { class: "history-trash drawn", id: "history_trash", "aria-label": t("history.trash") }, h("header", {}, h("h2", {}, t("history.trash")), close), note, list);
  dialog.addEventListener("close", () => dialog.remove());
  try {
    const { days, deletions } = await request("GET", `${HISTORY}/trash`);
    note.textContent = t(deletions.length ? "history.trash.note" : "history.trash.empty", { days });
    list.replaceChildren(...deletions.map((each) => row(each, () => (dialog.close(), back()))));
    document.body.append(dialog);
    dialog.showModal();
  } catch (error) {
    fail(error);
  }
}

function row({ deletion, time, names }, back) {
  const when = new Date(time * 1000).toLocaleString();
  const what = names.length === 1 ? names[0] : t("history.trash.several", { name: names[0] ?? "", count: names.length - 1 });
  return h("li", {}, h("span", {}, h("strong", {}, when), h("span", { class: "subdued" }, what)), button(t("history.restore"), "undo", () => restore(deletion, back)));
}
