/** What the feed of all sessions has said since the page was opened.
 *
 * Of each session the newest word wins, by its position in the feed, so frames may come twice or in
 * any order. Pages are read beside this and joined in `session-list.ts` by the same rule.
 */

import type { ListChange } from "../api/session-frames";
import type { Session } from "../wire";

/** A session as of a position; null where it was deleted. */
export interface Word {
  readonly position: number;
  readonly session: Session | null;
}

export type Changes = ReadonlyMap<string, Word>;

export const noChanges: Changes = new Map();

export function applyChanges(changes: Changes, news: readonly ListChange[]): Changes {
  const next = new Map(changes);
  for (const change of news) {
    const sessionId = change.kind === "changed" ? change.session.session_id : change.sessionId;
    const known = next.get(sessionId);
    if (known && known.position >= change.position) continue;
    next.set(sessionId, {
      position: change.position,
      session: change.kind === "changed" ? change.session : null,
    });
  }
  return next;
}
