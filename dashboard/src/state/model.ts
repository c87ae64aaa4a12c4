/** The model that answered last, from the loaded events. */

import type { Timeline } from "./timeline";

const LOOKED_AT = 400;

export function modelOf({ head, events }: Timeline): string | null {
  for (let seq = head; seq > head - LOOKED_AT; seq -= 1) {
    const model = events.get(seq)?.wire.model;
    if (typeof model === "string" && model !== "")
      return model.replace(/^claude-/, "").replace(/-\d{8}$/, "");
  }
  return null;
}
