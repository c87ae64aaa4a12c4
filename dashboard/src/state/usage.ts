/** Turns rows of usage into the table of the page Cost, and into series for its plot. */

import type { CostGroup } from "../text/address/cost-place";
import type { UsageAnswer, UsageRow } from "../wire";

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Plot {
  /** The start of each bucket, in milliseconds. */
  readonly starts: readonly number[];
  readonly series: readonly Series[];
}

export interface CostLine {
  readonly key: string;
  readonly name: string;
  /** The value of the group; null if it is unknown. */
  readonly value: string | null;
  /** Share of the cost from 0 to 1, or of the tokens if nothing has a cost. */
  readonly share: number;
  readonly row: UsageRow;
}

const MAX_SERIES = 5;

/** Return the lines of the table, the most expensive first; days in their order. Runs alone are of no model. */
export function linesOf({ rows, total }: UsageAnswer, by: CostGroup): readonly CostLine[] {
  const hasCost = (total?.usage.cost_microdollars ?? 0) > 0;
  const weight = (row: UsageRow) => (hasCost ? row.usage.cost_microdollars : totalTokens(row));
  const whole = total ? weight(total) : 0;
  return rows
    .filter((row) => by !== "model" || row.requests > 0 || totalTokens(row) !== 0)
    .map((row) => {
      const value = groupValue(row, by);
      return {
        key: value ?? "",
        name: nameOf(row, by),
        value,
        share: whole > 0 ? Math.min(Math.max(weight(row) / whole, 0), 1) : 0,
        row,
      };
    });
}

/** Return the cost per bucket and group: the most expensive groups by name, the others together. */
export function plotOf(
  { rows }: UsageAnswer,
  starts: readonly number[],
  by: CostGroup,
  lines: readonly CostLine[],
): Plot {
  if (by === "session" || by === "day")
    return { starts, series: [{ name: "cost", values: sums(rows, starts) }] };
  const names = lines.slice(0, MAX_SERIES).map(({ name }) => name);
  const series = names.map((name) => ({
    name,
    values: sums(
      rows.filter((row) => nameOf(row, by) === name),
      starts,
    ),
  }));
  if (lines.length > names.length) {
    const others = rows.filter((row) => !names.includes(nameOf(row, by)));
    series.push({ name: "others", values: sums(others, starts) });
  }
  return { starts, series };
}

export function totalTokens({ usage }: Pick<UsageRow, "usage">): number {
  return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_creation_tokens;
}

function groupValue(row: UsageRow, by: CostGroup): string | null {
  switch (by) {
    case "project":
      return row.project_dir ?? null;
    case "agent":
      return row.agent;
    case "model":
      return row.model ?? null;
    case "session":
      return row.session_id ?? null;
    case "day":
      return row.start;
  }
}

function nameOf(row: UsageRow, by: CostGroup): string {
  switch (by) {
    case "project":
      return row.project_dir ?? "no project";
    case "agent":
      return row.agent ?? "unknown agent";
    case "model":
      return row.model ?? "unknown model";
    case "session":
      return row.session_name ?? row.session_id ?? "";
    case "day":
      return new Date(row.start).toLocaleDateString("en-GB", {
        weekday: "short",
        day: "numeric",
        month: "short",
      });
  }
}

/** Sum up the cost by bucket. A row belongs to the last bucket that starts at or before it, as time zones may differ. */
function sums(rows: readonly UsageRow[], starts: readonly number[]): readonly number[] {
  const values = starts.map(() => 0);
  for (const row of rows) {
    const start = Date.parse(row.start);
    const place = starts.findLastIndex((begin) => begin <= start);
    if (place >= 0) values[place] = (values[place] ?? 0) + row.usage.cost_microdollars;
  }
  return values;
}
