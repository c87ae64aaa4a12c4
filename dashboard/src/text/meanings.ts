/** The meanings of words that newcomers do not know, as the documentation has them. */

import type { SessionState } from "../wire";

export const STATE_MEANINGS: Readonly<Record<SessionState, string>> = {
  running: "The newest run is open.",
  waiting: "The newest run is open, and its agent waits for a person.",
  finished: "The newest run has completed.",
  failed: "The newest run has failed, or its time or its budget was used up.",
  stopped: "The newest run was stopped by a request.",
  lost: "The newest run lost its lease: its supervisor has been silent for too long. Or it was imported, and its end is unknown.",
};
export const LATE_MEANING = "The event arrived when its run was no longer the newest.";
export const DIAGNOSTIC_MEANING = "A note about the run, not a part of the conversation.";
