// Lists of models for a picker, searched by the server.

import { size } from "./model-words.js";
import { request } from "./server.js";
import { t } from "./texts.js";

const SHOWN = 40;

function loader(kind) {
  return async (search) => {
    const { entries, total } = await request("GET", `api/v1/models?${new URLSearchParams({ kind, search, count: SHOWN })}`);
    const options = entries.map(({ name, family, size: bytes, short, problem }) => ({ value: name, text: name, facts: [family, size(bytes), short].filter(Boolean).join(" · "), problem }));
    return { options, more: total - entries.length };
  };
}

export const checkpointChoices = () => ({ load: loader("checkpoint") });

export const vaeChoices = (fixed = [["", t("merger.vae.none")]]) => ({ load: loader("vae"), fixed });
