import { expect, test } from "vitest";
import {
  ago,
  compactNumber,
  cost,
  duration,
  hasCost,
  money,
  shortDuration,
  shortPath,
} from "../src/text/format";

test("money has cents, and less than a cent is not rounded to nothing", () => {
  expect([0, 1, 12_300, 999_900, 1_234_567, 1_234_567_890, -20_000].map(money)).toEqual([
    "$0.00",
    "<$0.01",
    "$0.01",
    "$1.00",
    "$1.23",
    "$1,234.57",
    "-$0.02",
  ]);
});

test("unknown cost is not shown as zero", () => {
  const costs = [
    [0, 0, "$0.00", false],
    [1_500_000, 0, "$1.50", true],
    [0, 12, "unknown", true],
    [9_999, 12, "unknown", true],
    [1_500_000, 12, "≥ $1.50", true],
  ] as const;
  for (const [cost_microdollars, unpriced_tokens, text, isShown] of costs) {
    expect([
      cost({ cost_microdollars, unpriced_tokens }),
      hasCost({ cost_microdollars, unpriced_tokens }),
    ]).toEqual([text, isShown]);
  }
  expect(cost({ cost_microdollars: 0, unpriced_tokens: 12 }, true)).toBe("…");
  expect(cost({ cost_microdollars: 290_000, unpriced_tokens: 0 }, true)).toBe("$0.29");
});

test("shorter durations are more exact, and none is negative", () => {
  expect([-5, 0, 59.9, 65, 3_725, 90_000].map(duration)).toEqual([
    "0s",
    "0s",
    "59s",
    "1m 05s",
    "1h 02m",
    "1d 1h",
  ]);
  expect([0.0123, 1.25, 42].map(shortDuration)).toEqual(["12 ms", "1.3s", "42s"]);
});

test("moments are relative to now", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  const moments = [
    "2026-01-02T00:00:03Z",
    "2026-01-01T23:59:20Z",
    "2026-01-01T23:00:00Z",
    "2025-12-31T00:00:00Z",
  ];
  expect(moments.map((moment) => ago(moment, now))).toEqual(["now", "40s ago", "1h ago", "2d ago"]);
});

test("short paths keep their distinguishing end", () => {
  expect(shortPath("/home/me/src/shop")).toBe("…/src/shop");
  expect(shortPath("/srv")).toBe("/srv");
});

test("counts from a thousand on are shortened", () => {
  expect([999, 1000, 12_345, 3_200_000].map(compactNumber)).toEqual(["999", "1K", "12.3K", "3.2M"]);
});
