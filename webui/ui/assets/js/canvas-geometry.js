// Rectangles of pixels: {x, y, width, height}.

// The pixels that a line of that width can touch.
export function boxAround(from, to, { width, height }) {
  const reach = Math.max(from.radius, to.radius) + 1;
  const left = clamp(Math.floor(Math.min(from.x, to.x) - reach), 0, width);
  const top = clamp(Math.floor(Math.min(from.y, to.y) - reach), 0, height);
  const right = clamp(Math.ceil(Math.max(from.x, to.x) + reach), 0, width);
  const bottom = clamp(Math.ceil(Math.max(from.y, to.y) + reach), 0, height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// The smallest rectangle with both in it; either may be null or empty.
export function around(one, other) {
  if (!one || !one.width || !one.height) return other;
  if (!other.width || !other.height) return one;
  const [x, y] = [Math.min(one.x, other.x), Math.min(one.y, other.y)];
  const right = Math.max(one.x + one.width, other.x + other.width);
  const bottom = Math.max(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}

// The rectangle `box` out of bytes that stand in rows of `width`.
export function cut(bytes, width, box) {
  const kept = new Uint8Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const at = (box.y + y) * width + box.x;
    kept.set(bytes.subarray(at, at + box.width), y * box.width);
  }
  return kept;
}
