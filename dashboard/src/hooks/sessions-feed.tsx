import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { hasCode, isTokenRefused } from "../api/errors";
import { openSessionsFeed } from "../api/routes";
import { positionOf, toListChanges } from "../api/session-frames";
import type { Connection } from "../api/stream";
import { applyChanges, type Changes, noChanges } from "../state/changes";
import type { Session } from "../wire";
import { noticeEnd } from "./notices";
import { useStream } from "./use-stream";

interface SessionsFeed {
  readonly changes: Changes;
  readonly connection: Connection;
  /** Follow from no later than this cursor, which came with a page. */
  cover(cursor: string): void;
  /** Show what an act was answered with before the feed says it. */
  learn(session: Session): void;
  forget(sessionId: string): void;
}

const Context = createContext<SessionsFeed | null>(null);

/** All lists of sessions are kept under this key: they are read anew together. */
export const SESSION_LISTS = "session-lists";

/** The feed of all sessions; it begins where the first page was read, so that nothing falls between. */
export function SessionsFeedProvider({ isNeeded, children }: { isNeeded: boolean; children: ReactNode }) {
  const queries = useQueryClient();
  const [changes, setChanges] = useState<Changes>(noChanges);
  const [opening, setOpening] = useState(0);
  const cursor = useRef<string | null>(null);
  const begun = useRef<string | null>(null);

  const connection = useStream({
    key: isNeeded && opening > 0 ? `sessions ${opening}` : null,
    cursor: () => cursor.current,
    connect: openSessionsFeed,
    deliver(frames) {
      cursor.current = frames.findLast((frame) => frame.cursor !== null)?.cursor ?? cursor.current;
      const news = toListChanges(frames);
      if (news.length === 0) return;
      setChanges((known) => applyChanges(known, news));
      for (const change of news) if (change.kind === "changed") noticeEnd(change.session);
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
    // After all that was heard, and before all that will be.
    const position = () => positionOf(cursor.current) + 0.5;
    return {
      changes,
      connection,
      cover,
      learn(session) {
        setChanges((known) => applyChanges(known, [{ kind: "changed", position: position(), session }]));
      },
      forget(sessionId) {
        setChanges((known) => applyChanges(known, [{ kind: "deleted", position: position(), sessionId }]));
      },
    };
  }, [changes, connection, cover]);

  return <Context value={feed}>{children}</Context>;
}

export function useSessionsFeed(): SessionsFeed {
  const feed = useContext(Context);
  if (feed === null) throw new Error("useSessionsFeed needs a SessionsFeedProvider");
  return feed;
}
