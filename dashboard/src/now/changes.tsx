import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { getOutline } from "../api/routes";
import { useInView } from "../hooks/use-in-view";
import { changesAfter } from "../state/session/changed-files";
import { plural } from "../text/format";
import { LineCounts } from "../ui/line-counts";
import type { Session } from "../wire";

/** Number of events in one page of an outline. Runs that are longer have no counts here. */
const PAGE_EVENTS = 5000;

/** The files and lines that a session has changed since the person looked; asked for once the row is in view. */
export function Changes({ session }: { session: Session }) {
  const { session_id: id, generation, last_seq: last, seen_run: seen } = session;
  const element = useRef<HTMLSpanElement>(null);
  const isInView = useInView(element);
  // A fork begins with the edits of another session.
  const isOwn = session.forked_from === null || seen > 0;
  const { data } = useQuery({
    queryKey: ["changes", id, generation, last, seen],
    async queryFn({ signal }) {
      const after = Math.max(0, last - PAGE_EVENTS);
      return changesAfter(seen, await getOutline(id, after, signal), after);
    },
    enabled: isInView && isOwn && session.executor !== "command",
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <span ref={element}>
      {data && data.files > 0 && (
        <>
          {plural(data.files, "file")} <LineCounts lines={data.lines} />
        </>
      )}
    </span>
  );
}
