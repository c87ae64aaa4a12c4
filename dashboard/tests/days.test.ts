import { afterEach, expect, test } from "vitest";
import { defaultCost, periodOf } from "../src/text/address/cost-place";
import { momentOf } from "../src/text/address/moments";

const ZONE = process.env.TZ;

afterEach(() => {
  if (ZONE === undefined) delete process.env.TZ;
  else process.env.TZ = ZONE;
});

/** A day on which the clock changes: it and the days around it, with the moments at which they begin. */
const CHANGES = [
  ["Europe/Berlin", ["2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"], "2026-03-29"],
  ["Europe/Berlin", ["2026-10-24T22:00", "2026-10-25T23:00", "2026-10-26T23:00"], "2026-10-25"],
  ["America/Santiago", ["2026-09-06T04:00", "2026-09-07T03:00", "2026-09-08T03:00"], "2026-09-06"], // no midnight
  ["America/Havana", ["2026-11-01T04:00", "2026-11-02T05:00", "2026-11-03T05:00"], "2026-11-01"], // midnight twice
  ["America/St_Johns", ["2026-11-01T02:30", "2026-11-02T03:30", "2026-11-03T03:30"], "2026-11-01"],
  ["Asia/Kathmandu", ["2026-03-28T18:15", "2026-03-29T18:15", "2026-03-30T18:15"], "2026-03-29"],
] as const;

test.each(CHANGES)("days in %s begin at their own midnight", (zone, begins, day) => {
  process.env.TZ = zone;
  const starts = begins.map((begin) => Date.parse(`${begin}Z`));
  const [, tomorrow = 0, later = 0] = starts;
  expect([momentOf(day, 0), momentOf(day, 0, true)]).toEqual(starts.slice(0, 2));
  expect([momentOf("today", later), momentOf("yesterday", later)]).toEqual([later, tomorrow]);
  const now = new Date(later + 1);
  expect(periodOf({ ...defaultCost, span: "7d" }, now).starts.slice(-3)).toEqual(starts);
  const to = `${day.slice(0, -2)}${String(Number(day.slice(-2)) + 1).padStart(2, "0")}`;
  const period = periodOf({ ...defaultCost, span: "days", from: day, to }, now);
  expect([period.starts, period.until?.getTime()]).toEqual([starts.slice(0, 2), later]);
});
