// Looking closer at the picture of the viewer: wheel, two fingers, a click and keys zoom, dragging moves.

import { clamp } from "./canvas-geometry.js";
import { View } from "./canvas-view.js";

const STEP = 1.25;
const MOVED_PX = 5; // further than that it was no click
const SMALL_PX = 512; // a small picture is enlarged to this width, if the window has it
const PANS = { ArrowLeft: [64, 0], ArrowRight: [-64, 0], ArrowUp: [0, 64], ArrowDown: [0, -64] };

// The picture is never smaller than what fits the window, and covers as much of it as it can.
class WindowView extends View {
  get fitting() {
    const { width, height } = this.picture;
    return Math.min(this.width / width, this.height / height, Math.max(1, Math.min(SMALL_PX, this.width * 0.9) / width));
  }

  hold() {
    if (this.scale <= this.fitting) return this.fit();
    for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
      const spare = this[side] - this.picture[side] * this.scale;
      this[axis] = spare >= 0 ? spare / 2 : clamp(this[axis], spare, 0);
    }
  }
}

// `on`: {drawn(fitted, scale), beside()}: told of every change, and of a click beside the picture. Pictures of one size keep the
// place that is looked at.
export function zoomable(stage, image, on) {
  const view = new WindowView();
  const pointers = new Map(); // by id: where in the window
  let moved = 0;

  image.addEventListener("load", () => {
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width !== view.picture.width || height !== view.picture.height) view.show({ width, height });
    draw();
  });
  new ResizeObserver(() => (view.resize(stage.clientWidth, stage.clientHeight), draw())).observe(stage);

  function draw() {
    const { picture, scale, x, y, fitted } = view;
    Object.assign(image.style, { width: `${picture.width * scale}px`, height: `${picture.height * scale}px`, left: `${x}px`, top: `${y}px` });
    stage.classList.toggle("closer", !fitted);
    on.drawn(fitted, scale);
  }

  const where = (event) => {
    const { left, top } = stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  // Pixel by pixel, where that is larger than what fits.
  function toggle(at) {
    if (!view.fitted) view.fit();
    else view.zoom(view.fitting < 0.9 ? 1 / view.fitting : 2, at);
    draw();
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(event.ctrlKey ? Math.exp(-event.deltaY / 100) : STEP ** (-event.deltaY / 100), where(event)); // Ctrl: two fingers on a touchpad
    draw();
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) moved = 0;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, where(event));
  });

  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const at = where(event);
    moved += Math.hypot(at.x - before.x, at.y - before.y);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) view.pinch(before, at, other);
    else if (moved >= MOVED_PX) view.pan(at.x - before.x, at.y - before.y);
    pointers.set(event.pointerId, at);
    draw();
  });

  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => pointers.delete(event.pointerId));

  stage.addEventListener("click", (event) => {
    if (moved >= MOVED_PX) return;
    const { left, top, right, bottom } = image.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (inside) toggle(where(event));
    else on.beside();
  });

  const drawing = (act) => (given) => (act(given), draw());

  return {
    toggle,
    closer: drawing(() => view.zoom(STEP)),
    further: drawing(() => view.zoom(1 / STEP)),
    fit: drawing(() => view.fit()),
    look: drawing((arrow) => view.pan(...PANS[arrow])),
  };
}
