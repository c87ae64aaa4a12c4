import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { listEvents } from "../api/routes";
import type { EventOf, Session } from "../wire";

const EVERY_MS = 3000;

/** Return the newest tool call of a session, asked for again at most every three seconds while events arrive. */
export function useNewestCall(session: Session): EventOf<"pre_tool"> | null {
  const { session_id: sessionId, generation, last_seq: lastSeq } = session;
  const key = ["newest-call", sessionId, generation];
  const query = useQuery({
    queryKey: key,
    async queryFn({ signal }) {
      const before = { event_type: "pre_tool", before_seq: lastSeq + 1, limit: 1 };
      const [event] = (await listEvents(sessionId, before, signal)).events;
      return { asOf: lastSeq, call: event?.kind === "pre_tool" ? event : null };
    },
    staleTime: EVERY_MS,
    refetchInterval: (found) => (found.state.data && found.state.data.asOf < lastSeq ? EVERY_MS : false),
    placeholderData: keepPreviousData,
  });
  return query.data?.call ?? null;
}
