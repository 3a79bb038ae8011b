// A notification when a long job of this page ends and nobody looks at the page; by choice, in the settings.

import { finished, onChange, state } from "./state.js";
import { isOwn } from "./page.js";
import { statusText } from "./status.js";
import { t } from "./texts.js";

const LONG_SECONDS = 10;
const active = new Set();

export function watchForEnds() {
  onChange(() => {
    for (const job of state.jobs.values()) {
      if (!finished(job)) active.add(job.id);
      else if (active.delete(job.id)) tell(job);
    }
  });
}

function tell(job) {
  const seconds = (job.finished ?? 0) - (job.started ?? job.finished ?? 0);
  if (!state.preferences.notify_when_done || document.hasFocus() || !isOwn(job) || seconds < LONG_SECONDS) return;
  if (window.Notification?.permission === "granted") new Notification(t("name"), { body: statusText(job), tag: job.id });
}
