import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { listSessions, MOST_PER_PAGE } from "../api/routes";
import { joinSessions, totalOf } from "../state/lists/sessions";
import type { Session, SessionFilter } from "../wire";
import { SESSION_LISTS, useSessionsFeed } from "./sessions-feed-provider";

export interface SessionList {
  readonly sessions: readonly Session[];
  /** Number of sessions that match, also of those that are not loaded. */
  readonly total: number;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** Whether the sessions are those of the previous filter, until the new ones are there. */
  readonly isOld: boolean;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** Whether loading the next page failed. */
  readonly hasFailed: boolean;
  loadMore(): void;
  /** Load all further pages, in larger ones, until `stopLoading` is called. */
  loadAll(): void;
  stopLoading(): void;
  retry(): void;
}

/** A list that is loaded page by page and updated by the feed, or by polling every `askAgainMs`. */
export function useSessions(filter: SessionFilter, askAgainMs?: number): SessionList {
  const { changes, cover } = useSessionsFeed();
  const [whole, setWhole] = useState<SessionFilter | null>(null);
  const isLoadingAll = whole === filter;
  const query = useInfiniteQuery({
    queryKey: [SESSION_LISTS, filter],
    queryFn: ({ pageParam, signal }) =>
      listSessions(filter, pageParam, signal, isLoadingAll && pageParam !== null ? MOST_PER_PAGE : undefined),
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

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query;
  useEffect(() => {
    if (isLoadingAll && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [isLoadingAll, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);

  const sessions = useMemo(
    () => (pages ? joinSessions(pages, changes, filter, Date.now()) : []),
    [pages, changes, filter],
  );
  return {
    sessions,
    total: pages ? totalOf(pages, sessions) : 0,
    error: query.error,
    isLoading: query.isPending,
    isOld: query.isPlaceholderData,
    hasMore: hasNextPage,
    hasFailed: isFetchNextPageError,
    isLoadingMore: isFetchingNextPage,
    loadMore() {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    loadAll: () => setWhole(filter),
    stopLoading: () => setWhole(null),
    retry: () => void query.refetch(),
  };
}
