/** Turns usage rows into series for plots and tables, with every bucket of the span, also empty ones. */

import type { UsageGroup, UsageRow } from "../wire";

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Plot {
  /** The start of each bucket, in milliseconds. */
  readonly starts: readonly number[];
  readonly series: readonly Series[];
}

/** The rows of a period, each of a bucket and a group. */
export interface GroupedUsage {
  readonly rows: readonly UsageRow[];
  readonly starts: readonly number[];
  readonly group: UsageGroup;
}

const HOUR_MS = 3_600_000;
const MAX_GROUPS = 5;

/** Return the starts of the last `count` hours or local days, the current one last. */
export function bucketStarts(bucket: "day" | "hour", count: number, now: Date): readonly number[] {
  const last = new Date(now);
  last.setMinutes(0, 0, 0);
  if (bucket === "day") last.setHours(0);
  return Array.from({ length: count }, (_, place) => {
    const back = count - 1 - place;
    if (bucket === "hour") return last.getTime() - back * HOUR_MS;
    const day = new Date(last);
    day.setDate(day.getDate() - back);
    return day.getTime();
  });
}

/** Count runs by their end, per bucket; running ones count with the successful ones. */
export function runsByEnd(rows: readonly UsageRow[], starts: readonly number[]): Plot {
  const sum = (value: (row: UsageRow) => number) => sumByBucket(rows, starts, value);
  return {
    starts,
    series: [
      { name: "finished or running", values: sum((row) => row.runs - row.failed - row.stopped - row.lost) },
      { name: "failed", values: sum((row) => row.failed) },
      { name: "stopped", values: sum((row) => row.stopped) },
      { name: "lost", values: sum((row) => row.lost) },
    ],
  };
}

/** Sum a value per bucket and group: the first groups by name, the others together. */
export function byGroup(
  { rows, starts, group }: GroupedUsage,
  totals: readonly GroupTotal[],
  value: (row: UsageRow) => number,
): Plot {
  const named = totals.slice(0, MAX_GROUPS).map(({ name }) => name);
  const series = named.map((name) => ({
    name,
    values: sumByBucket(
      rows.filter((row) => nameOf(row, group) === name),
      starts,
      value,
    ),
  }));
  if (totals.length > named.length) {
    const others = rows.filter((row) => !named.includes(nameOf(row, group)));
    series.push({ name: "others", values: sumByBucket(others, starts, value) });
  }
  return { starts, series };
}

export function totalTokens(row: UsageRow): number {
  const { input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens } = row.usage;
  return input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens;
}

export interface GroupTotal {
  readonly name: string;
  readonly runs: number;
  readonly requests: number;
  readonly failed: number;
  readonly tokens: number;
  readonly cost_microdollars: number;
  readonly unpriced_tokens: number;
}

/** Sum up each group, the most expensive first. */
export function totalsByGroup({ rows, group }: Pick<GroupedUsage, "rows" | "group">): readonly GroupTotal[] {
  const totals = new Map<string, GroupTotal>();
  for (const row of rows) {
    const name = nameOf(row, group);
    const before = totals.get(name) ?? {
      name,
      runs: 0,
      requests: 0,
      failed: 0,
      tokens: 0,
      cost_microdollars: 0,
      unpriced_tokens: 0,
    };
    totals.set(name, {
      name,
      runs: before.runs + row.runs,
      requests: before.requests + row.requests,
      failed: before.failed + row.failed,
      tokens: before.tokens + totalTokens(row),
      cost_microdollars: before.cost_microdollars + row.usage.cost_microdollars,
      unpriced_tokens: before.unpriced_tokens + row.usage.unpriced_tokens,
    });
  }
  return [...totals.values()].sort(
    (a, b) => b.cost_microdollars - a.cost_microdollars || b.tokens - a.tokens || b.runs - a.runs,
  );
}

function nameOf(row: UsageRow, group: UsageGroup): string {
  switch (group) {
    case "project":
      return row.project_dir ?? "no project";
    case "model":
      return row.model ?? "unknown";
    case "agent":
      return row.agent ?? "no agent";
  }
}

/** Sum a value by bucket. A row belongs to the last bucket that starts at or before it, as time zones may differ. */
function sumByBucket(
  rows: readonly UsageRow[],
  starts: readonly number[],
  value: (row: UsageRow) => number,
): readonly number[] {
  const sums = starts.map(() => 0);
  for (const row of rows) {
    const start = Date.parse(row.start);
    const place = starts.findLastIndex((begin) => begin <= start);
    if (place >= 0) sums[place] = (sums[place] ?? 0) + value(row);
  }
  return sums;
}
