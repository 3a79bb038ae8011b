// All keys, in one table: what acts on a key asks it here, and the sheet of keys is drawn from it.
// "Ctrl" is also the Mac's ⌘. Of signs such as "?" it does not count whether Shift was needed for them.

// By place, in which one key means one thing; by action: its keys.
export const KEYS = {
  page: {
    generate: ["Ctrl+Enter"],
    skip: ["Alt+Enter"],
    interrupt: ["Escape"],
    sheet: ["?"],
  },
  prompt: {
    heavier: ["Ctrl+ArrowUp"],
    lighter: ["Ctrl+ArrowDown"],
    earlier: ["Alt+ArrowLeft"],
    later: ["Alt+ArrowRight"],
    undo: ["Ctrl+Z"],
    redo: ["Ctrl+Shift+Z", "Ctrl+Y"],
  },
  names: {
    next: ["ArrowDown"],
    previous: ["ArrowUp"],
    take: ["Tab", "Enter"],
    close: ["Escape"],
  },
  viewer: {
    previous: ["ArrowLeft"],
    next: ["ArrowRight"],
    closer: ["+", "="],
    further: ["-"],
    fit: ["0"],
    look: ["Shift+ArrowLeft", "Shift+ArrowUp", "Shift+ArrowDown", "Shift+ArrowRight"],
    save: ["S"],
    compare: ["C"],
    close: ["Escape"],
  },
  canvas: {
    brush: ["B"],
    eraser: ["E"],
    fill: ["G"],
    picker: ["I"],
    smaller: ["["],
    larger: ["]"],
    move: ["ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"],
    nudge: ["Shift+ArrowLeft", "Shift+ArrowUp", "Shift+ArrowDown", "Shift+ArrowRight"],
    hold: [" "],
    stroke: ["Enter"],
    closer: ["+", "="],
    further: ["-"],
    fit: ["0"],
    enlarge: ["M"],
    leave: ["Escape"],
    undo: ["Ctrl+Z"],
    redo: ["Ctrl+Shift+Z", "Ctrl+Y"],
  },
  history: {
    search: ["/"],
    like: ["F"],
    compare: ["C"],
    remove: ["Delete", "Backspace"],
    undo: ["Ctrl+Z"],
  },
  splitter: {
    left: ["ArrowLeft"],
    right: ["ArrowRight"],
    narrowest: ["Home"],
    widest: ["End"],
    usual: ["Enter"],
  },
  plot: {
    open: ["Enter"],
    larger: ["+", "="],
    smaller: ["-"],
    fit: ["0"],
  },
};

// On a keyboard of another script a letter or a bracket is known by its place.
function bare(key, code) {
  if (key.length > 1 || key <= "\x7f") return key.length > 1 ? key : key.toUpperCase();
  if (code.startsWith("Bracket")) return code === "BracketLeft" ? "[" : "]";
  return /^Key[A-Z]$/.test(code) ? code.at(-1) : key.toUpperCase();
}

// "Ctrl+Shift+Z"
export function comboOf({ key = "", code = "", ctrlKey, metaKey, altKey, shiftKey }) {
  const sign = key.length === 1 && key.toUpperCase() === key.toLowerCase();
  const typed = altKey && (key === "[" || key === "]"); // many keyboards give brackets with AltGr, which is Ctrl and Alt, or Option
  const held = [!typed && (ctrlKey || metaKey) && "Ctrl", !typed && altKey && "Alt", shiftKey && !sign && "Shift"];
  return [...held, bare(key, code)].filter(Boolean).join("+");
}

// Where one reads from the right, the viewer's next picture lies to the left.
export function keysIn(place) {
  const { previous, next, ...others } = KEYS[place];
  return place === "viewer" && document.dir === "rtl" ? { previous: next, next: previous, ...others } : KEYS[place];
}

// The action of a place that a key event asks for, or null.
export function pressed(event, place) {
  const combo = comboOf(event);
  return Object.entries(keysIn(place)).find(([, combos]) => combos.includes(combo))?.[0] ?? null;
}
