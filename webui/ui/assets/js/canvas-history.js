// Undo and redo. A change is {bytes, swap}: `swap()` puts things back as they were before it and returns the change that
// would undo that. What is old is forgotten where it becomes too much.

const LIMIT_BYTES = 96 * 2 ** 20;

export class History {
  constructor(limit = LIMIT_BYTES) {
    this.limit = limit;
    this.clear();
  }

  clear() {
    this.done = [];
    this.undone = [];
  }

  push(change) {
    this.done.push(change);
    this.undone = [];
    while (this.done.length > 1 && this.bytes > this.limit) this.done.shift();
  }

  get bytes() {
    return [...this.done, ...this.undone].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  undo() {
    return move(this.done, this.undone);
  }

  redo() {
    return move(this.undone, this.done);
  }
}

function move(from, to) {
  const change = from.pop();
  if (!change) return false;
  to.push(change.swap());
  return true;
}

// Pixels of `target` (a mask, or a layer of paint): `kept` is what `box` held before.
export function pixels(target, box, kept) {
  const swap = () => {
    const now = target.copy(box);
    target.paste(box, kept);
    return pixels(target, box, now);
  };
  return { bytes: (kept.data ?? kept).byteLength, swap };
}

// How layers lie over each other; those that were taken away are kept by this.
export function arrangement(layers, before) {
  const swap = () => {
    const now = layers.state;
    layers.state = before;
    return arrangement(layers, now);
  };
  return { bytes: 4 * layers.width * layers.height, swap };
}
