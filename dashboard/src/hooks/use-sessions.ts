import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { listSessions } from "../api/routes";
import { joinSessions } from "../state/session-list";
import type { Session, SessionFilter } from "../wire";
import { SESSION_LISTS, useSessionsFeed } from "./sessions-feed";

export interface SessionList {
  readonly sessions: readonly Session[];
  readonly error: Error | null;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** The next page could not be read. */
  readonly hasFailed: boolean;
  loadMore(): void;
  retry(): void;
}

/** A list that is read page by page and kept true by the feed; where the feed rests, by asking again. */
export function useSessions(filter: SessionFilter, askAgainMs?: number): SessionList {
  const { changes, cover } = useSessionsFeed();
  const query = useInfiniteQuery({
    queryKey: [SESSION_LISTS, filter],
    queryFn: ({ pageParam, signal }) => listSessions(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_page,
    refetchInterval: askAgainMs ?? false,
    staleTime: Number.POSITIVE_INFINITY,
    // The old pages under the new filter are a first answer while the true one is on its way.
    placeholderData: keepPreviousData,
  });
  const pages = query.data?.pages;

  useEffect(() => {
    for (const page of pages ?? []) cover(page.cursor);
  }, [pages, cover]);

  const sessions = useMemo(
    () => (pages ? joinSessions(pages, changes, filter) : []),
    [pages, changes, filter],
  );
  return {
    sessions,
    error: query.error,
    isLoading: query.isPending,
    hasMore: query.hasNextPage,
    hasFailed: query.isFetchNextPageError,
    isLoadingMore: query.isFetchingNextPage,
    loadMore() {
      if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
    },
    retry: () => void query.refetch(),
  };
}
