// A canvas as it is seen: picture, what is drawn on it, and the brush.

const OVERLAY_ALPHA = 0.55;

export function drawScreen({ screen, bitmap, view, mode, layer, ...canvas }) {
  const context = screen.getContext("2d");
  const ratio = window.devicePixelRatio || 1;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, screen.width, screen.height);
  if (!bitmap) return;
  const { x, y, scale } = view;
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
  context.imageSmoothingEnabled = scale < 2;
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  if (mode === "paint") layer.drawOn(context);
  if (mode === "mask") drawMask(context, layer);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (layer && canvas.hover && ["brush", "eraser"].includes(canvas.tool.name)) drawBrush(context, canvas.hover, (canvas.tool.size * scale) / 2);
}

function drawMask(context, layer) {
  context.globalAlpha = OVERLAY_ALPHA;
  context.drawImage(layer.overlay, 0, 0);
  context.globalAlpha = 1;
}

// Seen on light and on dark.
function drawBrush(context, { x, y }, radius) {
  for (const [colour, width] of [["rgb(0 0 0 / 70%)", 3], ["white", 1]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}
