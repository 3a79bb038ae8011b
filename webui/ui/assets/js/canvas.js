// A picture that one can look at, paint on, or mask. `mode` says what strokes are: "picture" has none, "paint" has colours above
// the picture, in layers, "mask" has a mask. What is drawn has the size of the picture, whatever the size on the screen.

import { coalesce, h } from "./dom.js";
import { History, arrangement, pixels } from "./canvas-history.js";
import { around, clamp, cut } from "./canvas-geometry.js";
import { Layers } from "./canvas-layers.js";
import { Mask } from "./canvas-mask.js";
import { listen } from "./canvas-pointer.js";
import { drawScreen } from "./canvas-screen.js";
import { View } from "./canvas-view.js";

export const SIZES = { low: 1, high: 512 };
const FRAME_MS = 1500;
const BRUSH = { paint: 1 / 24, mask: 1 / 10 }; // of the shorter side, until the person chooses

export class Canvas {
  // `changed("picture" | "drawing")` is called after each change; `told` when tool, view or history may have changed.
  constructor({ id, mode, label, changed, told }) {
    Object.assign(this, { mode, changed, told });
    this.screen = h("canvas", { id, class: "canvas-screen", tabindex: 0, role: "application", "aria-label": label });
    this.view = new View();
    this.history = new History();
    this.tool = { name: "brush", size: 24, colour: "#202020", opacity: 1, veil: 0.55 }; // veil: how dense a mask looks
    this.bitmap = null; // the picture's pixels
    this.blob = null; // the picture's file, as it came
    this.layer = null; // all that is drawn: a mask, or layers of paint
    this.hover = null; // where the brush is, on the screen
    this.byKeys = false; // whether it was keys that brought it there
    this.frame = null; // {width, height, holds}: the result's proportions, while they are chosen
    this.draw = coalesce(() => this.drawNow());
    new ResizeObserver(() => this.fitScreen()).observe(this.screen);
    listen(this);
  }

  get size() {
    return this.bitmap && { width: this.bitmap.width, height: this.bitmap.height };
  }

  get drawable() {
    return this.mode !== "picture" && this.layer !== null;
  }

  // What strokes change.
  get target() {
    return this.mode === "paint" ? this.layer.active : this.layer;
  }

  // ---- the picture

  // Raises what the browser says where the file is no picture.
  async setPicture(blob) {
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    const same = this.bitmap && bitmap.width === this.bitmap.width && bitmap.height === this.bitmap.height;
    Object.assign(this, { bitmap, blob });
    this.newLayer();
    if (!same) this.view.show(bitmap);
    this.draw();
    this.changed("picture");
  }

  newLayer() {
    const { width, height } = this.bitmap;
    if (!this.tool.chosen && this.mode in BRUSH) this.tool.size = Math.max(4, Math.round(Math.min(width, height) * BRUSH[this.mode]));
    this.history.clear();
    this.layer = this.mode === "mask" ? new Mask(width, height) : this.mode === "paint" ? new Layers(width, height) : null;
  }

  clear() {
    Object.assign(this, { bitmap: null, blob: null, layer: null });
    this.history.clear();
    this.draw();
    this.changed("picture");
  }

  // Picture and drawing as they stand, to be given back to `restore`.
  async stored() {
    return { picture: this.blob, drawing: this.layer && !this.layer.untouched ? await this.layer.stored() : null };
  }

  async restore({ picture, drawing }) {
    if (!picture) return this.clear();
    this.bitmap = null;
    await this.setPicture(picture);
    if (drawing) await this.layer?.restore(drawing);
    this.draw();
    this.changed("drawing");
  }

  // ---- drawing

  begin(at) {
    if (!this.drawable) return;
    const { name, colour, opacity } = this.tool;
    if (name === "picker") return void this.pick(at);
    if (name === "fill") return void this.fill(at);
    if (this.mode === "paint") this.layer.change({ visible: true }); // nobody paints what is not seen
    const { target } = this;
    const before = this.mode === "mask" ? target.bytes.slice() : null;
    if (this.mode === "paint") target.begin({ colour, opacity, erase: name === "eraser" });
    this.stroke = { target, before, last: at, box: null };
    this.move(at);
  }

  move(at) {
    const { stroke } = this;
    if (!stroke) return;
    const value = this.tool.name === "eraser" ? 0 : 255;
    stroke.box = around(stroke.box, stroke.target.line(stroke.last, at, value));
    stroke.last = at;
    this.draw();
  }

