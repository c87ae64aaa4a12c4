import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { listUsage } from "../api/routes";
import { type CostGroup, type CostPlace, type Period, periodOf } from "../text/address/cost-place";
import type { UsageAnswer, UsageGroup } from "../wire";

interface CostUsage {
  readonly period: Period;
  /** The place of the data: until those of a new place are there, the previous one. */
  readonly place: CostPlace;
  /** The rows of the table, most expensive first. */
  readonly table: UsageAnswer;
  /** The same usage by bucket, for the plot. */
  readonly plot: UsageAnswer;
}

const RENEW_MS = 60_000;
const EMPTY: UsageAnswer = { rows: [], left_out: 0, total: null };

/** Return the usage of a period, reloaded every minute while it is visible. */
export function useCost(place: CostPlace): { data: CostUsage; error: Error | null; isLoading: boolean } {
  const query = useQuery({
    queryKey: ["usage", place],
    async queryFn({ signal }): Promise<CostUsage> {
      const period = periodOf(place, new Date());
      const load = (bucket: "day" | "hour" | "all", group: UsageGroup) =>
        listUsage({ bucket, group, ...spanOf(period) }, signal);
      const [table, plot] = await Promise.all([
        place.by === "day" ? load("day", "none") : load("all", place.by),
        load(period.bucket, plotGroup(place.by)),
      ]);
      return { period, place, table, plot };
    },
    refetchInterval: RENEW_MS,
    placeholderData: keepPreviousData,
  });
  const data = query.data ?? { period: periodOf(place, new Date()), place, table: EMPTY, plot: EMPTY };
  return { data, error: query.error, isLoading: query.isPending };
}

/** Return the usage of today by project. */
export function useToday(): UsageAnswer | null {
  const query = useQuery({
    queryKey: ["usage", "today"],
    queryFn({ signal }) {
      const period = periodOf({ span: "today", from: "", to: "", by: "project" }, new Date());
      return listUsage({ bucket: "all", group: "project", ...spanOf(period) }, signal);
    },
    refetchInterval: RENEW_MS,
  });
  return query.data ?? null;
}

function spanOf({ starts, until }: Period): { since: Date; until: Date | null } {
  return { since: new Date(starts[0] ?? Date.now()), until };
}

/** A plot of many sessions, or of days by day, has one series. */
function plotGroup(by: CostGroup): UsageGroup {
  return by === "session" || by === "day" ? "none" : by;
}
