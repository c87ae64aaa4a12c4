import { expect, test } from "vitest";
import { linesOf, plotOf } from "../src/state/usage";
import { type CostPlace, defaultCost, periodOf, periodTokens } from "../src/text/address/cost-place";
import type { UsageAnswer, UsageRow } from "../src/wire";

const NOW = new Date(2026, 0, 10, 15, 30);
const REST = { cache_creation_1h_tokens: 0, reasoning_tokens: 0, web_searches: 0, unpriced_tokens: 0 };

function row(hour: number, fields: Partial<UsageRow> = {}, cost = 0): UsageRow {
  const usage = { input_tokens: 1, output_tokens: 2, cache_read_tokens: 3, cache_creation_tokens: 4 };
  return {
    start: new Date(2026, 0, 10, hour).toISOString(),
    agent: null,
    agent_name: null,
    runs: 1,
    requests: 1,
    failed: 0,
    stopped: 0,
    lost: 0,
    usage: { ...usage, ...REST, cost_microdollars: cost, cost_nanodollars: cost * 1000 },
    ...fields,
  };
}

function answer(rows: readonly UsageRow[], cost: number): UsageAnswer {
  return { rows: [...rows], left_out: 0, total: row(0, {}, cost) };
}

const place = (fields: Partial<CostPlace>): CostPlace => ({ ...defaultCost, ...fields });

test("a period has the hours of today, or its days", () => {
  const today = periodOf(place({ span: "today" }), NOW);
  expect([today.bucket, today.until]).toEqual(["hour", null]);
  expect(today.starts.map((start) => new Date(start).getHours())).toEqual([...Array(16).keys()]);
  const week = periodOf(place({ span: "7d" }), NOW);
  expect(week.starts.map((start) => new Date(start).getDate())).toEqual([4, 5, 6, 7, 8, 9, 10]);
  expect(periodOf(place({ span: "30d" }), NOW).starts).toHaveLength(30);
  const days = periodOf(place({ span: "days", from: "2025-12-31", to: "2026-01-02" }), NOW);
  expect(days.starts.map((start) => new Date(start).getDate())).toEqual([31, 1, 2]);
  expect(days.until).toEqual(new Date(2026, 0, 3));
});

test("a period has the words of the search box", () => {
  expect(periodTokens(place({ span: "today" }))).toEqual({ since: "today" });
  expect(periodTokens(place({ span: "30d" }))).toEqual({ since: "30d" });
  const days = { since: "2026-01-01", until: "2026-01-02" };
  expect(periodTokens(place({ span: "days", from: days.since, to: days.until }))).toEqual(days);
});

test.each([
  ["agent", "agent", "unknown agent"],
  ["project", "project_dir", "no project"],
  ["model", "model", "unknown model"],
] as const)("the most expensive of each %s have a series, others one together", (by, field, unknown) => {
  const rows = Array.from({ length: 8 }, (_, left) => {
    const cost = 7 - left;
    return row(14, { [field]: cost > 0 ? `n${cost}` : null }, cost);
  });
  const lines = linesOf(answer(rows, 28), by);
  expect(lines.map(({ name }) => name)).toEqual(["n7", "n6", "n5", "n4", "n3", "n2", "n1", unknown]);
  expect([lines[0]?.share, lines[0]?.value, lines.at(-1)?.value]).toEqual([0.25, "n7", null]);
  const starts = [13, 14, 15].map((hour) => new Date(2026, 0, 10, hour).getTime());
  const plot = plotOf(answer([...rows, row(12)], 28), starts, by, lines);
  expect(plot.series.map(({ name }) => name)).toEqual(["n7", "n6", "n5", "n4", "n3", "others"]);
  expect(plot.series.at(-1)?.values).toEqual([0, 3, 0]);
});

test("runs without usage of their own are no line of a model", () => {
  const usage = { ...row(0).usage, input_tokens: 0, output_tokens: 0, cache_read_tokens: 0 };
  const idle = row(0, { requests: 0, usage: { ...usage, cache_creation_tokens: 0 } });
  expect(linesOf(answer([idle], 0), "model")).toEqual([]);
  expect(linesOf(answer([idle], 0), "project")).toHaveLength(1);
});

test("sessions and days have one series, and shares of tokens without any cost", () => {
  const rows = [row(13, { session_id: "a", session_name: "fix" }), row(13, { session_id: "b" })];
  const lines = linesOf({ ...answer(rows, 0), total: row(0, {}, 0) }, "session");
  expect(lines.map(({ name, share }) => [name, share])).toEqual([
    ["fix", 1],
    ["b", 1],
  ]);
  const start = new Date(2026, 0, 10).getTime();
  const plot = plotOf(answer([row(13, {}, 5), row(14, {}, 7)], 12), [start], "day", lines);
  expect(plot.series).toEqual([{ name: "cost", values: [12] }]);
  expect(linesOf(answer([row(0)], 0), "day")[0]?.name).toBe("Sat 10 Jan");
});
