/** The state of the visible session, from its first response, its pages and its feed.
 *
 * The feed may repeat frames after a reconnect, and pages arrive in any order; the resulting state is the same.
 */

import type { FollowedChange } from "../../api/session-frames";
import type { Session, SessionEvent } from "../../wire";
import { addEvents, emptyTimeline, eventAt, forgetFar, raiseHead, type Timeline } from "./events";

export type Followed =
  | { readonly phase: "loading" }
  | { readonly phase: "present"; readonly session: Session; readonly timeline: Timeline }
  | { readonly phase: "gone" };

export type FollowedAction =
  | { readonly kind: "found"; readonly session: Session }
  | { readonly kind: "followed"; readonly changes: readonly FollowedChange[] }
  | { readonly kind: "page"; readonly generation: string; readonly events: readonly SessionEvent[] }
  | { readonly kind: "seen"; readonly shown: readonly number[] }
  | { readonly kind: "gone" };

export function follow(followed: Followed, action: FollowedAction): Followed {
  switch (action.kind) {
    case "found":
      return withSession(followed, action.session);
    case "gone":
      return { phase: "gone" };
    case "followed":
      return action.changes.reduce(withChange, withEvents(followed, eventsIn(action.changes)));
    case "page":
      // Ignore a page of a deleted session that had the same id.
      if (followed.phase !== "present" || followed.session.generation !== action.generation) return followed;
      return withEvents(followed, action.events);
    case "seen":
      if (followed.phase !== "present") return followed;
      return withTimeline(followed, forgetFar(followed.timeline, action.shown));
  }
}

function withChange(followed: Followed, change: FollowedChange): Followed {
  switch (change.kind) {
    case "event":
      return followed;
    case "session":
      return withSession(followed, change.session);
    case "deleted":
      return { phase: "gone" };
  }
}

function withSession(followed: Followed, session: Session): Followed {
  if (followed.phase === "gone") return followed;
  const isSame = followed.phase === "present" && followed.session.generation === session.generation;
  const timeline = isSame ? followed.timeline : emptyTimeline;
  return { phase: "present", session, timeline: raiseHead(timeline, session.last_seq) };
}

function withEvents(followed: Followed, events: readonly SessionEvent[]): Followed {
  if (followed.phase !== "present" || events.length === 0) return followed;
  return withTimeline(followed, addEvents(followed.timeline, events));
}

function withTimeline(followed: Extract<Followed, { phase: "present" }>, timeline: Timeline): Followed {
  if (timeline === followed.timeline) return followed;
  return { ...followed, timeline, session: withNewest(followed.session, timeline) };
}

/** Update the session by its newest event; the feed sends the session only for changes without an event. */
function withNewest(session: Session, timeline: Timeline): Session {
  const newest = eventAt(timeline, timeline.head);
  if (timeline.head <= session.last_seq || newest === undefined) return session;
  return { ...session, last_seq: timeline.head, last_activity_at: newest.recorded_at };
}

function eventsIn(changes: readonly FollowedChange[]): readonly SessionEvent[] {
  return changes.flatMap((change) => (change.kind === "event" ? [change.event] : []));
}
