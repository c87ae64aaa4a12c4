import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { hasCode, isTokenRefused } from "../api/errors";
import { openSessionsFeed } from "../api/routes";
import { positionOf, toListChanges } from "../api/session-frames";
import type { Connection } from "../api/stream";
import { applyChanges, type Changes, noChanges } from "../state/lists/changes";
import type { QuestionPage, Session } from "../wire";
import { QUESTIONS } from "./use-questions";
import { useStream } from "./use-stream";

interface SessionsFeed {
  readonly changes: Changes;
  readonly connection: Connection;
  /** Whether this view follows the feed; if not, lists must be polled. */
  readonly isFollowed: boolean;
  /** Ensure that the feed starts at or before this cursor of a page. */
  cover(cursor: string): void;
  /** Show the response to an action before the feed reports it. */
  learn(session: Session): void;
  forget(sessionId: string): void;
}

const Context = createContext<SessionsFeed | null>(null);

/** The query key of all lists of sessions, so that they are reloaded together. */
export const SESSION_LISTS = "session-lists";

interface SessionsFeedProps {
  readonly isNeeded: boolean;
  /** Whether the connection is kept while the page is hidden. */
  readonly isKept: boolean;
  readonly children: ReactNode;
}

/** The feed of all sessions. It starts at the cursor of the first page, so that no change is missed. */
export function SessionsFeedProvider({ isNeeded, isKept, children }: SessionsFeedProps) {
  const queries = useQueryClient();
  const [changes, setChanges] = useState<Changes>(noChanges);
  const [opening, setOpening] = useState(0);
  const cursor = useRef<string | null>(null);
  const begun = useRef<string | null>(null);

  const connection = useStream({
    key: isNeeded && opening > 0 ? `sessions ${opening}` : null,
    isKept,
    cursor: () => cursor.current,
    connect: openSessionsFeed,
    deliver(frames) {
      cursor.current = frames.findLast((frame) => frame.cursor !== null)?.cursor ?? cursor.current;
      const news = toListChanges(frames);
      if (news.length === 0) return;
      setChanges((known) => applyChanges(known, news));
      const known = queries.getQueryData<QuestionPage>([QUESTIONS])?.questions ?? [];
      const asking = new Set(known.map((question) => question.session_id));
      const concerns = (change: (typeof news)[number]) =>
        change.kind === "changed"
          ? change.session.waiting_questions > 0 || asking.has(change.session.session_id)
          : asking.has(change.sessionId);
      if (news.some(concerns)) void queries.invalidateQueries({ queryKey: [QUESTIONS] });
    },
    onRefusal(error) {
      if (isTokenRefused(error)) return "close";
      if (!hasCode(error, "cursor_unknown")) return "resume";
      cursor.current = null;
      begun.current = null;
      setChanges(noChanges);
      setOpening(0);
      void queries.resetQueries({ queryKey: [SESSION_LISTS] });
      return "close";
    },
  });

  const cover = useCallback((pageCursor: string) => {
    const isCovered = begun.current !== null && positionOf(begun.current) <= positionOf(pageCursor);
    if (isCovered) return;
    begun.current = pageCursor;
    cursor.current = pageCursor;
    setOpening((count) => count + 1);
  }, []);

  const feed = useMemo<SessionsFeed>(() => {
    // After all changes received, and before all later ones.
    const position = () => positionOf(cursor.current) + 0.5;
    return {
      changes,
      connection,
      isFollowed: isNeeded,
      cover,
      learn(session) {
        setChanges((known) => applyChanges(known, [{ kind: "changed", position: position(), session }]));
      },
      forget(sessionId) {
        setChanges((known) => applyChanges(known, [{ kind: "deleted", position: position(), sessionId }]));
      },
    };
  }, [changes, connection, isNeeded, cover]);

  return <Context value={feed}>{children}</Context>;
}

export function useSessionsFeed(): SessionsFeed {
  const feed = useContext(Context);
  if (feed === null) throw new Error("useSessionsFeed needs a SessionsFeedProvider");
  return feed;
}
