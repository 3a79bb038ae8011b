// Every sentence by key, from the same table as the server's.

const texts = window.periplusConfig?.texts ?? {};

export function t(key, values = {}) {
  let text = texts[key] ?? key;
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`{${name}}`, () => String(value));
  return text;
}

export function duration(seconds) {
  if (seconds < 9.95) return t("time.seconds", { seconds: seconds.toFixed(1) });
  return wholeSeconds(seconds);
}

export function wholeSeconds(given) {
  const seconds = Math.max(0, Math.round(given));
  if (seconds < 60) return t("time.seconds", { seconds });
  if (seconds < 3600) return t("time.minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
  return t("time.hours", { hours: Math.floor(seconds / 3600), minutes: Math.floor((seconds % 3600) / 60) });
}

export function ordinal(n) {
  return n <= 3 ? t(`ordinal.${n}`) : t("ordinal.n", { n });
}
