// The brush for those who have no pointer: arrow keys move it over the picture, and it paints while Space is held down, or from
// one Enter to the next. Points are in pixels of the picture.

import { clamp } from "./canvas-geometry.js";
import { pressed } from "./key-table.js";

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 1 / 2; // of the brush, so that what it leaves has no gaps
const MARGIN = 16; // between it and the border of the screen

export class KeyBrush {
  // `told(at, paints)` is called after each move.
  constructor(canvas, told) {
    Object.assign(this, { canvas, told });
    this.at = null; // until an arrow key brings it
    this.lowered = null; // the key that did
  }

  // What a key does here, or null.
  actionOf(event) {
    if (!this.canvas.drawable) return null;
    const { key, repeat } = event;
    const asked = pressed(event, "canvas");
    if (asked === "move") return () => this.move(MOVES[key], Math.max(1, Math.round(this.canvas.tool.size * STEP)));
    if (asked === "nudge") return () => this.move(MOVES[key], 1);
    if (asked === "stroke") return () => repeat || (this.lowered ? this.lift() : this.lower(key));
    return asked === "hold" && this.at ? () => repeat || this.lower(key) : null;
  }

  release(key) {
    if (key === " " && this.lowered === key) this.lift();
  }

  move([dx, dy], step) {
    const { width, height } = this.canvas.bitmap;
    const { x, y } = this.at ?? this.middle();
    this.at = { x: clamp(x + dx * step, 0, width - 1), y: clamp(y + dy * step, 0, height - 1) };
    if (this.lowered) this.canvas.move(this.point());
    this.show();
  }

  // Where a tool acts on one point (a filling, a colour that is picked) there is no stroke that could go on.
  lower(key) {
    this.lift();
    this.at ??= this.middle();
    this.canvas.begin(this.point());
    this.lowered = this.canvas.stroke ? key : null;
    this.show();
  }

  lift() {
    if (this.lowered) this.canvas.end();
    this.lowered = null;
    if (this.at) this.show();
  }

  // A pointer has come, or the focus has gone.
  leave() {
    if (!this.at) return;
    this.lift();
    this.at = this.canvas.hover = null;
    this.canvas.byKeys = false;
    this.canvas.draw();
  }

  middle() {
    const { width, height } = this.canvas.bitmap;
    return { x: Math.floor(width / 2), y: Math.floor(height / 2) };
  }

  // A pixel's middle, with the width of the brush.
  point() {
    return { x: this.at.x + 0.5, y: this.at.y + 0.5, radius: this.canvas.tool.size / 2 };
  }

  // The view follows where it would be out of sight.
  show() {
    const { view } = this.canvas;
    const onScreen = () => ({ x: view.x + (this.at.x + 0.5) * view.scale, y: view.y + (this.at.y + 0.5) * view.scale });
    const { x, y } = onScreen();
    const [left, top] = [clamp(x, MARGIN, view.width - MARGIN) - x, clamp(y, MARGIN, view.height - MARGIN) - y];
    if (left || top) view.pan(left, top);
    this.canvas.hover = onScreen();
    this.canvas.byKeys = true;
    this.canvas.draw();
    this.told(this.at, Boolean(this.lowered));
  }
}
