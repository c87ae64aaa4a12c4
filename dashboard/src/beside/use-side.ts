import { type FollowedSession, useFollowedSession } from "../session-page/use-followed-session";
import { useOutline } from "../session-page/use-outline";
import type { Outline } from "../state/session/outline";
import type { Session } from "../wire";

export interface SideOfTwo extends FollowedSession {
  readonly sessionId: string;
  readonly outline: Outline;
}

/** One of two sessions, followed by the feed that both share. */
export function useSide(sessionId: string): SideOfTwo {
  const session = useFollowedSession(sessionId, true);
  const { followed } = session;
  const isPresent = followed.phase === "present";
  const outline = useOutline(
    sessionId,
    isPresent ? followed.session.generation : "",
    isPresent ? followed.timeline.head : 0,
  );
  return { ...session, sessionId, outline };
}

export function sessionOf({ followed }: SideOfTwo): Session | null {
  return followed.phase === "present" ? followed.session : null;
}
