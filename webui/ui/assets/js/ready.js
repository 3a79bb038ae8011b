// When the form holds what it held and can be used.

const root = document.documentElement;
const isReady = () => root.dataset.periplus === "ready";

export function whenReady(action) {
  if (isReady()) return void action();
  const watch = new MutationObserver(() => {
    if (!isReady()) return;
    watch.disconnect();
    action();
  });
  watch.observe(root, { attributes: true });
}
