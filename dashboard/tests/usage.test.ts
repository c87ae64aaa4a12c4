import { expect, test } from "vitest";
import { bucketStarts, byGroup, runsByEnd, totalsByGroup } from "../src/state/usage";
import type { UsageRow } from "../src/wire";

const NOW = new Date(2026, 0, 10, 15, 30);
const REST = { cache_creation_1h_tokens: 0, reasoning_tokens: 0, web_searches: 0, unpriced_tokens: 0 };
const HOURS = bucketStarts("hour", 3, NOW);

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

test("bucket starts cover the span, the current one last", () => {
  expect(HOURS.map((start) => new Date(start).getHours())).toEqual([13, 14, 15]);
  expect(bucketStarts("day", 3, NOW).map((start) => new Date(start).getDate())).toEqual([8, 9, 10]);
});

test("runs are counted by their end, without runs before the span", () => {
  const plot = runsByEnd(
    [row(12), row(13, { runs: 5, failed: 2, stopped: 1 }), row(15, { runs: 1, lost: 1 })],
    HOURS,
  );
  expect(Object.fromEntries(plot.series.map(({ name, values }) => [name, values]))).toEqual({
    "finished or running": [2, 0, 0],
    failed: [2, 0, 0],
    stopped: [1, 0, 0],
    lost: [0, 0, 1],
  });
});

test.each([
  ["agent", "agent", "no agent"],
  ["project", "project_dir", "no project"],
  ["model", "model", "unknown"],
] as const)("the most expensive of each %s are named, others are summed up", (group, field, unknown) => {
  const rows = Array.from({ length: 8 }, (_, place) =>
    row(14, { [field]: place ? `n${place}` : null }, place),
  );
  const usage = { rows, starts: HOURS, group };
  const totals = totalsByGroup(usage);
  expect(totals[0]).toEqual({
    name: "n7",
    runs: 1,
    requests: 1,
    failed: 0,
    tokens: 10,
    cost_microdollars: 7,
    unpriced_tokens: 0,
  });
  expect(totals.at(-1)?.name).toBe(unknown);
  const plot = byGroup(usage, totals, (each) => each.usage.cost_microdollars);
  expect(plot.series.map(({ name }) => name)).toEqual(["n7", "n6", "n5", "n4", "n3", "others"]);
  expect(plot.series.at(-1)?.values).toEqual([0, 3, 0]);
});
