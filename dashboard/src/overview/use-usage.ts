import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { listUsage } from "../api/routes";
import { bucketStarts } from "../state/usage";
import type { UsageRow } from "../wire";

interface UsageSpan {
  readonly rows: readonly UsageRow[];
  readonly starts: readonly number[];
  readonly error: Error | null;
  readonly isLoading: boolean;
}

const RENEW_MS = 60_000;

/** Return the usage of the last hours or days, reloaded every minute while it is visible. */
export function useUsage(bucket: "day" | "hour", count: number): UsageSpan {
  const query = useQuery({
    queryKey: ["usage", bucket, count],
    async queryFn({ signal }) {
      const starts = bucketStarts(bucket, count, new Date());
      return { starts, rows: await listUsage(bucket, new Date(starts[0] ?? Date.now()), signal) };
    },
    refetchInterval: RENEW_MS,
    placeholderData: keepPreviousData,
  });
  const starts = useMemo(
    () => query.data?.starts ?? bucketStarts(bucket, count, new Date()),
    [query.data, bucket, count],
  );
  return { starts, rows: query.data?.rows ?? [], error: query.error, isLoading: query.isPending };
}