  end() {
    const { stroke } = this;
    if (!stroke) return;
    this.stroke = null;
    const { box, target } = stroke;
    if (box.width && box.height) this.history.push(pixels(target, box, this.mode === "mask" ? cut(stroke.before, target.width, box) : target.copy(box)));
    if (this.mode === "paint") target.end();
    this.finish();
  }

  // A second finger has come: it was no stroke.
  cancel() {
    const { stroke } = this;
    if (!stroke) return;
    this.stroke = null;
    const { box, target } = stroke;
    if (this.mode === "paint") target.stroke = null;
    else if (box) target.paste(box, cut(stroke.before, target.width, box));
    this.draw();
  }

  fill(at) {
    if (!this.inside(at)) return;
    this.whole((target) => {
      if (this.mode === "mask") return target.fill(at, target.bytes[Math.floor(at.y) * target.width + Math.floor(at.x)] ? 0 : 255);
      target.fill(at, this.pixels(), this.tool.colour, this.tool.opacity);
      target.end();
    });
  }

  empty() {
    this.whole((target) => (this.mode === "mask" ? target.setAll(() => 0) : target.clear()));
  }

  invert() {
    this.whole((target) => target.setAll((value) => 255 - value));
  }

  // A change that may touch every pixel of what strokes change.
  whole(change) {
    if (!this.drawable) return;
    const { target } = this;
    const box = { x: 0, y: 0, width: target.width, height: target.height };
    const before = target.copy(box);
    if (this.mode === "paint") this.layer.change({ visible: true });
    change(target);
    this.history.push(pixels(target, box, before));
    this.finish();
  }

  // A change of how the layers lie: add, remove, move, merge, and what each of them looks like.
  arrange(change) {
    if (!this.drawable) return;
    const before = this.layer.state;
    change(this.layer);
    this.history.push(arrangement(this.layer, before));
    this.finish();
  }

  // A stroke that keys have begun ends first.
  undo() {
    this.end();
    if (this.history.undo()) this.finish();
  }

  redo() {
    this.end();
    if (this.history.redo()) this.finish();
  }

  finish() {
    this.draw();
    this.changed("drawing");
  }

  pick(at) {
    if (!this.inside(at)) return;
    const [red, green, blue] = this.pixels().data.slice(4 * (Math.floor(at.y) * this.bitmap.width + Math.floor(at.x)));
    this.setTool({ colour: "#" + [red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("") });
  }

  setTool(change) {
    Object.assign(this.tool, change);
    if ("size" in change) this.tool.chosen = true;
    this.tool.size = clamp(Math.round(this.tool.size), SIZES.low, SIZES.high);
    this.draw();
    this.told();
  }

  inside({ x, y }) {
    return x >= 0 && y >= 0 && x < this.bitmap.width && y < this.bitmap.height;
  }

  // ---- what leaves

  // Picture and painting together, on white where both are transparent.
  composite() {
    const canvas = new OffscreenCanvas(this.bitmap.width, this.bitmap.height);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.bitmap, 0, 0);
    if (this.mode === "paint") this.layer.drawOn(context);
    return canvas;
  }

  pixels() {
    return this.composite().getContext("2d").getImageData(0, 0, this.bitmap.width, this.bitmap.height);
  }

  // The file as it came where nothing is painted on it.
  async source() {
    if (!this.bitmap) return null;
    return this.mode === "paint" && !this.layer.empty ? this.composite().convertToBlob({ type: "image/png" }) : this.blob;
  }

  // What was masked, or painted on; null where that is nothing.
  async mask() {
    if (this.mode === "mask") return this.layer && !this.layer.empty ? this.layer.png() : null;
    const mask = this.layer && new Mask(this.layer.width, this.layer.height);
    mask?.bytes.set(this.layer.covered);
    return mask && !mask.empty ? mask.png() : null;
  }

  // ---- the screen

  fitScreen() {
    const { clientWidth: width, clientHeight: height } = this.screen;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    this.screen.width = Math.round(width * ratio);
    this.screen.height = Math.round(height * ratio);
    this.view.resize(width, height);
    this.drawNow();
  }

  // For a moment. `holds`: the result holds all of the picture, and more.
  showFrame(width, height, holds) {
    clearTimeout(this.fading);
    this.frame = { width, height, holds };
    this.fading = setTimeout(() => ((this.frame = null), this.draw()), FRAME_MS);
    this.draw();
  }

  drawNow() {
    drawScreen(this);
    this.told();
  }
}
