import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { searchEvents } from "../api/routes";
import { groupHits, type HitGroup, lagOf, progressOf } from "../state/lists/hits";
import type { FoundSession, SearchFilter } from "../wire";

export interface FoundEvents {
  readonly groups: readonly HitGroup[];
  /** Sessions whose names match. */
  readonly sessions: readonly FoundSession[];
  readonly progress: ReturnType<typeof progressOf>;
  /** Number of events that the index does not have yet. */
  readonly lag: number;
  readonly error: Error | null;
  readonly isLoading: boolean;
  /** Whether the hits are those of the previous filter, until the new ones are there. */
  readonly isOld: boolean;
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  /** Whether loading the next page failed. */
  readonly hasFailed: boolean;
  loadMore(): void;
  searchAgain(): void;
}

const FRESH_MS = 30_000;

/** Search page by page. A page without hits can have a next one, as a search is limited in time: it is loaded, too. */
export function useSearch(filter: SearchFilter): FoundEvents {
  const isEnabled = filter.query.trim() !== "";
  const query = useInfiniteQuery({
    queryKey: ["search", filter],
    queryFn: ({ pageParam, signal }) => searchEvents(filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_page,
    enabled: isEnabled,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });
  const pages = isEnabled ? query.data?.pages : undefined;
  const groups = useMemo(() => groupHits(pages ?? []), [pages]);
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage, isPlaceholderData } = query;

  const seeksFirst = isEnabled && groups.length === 0 && hasNextPage && !isPlaceholderData;
  useEffect(() => {
    if (seeksFirst && !isFetching && !isFetchNextPageError) void fetchNextPage();
  }, [seeksFirst, isFetching, isFetchNextPageError, fetchNextPage]);

  const first = pages?.[0];
  return {
    groups,
    sessions: first?.sessions ?? [],
    progress: pages ? progressOf(pages, filter.sort) : null,
    lag: first ? lagOf(first) : 0,
    error: isEnabled ? query.error : null,
    isLoading: isEnabled && (query.isPending || (seeksFirst && !isFetchNextPageError)),
    isOld: isEnabled && isPlaceholderData,
    hasMore: hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    hasFailed: isFetchNextPageError,
    loadMore() {
      if (hasNextPage && !isFetching) void fetchNextPage();
    },
    searchAgain: () => void query.refetch(),
  };
}
