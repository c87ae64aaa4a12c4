/** Points in time as a person writes them in a filter: `7d`, `12h`, `today`, `2026-11-20`. */

import { dayStart, startOfDay } from "./days";

const SPAN = /^(\d{1,5})(m|h|d|w)$/;
const SECONDS = { m: 60, h: 3600, d: 86_400, w: 7 * 86_400 } as const;
const DAYS_AGO: Readonly<Record<string, number>> = { today: 0, yesterday: -1 };

/** Return the moment in milliseconds, null if the text is not a moment; of a day its start, or as a bound `until` its end. */
export function momentOf(text: string, now: number, isUntil = false): number | null {
  const span = SPAN.exec(text);
  if (span) return now - Number(span[1]) * SECONDS[span[2] as keyof typeof SECONDS] * 1000;
  const daysAgo = DAYS_AGO[text];
  const later = isUntil ? 1 : 0;
  const start = daysAgo === undefined ? dayStart(text, later) : startOfDay(new Date(now), daysAgo + later);
  return start?.getTime() ?? null;
}
