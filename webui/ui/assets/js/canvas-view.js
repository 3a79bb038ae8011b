// Where a picture stands on the screen: scale and offset, in CSS pixels.

import { clamp } from "./canvas-geometry.js";

const MARGIN = 12;
const LARGEST = 32; // screen pixels for one of the picture
const SMALL_AT_MOST = 3; // a small picture is enlarged to fit, but not to a blur

export class View {
  constructor() {
    Object.assign(this, { width: 1, height: 1, scale: 1, x: 0, y: 0, fitted: true });
    this.picture = { width: 1, height: 1 };
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    if (this.fitted) this.fit();
    else this.hold();
  }

  show(picture) {
    this.picture = { width: picture.width, height: picture.height };
    this.fit();
  }

  get fitting() {
    const { width, height } = this.picture;
    return Math.max(0.01, Math.min((this.width - 2 * MARGIN) / width, (this.height - 2 * MARGIN) / height, SMALL_AT_MOST));
  }

  fit() {
    this.scale = this.fitting;
    this.x = (this.width - this.picture.width * this.scale) / 2;
    this.y = (this.height - this.picture.height * this.scale) / 2;
    this.fitted = true;
  }

  // `at`: the point of the screen that stays where it is.
  zoom(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    const scale = clamp(this.scale * factor, this.fitting / 4, LARGEST);
    this.x = at.x - ((at.x - this.x) * scale) / this.scale;
    this.y = at.y - ((at.y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.hold();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.hold();
  }

  // One of two fingers went from `before` to `at`; where the other is.
  pinch(before, at, other) {
    const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y);
    const middle = (point) => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    if (apart(before) > 1) this.zoom(apart(at) / apart(before), middle(before));
    this.pan(middle(at).x - middle(before).x, middle(at).y - middle(before).y);
  }

  // Some of the picture stays in sight.
  hold() {
    const least = 32;
    this.x = clamp(this.x, least - this.picture.width * this.scale, this.width - least);
    this.y = clamp(this.y, least - this.picture.height * this.scale, this.height - least);
  }

  toPicture({ x, y }) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }
}
