/** The model that answered last, from the loaded events. */

import { eventAt, type Timeline } from "./events";

const LOOKED_AT = 400;

export function modelOf(timeline: Timeline): string | null {
  const { head } = timeline;
  for (let seq = head; seq > head - LOOKED_AT; seq -= 1) {
    const model = eventAt(timeline, seq)?.wire.model;
    if (typeof model === "string" && model !== "") return shortModel(model);
  }
  return null;
}

/** Return the name of a model as people say it. */
export function shortModel(model: string): string {
  return model.replace(/^claude-/, "").replace(/-\d{8}$/, "");
}
