/** Formats figures, times and paths. The functions are pure; "now" is a parameter. */

import type { Usage } from "../wire";

const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 1, notation: "compact" });
const WHOLE = new Intl.NumberFormat("en");
const CENT = 10_000;
const CENTS = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
// Created once: every row has a time, and creating a format takes longer than rendering the row.
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

export function wholeNumber(count: number): string {
  return WHOLE.format(count);
}

export function compactNumber(count: number): string {
  return count < 1000 ? String(count) : COUNT.format(count);
}

/** Format millionths of a dollar as dollars and cents; less than a cent is not rounded to nothing. */
export function money(microdollars: number): string {
  if (microdollars > 0 && microdollars < CENT) return "<$0.01";
  return `${microdollars < 0 ? "-" : ""}$${CENTS.format(Math.abs(microdollars) / 1_000_000)}`;
}

/** Format a cost; if some tokens have no price, the known cost is a lower bound, or is still being counted. */
export function cost(
  usage: Pick<Usage, "cost_microdollars" | "unpriced_tokens">,
  isCounting: boolean = false,
): string {
  const { cost_microdollars, unpriced_tokens } = usage;
  if (isCounting && cost_microdollars <= 0) return "…";
  if (unpriced_tokens === 0) return money(cost_microdollars);
  return cost_microdollars >= CENT ? `≥ ${money(cost_microdollars)}` : "unknown";
}

/** Return whether there is a cost to show. */
export function hasCost(usage: Pick<Usage, "cost_microdollars" | "unpriced_tokens">): boolean {
  return usage.cost_microdollars > 0 || usage.unpriced_tokens > 0;
}

/** Format money for the scale of a plot, with only as many decimals as its marks need. */
export function roundMoney(microdollars: number): string {
  return `$${(microdollars / 1_000_000).toLocaleString("en", { maximumFractionDigits: 3 })}`;
}

/** Format a size, for example "900 bytes", "12 KB" or "1.5 MB". */
export function byteSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Format a duration, for example "8s", "3m 05s", "2h 10m" or "4d 3h". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

/** Format the duration of a tool call, with fractions of a second. */
export function shortDuration(seconds: number): string {
  if (seconds < 0.95) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  return seconds < 10 ? `${seconds.toFixed(1)}s` : duration(seconds);
}

export function ago(moment: string, now: number): string {
  const seconds = (now - Date.parse(moment)) / 1000;
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)}d ago`;
  return DAY.format(Date.parse(moment));
}

export function clockTime(moment: string): string {
  return CLOCK.format(Date.parse(moment));
}

export function fullTime(moment: string): string {
  return FULL.format(Date.parse(moment));
}

/** Return the end of a path, which distinguishes directories; show the whole path in a title. */
export function shortPath(path: string): string {
  const parts = path.split("/").filter(Boolean);
  return parts.length <= 2 ? path : `…/${parts.slice(-2).join("/")}`;
}

export function plural(count: number, word: string): string {
  return `${wholeNumber(count)} ${word}${count === 1 ? "" : "s"}`;
}
