// What this page knows of the world: filled by the stream, read by everything that draws.

const KEPT = 40; // finished jobs that the drawer may show
const KEPT_CELLS = 10; // of plots, which have a tab of their own
const KEPT_TASKS = 12; // ended downloads, merges and the like

export const state = {
  online: true,
  engine: null,
  queue: null, // the ids of the jobs that wait, in their order, and whether the queue is paused
  moves: 0, // of jobs in the queue, that the server has not confirmed yet
  jobs: new Map(), // by id, in order of creation
  progress: new Map(), // by job id; only what runs
  previews: new Map(), // by job id: the latest preview that was sent
  asked: new Map(), // by job id: "interrupt" or "skip", from the press until the engine has done it
  tasks: new Map(), // by id: work on files (download, hash, convert, merge), each with where this page first saw it
  plots: new Map(), // by id: what was told of it last, and how many times anything was (`seen`)
  quick: null, // the settings below the header, as the server described them last
  settingsVersion: null, // of the settings that are known: as the page was opened with them, or the stream told last
  settingsChanged: false, // since the page was opened
  preferences: { live_preview: true, title_progress: true, notify_when_done: false },
};

const listeners = new Set();

export function onChange(listener) {
  listeners.add(listener);
}

export function changed() {
  for (const listener of listeners) listener();
}

export const finished = (job) => ["done", "failed", "cancelled"].includes(job.state);

export function apply(event) {
  const handler = HANDLERS[event.type];
  if (handler) handler(event);
  changed();
}

const HANDLERS = {
  engine(event) {
    state.engine = event;
  },
  job({ job }) {
    const known = state.jobs.get(job.id);
    // A notice of a change may be older than a picture that came on its own; pictures are never taken back.
    const pictures = new Map([...(known?.pictures ?? []), ...job.pictures].map((picture) => [picture.index, picture]));
    state.jobs.set(job.id, { ...job, pictures: [...pictures.values()].sort((a, b) => a.index - b.index) });
    // A job that waits again, after the engine has died, has forgotten what it was asked.
    if (finished(job) || job.state === "queued") for (const table of [state.progress, state.previews, state.asked]) table.delete(job.id);
    forgetOld();
  },
  queue(given) {
    const event = state.moves ? { ...given, waiting: inOrderOf(state.queue?.waiting ?? [], given.waiting) } : given;
    state.queue = event;
    let ahead = event.running ? 1 : 0;
    for (const id of event.waiting) {
      const job = state.jobs.get(id);
      if (job) state.jobs.set(id, { ...job, ahead });
      if (!job?.held) ahead += 1;
    }
  },
  progress(event) {
    const before = state.progress.get(event.job_id);
    if (before && before.image !== event.image) {
      state.previews.delete(event.job_id);
      if (state.asked.get(event.job_id) === "skip") state.asked.delete(event.job_id);
    }
    state.progress.set(event.job_id, { ...event, at: performance.now() });
    if (event.preview) state.previews.set(event.job_id, event.preview);
  },
  picture({ job_id, picture }) {
    const job = state.jobs.get(job_id);
    if (!job) return;
    const others = job.pictures.filter((other) => other.index !== picture.index);
    state.jobs.set(job_id, { ...job, pictures: [...others, picture].sort((a, b) => a.index - b.index) });
  },
  settings({ version }) {
    state.settingsVersion = version;
  },
  plot(event) {
    state.plots.set(event.id, { ...event, seen: (state.plots.get(event.id)?.seen ?? 0) + 1 });
  },
  task({ task }) {
    // The pace is that since it was first seen: a download that is taken up again does not begin at nothing.
    const first = state.tasks.get(task.id)?.first ?? { fraction: task.fraction ?? 0, at: performance.now() };
    state.tasks.set(task.id, { ...task, first });
    const ended = [...state.tasks.values()].filter((other) => other.state !== "running");
    for (const old of ended.slice(0, -KEPT_TASKS)) state.tasks.delete(old.id);
  },
};

// While jobs are being moved, what is told of the order is older than what is shown.
function inOrderOf(shown, waiting) {
  const places = new Map(shown.map((id, place) => [id, place]));
  return [...waiting].sort((one, other) => (places.get(one) ?? Infinity) - (places.get(other) ?? Infinity) || 0);
}

// What was told of settings could not be fetched: whatever the stream begins with next is another version.
export function forgetSettings() {
  state.settingsVersion = "";
}

export const settingsForgotten = () => state.settingsVersion === "";

// The stream begins with how things stand; what was known before it may be out of date.
export function reset() {
  state.queue = null;
  for (const table of [state.jobs, state.progress, state.previews, state.asked, state.tasks]) table.clear();
}

// What is known as the events that tell of it, for one who begins to listen now.
export function asEvents() {
  const jobs = [...state.jobs.values()].map((job) => ({ type: "job", job }));
  const progress = [...state.progress.values()].map((event) => ({ ...event, preview: state.previews.get(event.job_id) ?? null }));
  const tasks = [...state.tasks.values()].map(({ first, ...task }) => ({ type: "task", task }));
  const settings = { type: "settings", values: {}, version: state.settingsVersion };
  return [settings, ...(state.engine ? [state.engine] : []), ...jobs, ...(state.queue ? [state.queue] : []), ...progress, ...tasks];
}

function forgetOld() {
  const old = [...state.jobs.values()].filter(finished).sort((a, b) => b.created - a.created);
  const cells = old.filter((job) => job.kind === "plot");
  const others = old.filter((job) => job.kind !== "plot");
  for (const job of [...others.slice(KEPT), ...cells.slice(KEPT_CELLS)]) state.jobs.delete(job.id);
}

export function newestFirst() {
  return [...state.jobs.values()].sort((a, b) => b.created - a.created);
}

export const running = () => [...state.jobs.values()].find((job) => job.state === "running") ?? null;

// In the queue's order; one that it has not been told of yet is the newest.
export function waiting() {
  const places = new Map(state.queue?.waiting.map((id, place) => [id, place]));
  const place = (job) => places.get(job.id) ?? Infinity;
  const waits = [...state.jobs.values()].filter((job) => job.state === "queued");
  return waits.sort((a, b) => (place(a) === place(b) ? a.created - b.created : place(a) - place(b)));
}
