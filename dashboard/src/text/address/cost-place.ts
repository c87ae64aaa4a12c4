/** What the page Cost shows, as its address has it: a period, and the rows of the table. */

import { dayStart, startOfDay } from "./days";

export const COST_SPANS = ["today", "7d", "30d"] as const;
export const COST_GROUPS = ["project", "agent", "model", "session", "day"] as const;

export type CostGroup = (typeof COST_GROUPS)[number];

export interface CostPlace {
  /** `days` is the period from the local day `from` to the day `to`, both as YYYY-MM-DD. */
  readonly span: (typeof COST_SPANS)[number] | "days";
  readonly from: string;
  readonly to: string;
  readonly by: CostGroup;
}

export const defaultCost: CostPlace = { span: "7d", from: "", to: "", by: "project" };

export interface Period {
  readonly bucket: "day" | "hour";
  /** The start of each bucket, in milliseconds. */
  readonly starts: readonly number[];
  /** The end of the period; null for now. */
  readonly until: Date | null;
}

const HOUR_MS = 3_600_000;
const MAX_DAYS = 400;

/** Return the hours of today, or the days of another period. */
export function periodOf({ span, from, to }: CostPlace, now: Date): Period {
  const today = startOfDay(now);
  if (span === "today") {
    const hours = Math.floor((now.getTime() - today.getTime()) / HOUR_MS) + 1;
    const starts = Array.from({ length: hours }, (_, hour) => today.getTime() + hour * HOUR_MS);
    return { bucket: "hour", starts, until: null };
  }
  if (span === "days") {
    const until = dayStart(to, 1) ?? now;
    return { bucket: "day", starts: daysBetween(dayStart(from) ?? today, until), until };
  }
  return { bucket: "day", starts: daysBetween(startOfDay(now, span === "7d" ? -6 : -29), now), until: null };
}

function daysBetween(since: Date, until: Date): readonly number[] {
  const starts: number[] = [];
  for (let day = since; day < until && starts.length < MAX_DAYS; day = startOfDay(day, 1))
    starts.push(day.getTime());
  return starts;
}

/** Return the period as the tokens of the search box name it. */
export function periodTokens({ span, from, to }: CostPlace): { since: string; until?: string } {
  switch (span) {
    case "days":
      return { since: from, until: to };
    case "today":
      return { since: "today" };
    default:
      return { since: span };
  }
}
