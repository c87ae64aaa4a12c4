import { useQueries } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { listSessions } from "../../api/routes";
import { SESSION_LISTS, useSessionsFeed } from "../../feed/sessions-feed-provider";
import { joinSessions } from "../../state/lists/sessions";
import { defaultFilter, type Session, type SessionFilter } from "../../wire";

/** Return the child sessions of each parent, at most the newest hundred. */
export function useChildren(parentIds: readonly string[]): ReadonlyMap<string, readonly Session[]> {
  const { changes, cover } = useSessionsFeed();
  const pages = useQueries({
    queries: parentIds.map((parentId) => ({
      queryKey: [SESSION_LISTS, "children", parentId],
      queryFn: ({ signal }: { signal: AbortSignal }) => listSessions(childrenOf(parentId), null, signal),
      staleTime: Number.POSITIVE_INFINITY,
    })),
    combine: (results) => results.map((result) => result.data),
  });

  useEffect(() => {
    for (const page of pages) if (page) cover(page.cursor);
  }, [pages, cover]);

  return useMemo(() => {
    const children = new Map<string, readonly Session[]>();
    parentIds.forEach((parentId, place) => {
      const page = pages[place];
      if (page) children.set(parentId, joinSessions([page], changes, childrenOf(parentId), Date.now()));
    });
    return children;
  }, [parentIds, pages, changes]);
}

function childrenOf(parentId: string): SessionFilter {
  return { ...defaultFilter, archived: "all", parent_session_id: parentId };
}
