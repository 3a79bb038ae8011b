// A mask that is drawn by hand: one byte for each pixel, 0 or 255, nothing between, so that what leaves is what was drawn.
// Drawn here rather than by the browser, whose lines have soft edges.

import { boxAround, cut } from "./canvas-geometry.js";

// Colours as numbers, whose lowest byte is red: how a mask looks on the screen, which pictures rarely have, and as a file.
const OVERLAY = 0xff8030e0;
const [BLACK, WHITE] = [0xff000000, 0xffffffff];

export class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.bytes = new Uint8Array(width * height);
    this.overlay = new OffscreenCanvas(width, height);
    this.context = this.overlay.getContext("2d", { willReadFrequently: true });
  }

  get empty() {
    return !this.bytes.includes(255);
  }

  get untouched() {
    return this.empty;
  }

  // A stroke from one point to the next: every pixel whose middle is no further from the line than the radius, which goes from
  // `from.radius` to `to.radius`. Returns the rectangle that may have changed.
  line(from, to, value) {
    const box = boxAround(from, to, this);
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    for (let y = box.y; y < box.y + box.height; y++) {
      for (let x = box.x; x < box.x + box.width; x++) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        const [ox, oy] = [px - along * dx, py - along * dy];
        const radius = from.radius + along * (to.radius - from.radius);
        if (ox * ox + oy * oy <= radius * radius) this.bytes[y * this.width + x] = value;
      }
    }
    this.redraw(box);
    return box;
  }

  // The part around a point that has the same value and hangs together gets `value`.
  fill({ x, y }, value) {
    const { width, height, bytes } = this;
    const start = Math.floor(y) * width + Math.floor(x);
    const old = bytes[start];
    if (old === value) return null;
    flood(width, height, start, (at) => bytes[at] === old, (at) => (bytes[at] = value));
    return this.redrawn();
  }

  setAll(change) {
    for (let at = 0; at < this.bytes.length; at++) this.bytes[at] = change(this.bytes[at]);
    return this.redrawn();
  }

  redrawn() {
    const box = { x: 0, y: 0, width: this.width, height: this.height };
    this.redraw(box);
    return box;
  }

  redraw(box) {
    if (!box.width || !box.height) return;
    this.context.putImageData(drawn(this.copy(box), box, OVERLAY, 0), box.x, box.y);
  }

  // ---- what undo keeps, and what is kept over a reload

  copy(box) {
    return cut(this.bytes, this.width, box);
  }

  paste(box, kept) {
    for (let y = 0; y < box.height; y++) this.bytes.set(kept.subarray(y * box.width, (y + 1) * box.width), (box.y + y) * this.width + box.x);
    this.redraw(box);
  }

  async stored() {
    return this.bytes.slice();
  }

  async restore(bytes) {
    this.bytes.set(bytes);
    this.redrawn();
  }

  // White where it is set, as a PNG, whose pixels are opaque: they come out exactly.
  async png() {
    const canvas = new OffscreenCanvas(this.width, this.height);
    canvas.getContext("2d").putImageData(drawn(this.bytes, this, WHITE, BLACK), 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }
}

function drawn(bytes, { width, height }, set, other) {
  const pixels = new ImageData(width, height);
  const numbers = new Uint32Array(pixels.data.buffer);
  for (let at = 0; at < bytes.length; at++) numbers[at] = bytes[at] ? set : other;
  return pixels;
}

// Visits, by rows, what hangs together with `start`; `visit` must make `wanted` false.
export function flood(width, height, start, wanted, visit) {
  const stack = [start];
  while (stack.length) {
    const at = stack.pop();
    if (!wanted(at)) continue;
    const row = at - (at % width);
    let left = at;
    let right = at;
    while (left > row && wanted(left - 1)) left--;
    while (right < row + width - 1 && wanted(right + 1)) right++;
    for (let x = left; x <= right; x++) visit(x);
    for (const other of [-width, width]) {
      if (row + other < 0 || row + other >= width * height) continue;
      for (let x = left; x <= right; x++) {
        if (wanted(x + other) && (x === left || !wanted(x - 1 + other))) stack.push(x + other);
      }
    }
  }
}
