import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { listSessions } from "../api/routes";
import { joinSessions } from "../state/session-list";
import type { Session, SessionFilter } from "../wire";
import { SESSION_LISTS, useSessionsFeed } from "./sessions-feed-provider";

export interface SessionList {
  readonly sessions: readonly Session[];
  readonly error: Error | null;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** Whether loading the next page failed. */
  readonly hasFailed: boolean;
  loadMore(): void;
  retry(): void;
}

/** A list that is loaded page by page and updated by the feed, or by polling every `askAgainMs`. */
export function useSessions(filter: SessionFilter, askAgainMs?: number): SessionList {
  const { changes, cover } = useSessionsFeed();
  const query = useInfiniteQuery({
    queryKey: [SESSION_LISTS, filter],
    queryFn: ({ pageParam, signal }) => listSessions(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_page,
    refetchInterval: askAgainMs ?? false,
    staleTime: Number.POSITIVE_INFINITY,
    // While the new pages load, show the old ones under the new filter.
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
