import { useQuery } from "@tanstack/react-query";
import { listEvents } from "../../api/routes";
import { countCopied } from "../../state/session/copied";
import type { Session } from "../../wire";

/** Return the number of events at the start of a session that were copied from another; null while it is unknown. */
export function useCopied({ session_id, generation, forked_from, last_seq }: Session): number | null {
  const isFork = forked_from !== null;
  const query = useQuery({
    queryKey: ["copied", session_id, generation],
    queryFn: ({ signal }) =>
      countCopied(last_seq, async (seq) => {
        const page = await listEvents(session_id, { after_seq: seq - 1, limit: 1 }, signal);
        return page.events[0]?.inherited === true;
      }),
    enabled: isFork && last_seq > 0,
    staleTime: Number.POSITIVE_INFINITY, // a fork copies nothing later
  });
  if (!isFork || query.isError) return 0;
  return query.data ?? null;
}
