// A canvas as it is seen: picture, what is drawn on it, and the brush.

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
  if (mode === "mask") drawMask(context, layer, canvas.tool.veil);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (canvas.frame) drawFrame(context, canvas.frame, bitmap, view);
  if (layer && canvas.hover && ["brush", "eraser"].includes(canvas.tool.name)) drawBrush(context, canvas.hover, (canvas.tool.size * scale) / 2);
  if (layer && canvas.hover && canvas.byKeys) drawCross(context, canvas.hover);
}

function drawMask(context, layer, veil) {
  context.globalAlpha = veil;
  context.drawImage(layer.overlay, 0, 0);
  context.globalAlpha = 1;
}

function drawBrush(context, { x, y }, radius) {
  outline(context, () => context.arc(x, y, radius, 0, 2 * Math.PI));
}

// Where keys have brought the brush, also where its outline is small, or the tool has none.
function drawCross(context, { x, y }) {
  outline(context, () => {
    for (const [dx, dy] of [[6, 0], [0, 6]]) {
      context.moveTo(x - dx, y - dy);
      context.lineTo(x + dx, y + dy);
    }
  });
}

// The proportions of the result over the picture: the largest such part of it, or, where it is filled up, what holds all of it.
function drawFrame(context, { width, height, holds }, picture, view) {
  const factors = [picture.width / width, picture.height / height];
  const factor = (holds ? Math.max : Math.min)(...factors);
  const [across, down] = [width * factor * view.scale, height * factor * view.scale];
  const middle = [view.x + (picture.width * view.scale) / 2, view.y + (picture.height * view.scale) / 2];
  outline(context, () => context.rect(middle[0] - across / 2, middle[1] - down / 2, across, down));
}

// Seen on light and on dark.
function outline(context, shape) {
  for (const [colour, width] of [["rgb(0 0 0 / 70%)", 3], ["white", 1]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    shape();
    context.stroke();
  }
}
