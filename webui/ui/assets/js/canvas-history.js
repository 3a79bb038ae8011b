// Undo and redo of a layer: the rectangles that changed, as they were. What is old is forgotten where it becomes too much.

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

  // `kept` is what `box` held before the change.
  push(box, kept) {
    this.done.push({ box, kept });
    this.undone = [];
    while (this.done.length > 1 && this.bytes > this.limit) this.done.shift();
  }

  get bytes() {
    return [...this.done, ...this.undone].reduce((sum, { kept }) => sum + (kept.data ?? kept).byteLength, 0);
  }

  undo(layer) {
    return swap(this.done, this.undone, layer);
  }

  redo(layer) {
    return swap(this.undone, this.done, layer);
  }
}

function swap(from, to, layer) {
  const change = from.pop();
  if (!change) return false;
  to.push({ box: change.box, kept: layer.copy(change.box) });
  layer.paste(change.box, change.kept);
  return true;
}
