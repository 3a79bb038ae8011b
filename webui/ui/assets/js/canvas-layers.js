// Layers of paint above a picture, the lowest first. One of them is active: it takes the strokes. What is hidden, or of no
// opacity, is neither seen nor handed in.

import { Paint } from "./canvas-paint.js";

const MOST = 16;

export class Layers {
  constructor(width, height) {
    Object.assign(this, { width, height, at: 0, named: 0 });
    this.all = [this.make()];
  }

  make() {
    this.named += 1;
    return { paint: new Paint(this.width, this.height), visible: true, opacity: 1, name: this.named };
  }

  get active() {
    return this.all[this.at].paint;
  }

  get full() {
    return this.all.length >= MOST;
  }

  get shown() {
    return this.all.filter(({ visible, opacity }) => visible && opacity > 0);
  }

  // ---- what is seen

  drawOn(context) {
    for (const { paint, opacity } of this.shown) {
      if (opacity === 1) {
        paint.drawOn(context);
        continue;
      }
      const canvas = new OffscreenCanvas(this.width, this.height);
      paint.drawOn(canvas.getContext("2d"));
      context.globalAlpha = opacity;
      context.drawImage(canvas, 0, 0);
      context.globalAlpha = 1;
    }
  }

  // Where anything is painted, as the bytes of a mask.
  get covered() {
    const [first, ...others] = this.shown.map(({ paint }) => paint.covered);
    if (!first) return new Uint8Array(this.width * this.height);
    for (const other of others) for (let at = 0; at < first.length; at++) first[at] |= other[at];
    return first;
  }

  get empty() {
    return this.shown.every(({ paint }) => paint.empty);
  }

  // Nothing is there that would be missed.
  get untouched() {
    return this.all.length === 1 && this.active.empty;
  }

  // ---- how they lie; `undo` keeps this, for paint is only ever changed on its own layer

  get state() {
    return { all: this.all.map((layer) => ({ ...layer })), at: this.at };
  }

  set state({ all, at }) {
    Object.assign(this, { all: all.map((layer) => ({ ...layer })), at });
  }

  change(values) {
    Object.assign(this.all[this.at], values);
  }

  add() {
    this.all.splice(this.at + 1, 0, this.make());
    this.at += 1;
  }

  remove() {
    this.all.splice(this.at, 1);
    if (!this.all.length) this.all = [this.make()];
    this.at = Math.max(0, this.at - 1);
  }

  // `by`: 1 is one up, −1 one down.
  move(by) {
    const [moved] = this.all.splice(this.at, 1);
    this.at = Math.min(this.all.length, Math.max(0, this.at + by));
    this.all.splice(this.at, 0, moved);
  }

  // The active one and the one below it become one, as they are seen.
  merge() {
    const [below, above] = this.all.slice(this.at - 1, this.at + 1);
    const made = new Layers(this.width, this.height);
    made.all = [below, above];
    const paint = new Paint(this.width, this.height);
    made.drawOn(paint.context);
    this.all.splice(this.at - 1, 2, { ...below, paint, visible: true, opacity: 1 });
    this.at -= 1;
  }

  // ---- what is kept over a reload

  async stored() {
    const all = this.all.map(async ({ paint, ...rest }) => ({ ...rest, painted: await paint.stored() }));
    return { all: await Promise.all(all), at: this.at };
  }

  async restore({ all, at }) {
    const made = all.map(async ({ painted, ...rest }) => {
      const paint = new Paint(this.width, this.height);
      await paint.restore(painted);
      return { ...rest, paint };
    });
    this.state = { all: await Promise.all(made), at };
    this.named = Math.max(...this.all.map(({ name }) => name));
  }
}
