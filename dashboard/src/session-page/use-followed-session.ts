import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useEffectEvent, useReducer, useRef, useState } from "react";
import { ApiError, hasCode, isPassing, isTokenRefused } from "../api/errors";
import { getSession, listEvents, openEventsFeed } from "../api/routes";
import { toFollowedChanges } from "../api/session-frames";
import type { Connection } from "../api/stream";
import { useSessionsFeed } from "../feed/sessions-feed-provider";
import { useStream } from "../feed/use-stream";
import { forgetFar, type MissingEvents, missingEvents } from "../state/session/events";
import { type Followed, follow } from "../state/session/followed";
import type { Session } from "../wire";

export interface FollowedSession {
  readonly followed: Followed;
  readonly error: Error | null;
  readonly connection: Connection;
  /** Load the missing events around the visible seqs. */
  show(seqs: readonly number[]): void;
  /** Show the response to an action before the feed reports it. */
  learn(session: Session): void;
  retry(): void;
}

/** Number of rows to load beyond the visible ones. */
const READ_AROUND = 60;
const MAX_RETRIES = 4;
/** After a change, up to this number of new events is loaded before their rows appear. */
const EVENTS_AT_ONCE = 200;

/** Follow a session by its own feed; or by the feed of all sessions, if that is shared by several on one page. */
export function useFollowedSession(sessionId: string, isShared = false): FollowedSession {
  const queries = useQueryClient();
  const [followed, dispatch] = useReducer(follow, { phase: "loading" });
  const cursor = useRef<string | null>(null);
  const reading = useRef(new Set<number>());
  const shown = useRef<readonly number[]>([]);
  const query = useQuery({
    queryKey: ["session", sessionId],
    queryFn: ({ signal }) => getSession(sessionId, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });

  useEffect(() => {
    if (query.data) {
      cursor.current = `${query.data.generation}:${query.data.last_seq}`;
      dispatch({ kind: "found", session: query.data });
    } else if (query.error instanceof ApiError && query.error.status === 404) {
      dispatch({ kind: "gone" });
    }
  }, [query.data, query.error]);

  const session = followed.phase === "present" ? followed.session : null;
  const generation = session?.generation ?? null;
  const own = useStream({
    key: generation === null || isShared ? null : `${sessionId} ${generation} ${query.dataUpdatedAt}`,
    cursor: () => cursor.current,
    connect: (from, signal) => openEventsFeed(sessionId, from, signal),
    deliver(frames) {
      cursor.current = frames.findLast((frame) => frame.cursor !== null)?.cursor ?? cursor.current;
      dispatch({ kind: "followed", changes: toFollowedChanges(frames) });
    },
    onRefusal(error) {
      if (error.status === 404) dispatch({ kind: "gone" });
      else if (hasCode(error, "cursor_unknown")) void query.refetch();
      else if (!isTokenRefused(error)) return "resume";
      return "close";
    },
  });

  const feed = useSessionsFeed();
  const connection = isShared ? feed.connection : own;
  const change = isShared ? feed.changes.get(sessionId) : undefined;
  const [known] = useState(change); // older than the session that is loaded first
  const timeline = followed.phase === "present" ? followed.timeline : null;
  const catchUp = useEffectEvent(async (changed: Session): Promise<void> => {
    const head = timeline?.head ?? 0;
    const isNear = changed.last_seq > head && changed.last_seq - head <= EVENTS_AT_ONCE;
    if (!isNear || changed.generation !== generation) return;
    const { events } = await listEvents(sessionId, { after_seq: head, limit: EVENTS_AT_ONCE });
    dispatch({ kind: "page", generation: changed.generation, events });
  });
  useEffect(() => {
    if (change === undefined || change === known) return;
    let isNewest = true;
    const changed = change.session;
    if (changed === null) dispatch({ kind: "gone" });
    else
      void catchUp(changed)
        .catch(() => {}) // then the rows load their events
        .then(() => isNewest && dispatch({ kind: "found", session: changed }));
    return () => {
      isNewest = false;
    };
  }, [change, known]);
  const loadAgain = useEffectEvent(() => isShared && void query.refetch());
  useEffect(() => {
    if (connection === "live") loadAgain(); // the session may have changed before the feed began
  }, [connection]);

  const show = useCallback(
    (seqs: readonly number[]) => {
      shown.current = seqs;
      if (timeline === null || generation === null) return;
      if (forgetFar(timeline, seqs) !== timeline) dispatch({ kind: "seen", shown: seqs });
      for (const missing of missingEvents(timeline, seqs, READ_AROUND)) {
        void readPage(missing);
      }

      async function readPage(missing: MissingEvents): Promise<void> {
        if (generation === null || reading.current.has(missing.after_seq)) return;
        reading.current.add(missing.after_seq);
        try {
          const { events } = await queries.fetchQuery({
            queryKey: ["events", sessionId, generation, missing],
            queryFn: ({ signal }) => listEvents(sessionId, { ...missing }, signal),
            gcTime: 0,
            retry: (failures, error) => isPassing(error) && failures < MAX_RETRIES,
          });
          dispatch({ kind: "page", generation, events });
        } catch {
          // The rows stay placeholders, and are requested again when the connection is back.
        } finally {
          reading.current.delete(missing.after_seq);
        }
      }
    },
    [queries, sessionId, generation, timeline],
  );

  const showAgain = useEffectEvent(() => show(shown.current));
  useEffect(() => {
    if (connection === "live") showAgain();
  }, [connection]);

  return {
    followed,
    error: query.error,
    connection,
    show,
    learn: (changed) => dispatch({ kind: "found", session: changed }),
    retry: () => void query.refetch(),
  };
}
