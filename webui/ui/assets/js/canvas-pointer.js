// What mouse, fingers, pen and keys do on a canvas: a stroke with the main button, one finger or the pen; looking around with the
// wheel, the middle button, the space bar held down, or two fingers. Without any of them: canvas-keyboard.js.

import { KeyBrush } from "./canvas-keyboard.js";
import { pressed } from "./key-table.js";

const ZOOM_STEP = 1.25;
const SIZE_STEP = 1.15;
const TOOLS = ["brush", "eraser", "fill", "picker"];
const PANS = { ArrowLeft: [32, 0], ArrowRight: [-32, 0], ArrowUp: [0, 32], ArrowDown: [0, -32] };

export function listen(canvas) {
  const { screen, view } = canvas;
  const pointers = new Map(); // by id: where on the screen
  let doing = null; // "stroke", "pan", "pinch"
  let spaceHeld = false;
  const brush = new KeyBrush(canvas, (at, paints) => canvas.brushMoved?.(at, paints));

  const where = (event) => {
    const { left, top } = screen.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  // A pen's pressure makes the stroke narrower.
  const onPicture = (event) => {
    const share = event.pointerType === "pen" ? 0.2 + 0.8 * event.pressure : 1;
    return { ...view.toPicture(where(event)), radius: (canvas.tool.size / 2) * share };
  };

  screen.addEventListener("pointerdown", (event) => {
    if (!canvas.bitmap || event.button > 1) return;
    event.preventDefault();
    brush.leave();
    screen.focus({ preventScroll: true });
    screen.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, where(event));
    if (pointers.size === 2) {
      canvas.cancel();
      doing = "pinch";
    } else if (pointers.size === 1) {
      doing = event.button === 1 || spaceHeld || !canvas.drawable ? "pan" : "stroke";
      if (doing === "stroke") canvas.begin(onPicture(event));
    }
  });

  screen.addEventListener("pointermove", (event) => {
    const at = where(event);
    if (event.movementX || event.movementY) brush.leave();
    if (event.pointerType !== "touch") canvas.hover = at;
    const before = pointers.get(event.pointerId);
    if (!before) return canvas.draw();
    if (doing === "stroke") {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) canvas.move(onPicture(each));
    } else if (doing === "pan") view.pan(at.x - before.x, at.y - before.y);
    else if (doing === "pinch" && pointers.size === 2) view.pinch(before, at, [...pointers].find(([id]) => id !== event.pointerId)[1]);
    pointers.set(event.pointerId, at);
    canvas.draw();
  });

  for (const kind of ["pointerup", "pointercancel"]) {
    screen.addEventListener(kind, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      if (doing === "stroke") kind === "pointerup" ? canvas.end() : canvas.cancel();
      if (doing === "stroke" || !pointers.size) doing = null;
      canvas.draw();
    });
  }

  screen.addEventListener("pointerleave", () => {
    canvas.hover = null;
    canvas.draw();
  });

  // The page scrolls as long as there is nothing to zoom.
  screen.addEventListener("wheel", (event) => {
    if (!canvas.bitmap) return;
    event.preventDefault();
    view.zoom(ZOOM_STEP ** (-event.deltaY / 100), where(event));
    canvas.draw();
  }, { passive: false });

  screen.addEventListener("dblclick", () => !canvas.drawable && fit());

  function fit() {
    view.fit();
    canvas.draw();
  }

  screen.addEventListener("keydown", (event) => {
    const act = actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
    canvas.draw();
  });

  const releaseSpace = () => ((spaceHeld = false), screen.classList.remove("moving"));
  screen.addEventListener("keyup", ({ key }) => (brush.release(key), key === " " && releaseSpace()));
  screen.addEventListener("blur", () => (brush.leave(), releaseSpace()));

  function actionOf(event) {
    const brushed = brush.actionOf(event);
    if (brushed) return brushed;
    const asked = pressed(event, "canvas");
    if (TOOLS.includes(asked)) return canvas.drawable && (canvas.mode === "paint" || asked !== "picker") ? () => canvas.setTool({ name: asked }) : null;
    return {
      hold: () => ((spaceHeld = true), screen.classList.add("moving")),
      smaller: () => canvas.setTool({ size: Math.min(canvas.tool.size - 1, canvas.tool.size / SIZE_STEP) }),
      larger: () => canvas.setTool({ size: Math.max(canvas.tool.size + 1, canvas.tool.size * SIZE_STEP) }),
      closer: () => view.zoom(ZOOM_STEP),
      further: () => view.zoom(1 / ZOOM_STEP),
      fit: () => fit(),
      move: () => view.pan(...PANS[event.key]),
      undo: () => canvas.undo(),
      redo: () => canvas.redo(),
    }[asked] ?? null;
  }
}
