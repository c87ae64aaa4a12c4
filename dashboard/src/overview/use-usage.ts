import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { listUsage } from "../api/routes";
import { bucketStarts } from "../state/usage";
import type { UsageGroup, UsageRow } from "../wire";

interface UsageSpan {
  readonly rows: readonly UsageRow[];
  /** The group of the rows: until the rows of a new group are there, the previous one. */
  readonly group: UsageGroup;
  readonly starts: readonly number[];
  readonly error: Error | null;
  readonly isLoading: boolean;
}

const RENEW_MS = 60_000;

/** Return the usage of the last hours or days, reloaded every minute while it is visible. */
export function useUsage(bucket: "day" | "hour", count: number, group: UsageGroup): UsageSpan {
  const query = useQuery({
    queryKey: ["usage", bucket, count, group],
    async queryFn({ signal }) {
      const starts = bucketStarts(bucket, count, new Date());
      const rows = await listUsage(bucket, group, new Date(starts[0] ?? Date.now()), signal);
      return { starts, rows, group };
    },
    refetchInterval: RENEW_MS,
    placeholderData: keepPreviousData,
  });
  const starts = useMemo(
    () => query.data?.starts ?? bucketStarts(bucket, count, new Date()),
    [query.data, bucket, count],
  );
  const { rows = [], group: shown = group } = query.data ?? {};
  return { starts, rows, group: shown, error: query.error, isLoading: query.isPending };
}
