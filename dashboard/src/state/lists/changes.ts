/** The changes that the feed of all sessions has reported since the page was opened.
 *
 * The newest change of a session wins, by its position in the feed. So frames may arrive twice or in any
 * order. `sessions.ts` merges them with the loaded pages by the same rule.
 */

import type { ListChange } from "../../api/session-frames";
import type { Session } from "../../wire";

/** A session at a position in the feed; null if it was deleted. */
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
