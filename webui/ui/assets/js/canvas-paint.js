// What is drawn in colour, on one layer above the picture and as large as it.

import { boxAround } from "./canvas-geometry.js";
import { flood } from "./canvas-mask.js";

const ALIKE = 24; // how far a colour may lie from the one that is filled, in each channel

export class Paint {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.layer = new OffscreenCanvas(width, height);
    this.context = this.layer.getContext("2d", { willReadFrequently: true });
    this.stroke = null; // what is being drawn: opaque until it ends, so that a stroke that crosses itself is not darker there
  }

  get whole() {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  begin({ colour, opacity, erase }) {
    const canvas = new OffscreenCanvas(this.width, this.height);
    const context = canvas.getContext("2d");
    context.fillStyle = context.strokeStyle = colour;
    context.lineCap = context.lineJoin = "round";
    this.stroke = { canvas, context, opacity: erase ? 1 : opacity, operation: erase ? "destination-out" : "source-over" };
  }

  line(from, to) {
    const { context } = this.stroke;
    context.beginPath();
    if (from.x === to.x && from.y === to.y) {
      context.arc(to.x, to.y, to.radius, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.lineWidth = from.radius + to.radius;
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    }
    return boxAround(from, to, this);
  }

  // Puts the stroke on the layer.
  end() {
    this.drawStroke(this.context);
    this.stroke = null;
  }

  drawStroke(context) {
    if (!this.stroke) return;
    context.save();
    context.globalAlpha = this.stroke.opacity;
    context.globalCompositeOperation = this.stroke.operation;
    context.drawImage(this.stroke.canvas, 0, 0);
    context.restore();
  }

  // Draws the layer with the stroke that is being drawn, onto a picture.
  drawOn(context) {
    if (this.stroke?.operation !== "destination-out") {
      context.drawImage(this.layer, 0, 0);
      return this.drawStroke(context);
    }
    const canvas = new OffscreenCanvas(this.width, this.height);
    const rest = canvas.getContext("2d");
    rest.drawImage(this.layer, 0, 0);
    this.drawStroke(rest);
    return context.drawImage(canvas, 0, 0);
  }

  // Paints what looks alike around a point; `pixels` is what is seen, picture and layer together.
  fill({ x, y }, pixels, colour, opacity) {
    const { width, height } = this;
    const { data } = pixels;
    const start = Math.floor(y) * width + Math.floor(x);
    const wanted = data.slice(4 * start, 4 * start + 3);
    const done = new Uint8Array(width * height);
    const alike = (at) => !done[at] && [0, 1, 2].every((channel) => Math.abs(data[4 * at + channel] - wanted[channel]) <= ALIKE);
    flood(width, height, start, alike, (at) => (done[at] = 1));
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
    this.begin({ colour, opacity, erase: false });
    const filled = new ImageData(width, height);
    done.forEach((is, at) => is && filled.data.set([red, green, blue, 255], 4 * at));
    this.stroke.context.putImageData(filled, 0, 0);
    return this.whole;
  }

  clear() {
    this.context.clearRect(0, 0, this.width, this.height);
    return this.whole;
  }

  get empty() {
    return !alphaOf(this.context.getImageData(0, 0, this.width, this.height)).includes(255);
  }

  // Where anything was painted, as the bytes of a mask.
  get covered() {
    return alphaOf(this.context.getImageData(0, 0, this.width, this.height));
  }

  copy(box) {
    return this.context.getImageData(box.x, box.y, box.width, box.height);
  }

  paste(box, kept) {
    this.context.putImageData(kept, box.x, box.y);
  }

  async stored() {
    return this.layer.convertToBlob({ type: "image/png" });
  }

  async restore(blob) {
    this.context.drawImage(await createImageBitmap(blob), 0, 0);
  }
}

function alphaOf({ data, width, height }) {
  const found = new Uint8Array(width * height);
  for (let at = 0; at < found.length; at++) found[at] = data[4 * at + 3] ? 255 : 0;
  return found;
}
