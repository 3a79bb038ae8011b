// Where the caret of a box stands in the window, in CSS pixels: {left, top, height}. The browser tells it of no box, so the text
// before it is laid out once more in an element of the same looks.

const SHARED = [
  "boxSizing", "borderTopWidth", "borderRightWidth", "borderBottomWidth", "borderLeftWidth", "borderStyle", "paddingTop", "paddingRight", "paddingBottom", "paddingLeft",
  "fontFamily", "fontSize", "fontStyle", "fontWeight", "fontVariant", "letterSpacing", "wordSpacing", "lineHeight", "textIndent", "textTransform", "tabSize", "direction",
];

export function caretPlace(box, at = box.selectionStart) {
  const style = getComputedStyle(box);
  const twin = document.createElement("div");
  for (const name of SHARED) twin.style[name] = style[name];
  const wraps = box.localName === "textarea";
  Object.assign(twin.style, { position: "absolute", visibility: "hidden", top: "0", left: "0", width: `${box.clientWidth + parseFloat(style.borderLeftWidth) + parseFloat(style.borderRightWidth)}px`, whiteSpace: wraps ? "pre-wrap" : "pre", overflowWrap: "break-word" });
  twin.textContent = box.value.slice(0, at);
  const mark = twin.appendChild(document.createElement("span"));
  mark.textContent = box.value.slice(at) || ".";
  document.body.append(twin);
  const frame = box.getBoundingClientRect();
  const height = parseFloat(style.lineHeight) || parseFloat(style.fontSize) * 1.4;
  const place = { left: frame.left + mark.offsetLeft - box.scrollLeft, top: frame.top + mark.offsetTop - box.scrollTop, height };
  twin.remove();
  return { ...place, top: Math.min(Math.max(place.top, frame.top), frame.bottom - height) };
}
