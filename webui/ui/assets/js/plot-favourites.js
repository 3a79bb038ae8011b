// Cells that somebody liked, kept in this browser by plot.

const PREFIX = "periplus.plot.favourites.";

export function favourites(id) {
  const key = PREFIX + id;
  const liked = new Set(id ? JSON.parse(localStorage.getItem(key) ?? "[]") : []);
  return {
    has: (cell) => liked.has(String(cell.index)),
    toggle(cell) {
      const name = String(cell.index);
      if (!liked.delete(name)) liked.add(name);
      if (liked.size) localStorage.setItem(key, JSON.stringify([...liked]));
      else localStorage.removeItem(key);
    },
  };
}
