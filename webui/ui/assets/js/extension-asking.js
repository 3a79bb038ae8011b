// Asking for what changes extensions: from another machine it takes the admin password, which only this tab remembers.

import { request } from "./server.js";
import { onChange, state } from "./state.js";

const KEPT = "periplus.admin";

export const password = {
  get: () => sessionStorage.getItem(KEPT) ?? "",
  set: (text) => sessionStorage.setItem(KEPT, text),
};

export function ask(method, path, body) {
  // A header holds no letters beyond Latin-1.
  const given = password.get().replace(/[^\x20-\xff]/g, "?");
  return request(method, `api/v1/${path}`, body, undefined, given ? { "X-Admin-Password": given } : {});
}

// The task once it has ended, as the stream tells of it.
export function ended(task) {
  return new Promise((resolve) => {
    const look = () => {
      const now = state.tasks.get(task.id);
      if (!waiting || !now || now.state === "running") return;
      waiting = false;
      resolve(now);
    };
    let waiting = true;
    onChange(look);
    look();
  });
}
