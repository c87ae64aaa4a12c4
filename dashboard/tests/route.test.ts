import fc from "fast-check";
import { expect, test } from "vitest";
import { COST_GROUPS, COST_SPANS, defaultCost } from "../src/text/address/cost-place";
import {
  aloneLink,
  besideLink,
  costLink,
  defaultList,
  parseRoute,
  partLink,
  SESSION_PARTS,
  searchLink,
  sessionLink,
  sessionsLink,
} from "../src/text/address/route";
import { defaultSearch, SEARCH_KINDS, SORTS, STATES } from "../src/wire";

const lists = fc.record({
  query: fc.string().map((text) => text.trim()),
  sort: fc.constantFrom(...SORTS),
  order: fc.constantFrom("asc" as const, "desc" as const),
  isTree: fc.boolean(),
});

test("list can be restored from its address", () => {
  fc.assert(
    fc.property(lists, (list) => {
      expect(parseRoute(sessionsLink(list))).toEqual({ view: "sessions", list });
    }),
  );
});

test("address of a list reads as its filter", () => {
  expect(sessionsLink({ query: "state:failed project:/work/shop", sort: "name" })).toBe(
    "#/sessions?q=state:failed+project:/work/shop&sort=name",
  );
});

const ARCHIVED = ["true", "false", "all"] as const;
const days = fc.constantFrom("", "2026-02-28", "2024-02-29", "1999-12-31");
const searches = fc.record({
  query: fc.string(),
  kind: fc.constantFrom(null, "all" as const, ...SEARCH_KINDS),
  tool_name: fc.string(),
  has_error: fc.boolean(),
  project: fc.string(),
  project_dir: fc.option(fc.string({ minLength: 1 })),
  agent: fc.option(fc.string({ minLength: 1 })),
  executor: fc.string(),
  state: fc.constantFrom(null, ...STATES),
  archived: fc.constantFrom(...ARCHIVED),
  session_id: fc.option(fc.string({ minLength: 1 })),
  from: days,
  to: days,
  sort: fc.constantFrom("newest" as const, "best" as const),
  by_session: fc.boolean(),
});

test("search can be restored from its address", () => {
  fc.assert(
    fc.property(searches, (filter) => {
      expect(parseRoute(searchLink(filter))).toEqual({ view: "search", filter });
    }),
  );
});

const periods = fc.oneof(
  fc.record({ span: fc.constantFrom(...COST_SPANS), from: fc.constant(""), to: fc.constant("") }),
  fc.constant({ span: "days" as const, from: "2024-02-29", to: "2026-02-28" }),
);

test("period and rows of the cost can be restored from their address", () => {
  fc.assert(
    fc.property(periods, fc.constantFrom(...COST_GROUPS), (period, by) => {
      const place = { ...period, by };
      expect(parseRoute(costLink(place))).toEqual({ view: "cost", place });
    }),
  );
});

test("session and event can be restored from their address", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1 }), (sessionId, seq) => {
      const at = { view: "session", sessionId, query: null, part: "conversation", alone: null };
      expect(parseRoute(sessionLink(sessionId, seq))).toEqual({ ...at, seq });
      expect(parseRoute(aloneLink(sessionId, 41))).toEqual({ ...at, alone: 41, seq: null });
      expect(parseRoute(aloneLink(sessionId, 41, seq, sessionId))).toEqual({
        ...at,
        alone: 41,
        seq,
        query: sessionId,
      });
      expect(parseRoute(sessionLink(sessionId, seq, sessionId))).toEqual({
        ...{ ...at, seq },
        query: sessionId,
      });
      for (const part of SESSION_PARTS) {
        expect(parseRoute(partLink(sessionId, part))).toEqual({ ...at, seq: null, part });
      }
    }),
  );
});

test.each([
  ["", { view: "now", isAnswering: false }],
  ["#/", { view: "now", isAnswering: false }],
  ["#/questions", { view: "now", isAnswering: true }],
  ["#/cost?span=days&by=x", { view: "cost", place: defaultCost }],
  ["#/cost?from=2026-01-02&to=2026-01-01", { view: "cost", place: defaultCost }],
  ["#code=abc-_", { view: "code", code: "abc-_", place: null }],
  ["#code=abc-_/", { view: "code", code: "abc-_", place: "#/" }],
  ["#code=abc-_/sessions/a/seq/7", { view: "code", code: "abc-_", place: "#/sessions/a/seq/7" }],
  ["#/sessions", { view: "sessions", list: defaultList }],
  ["#/sessions?sort=x&order=y", { view: "sessions", list: defaultList }],
  ["#/sessions?sort=name", { view: "sessions", list: { ...defaultList, sort: "name", order: "asc" } }],
  [
    "#/sessions?state=failed&project_dir=/my+shop&agent_name=a&archived=all&text=a:b&grouped=true",
    {
      view: "sessions",
      list: {
        ...defaultList,
        query: 'state:failed project:"/my shop" agent:a archived:all "a:b"',
        isTree: true,
      },
    },
  ],
  ["#/search", { view: "search", filter: defaultSearch }],
  ["#/search?kind=x&from=2026-02-30&to=soon&sort=x", { view: "search", filter: defaultSearch }],
  ["#/search/more", { view: "unknown" }],
  ["#/sessions/a/seq/0", { view: "unknown" }],
  ["#/elsewhere", { view: "unknown" }],
  [
    "#/sessions/%E0%A4%A",
    { view: "session", sessionId: "%E0%A4%A", seq: null, query: null, part: "conversation", alone: null },
  ],
])("%s", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});

const places = fc.oneof(
  fc.constant({ seq: null, query: null }),
  fc.record({ seq: fc.integer({ min: 1, max: 10 ** 12 }), query: fc.option(fc.string({ minLength: 1 })) }),
);
const ids = fc.string({ minLength: 1 });

test("pair of sessions can be restored from its address", () => {
  const pairs = fc.record({
    ids: fc.tuple(ids, ids),
    at: fc.tuple(places, places),
    isCompared: fc.boolean(),
  });
  fc.assert(
    fc.property(pairs, (pair) => {
      expect(parseRoute(besideLink(pair))).toEqual({ view: "beside", pair });
    }),
  );
  expect(besideLink({ ids: ["a", "b"] })).toBe("#/beside/a/b");
  for (const wrong of ["#/beside/a", "#/beside/a/b/c", "#/beside/a/b/compare/d", "#/beside"])
    expect(parseRoute(wrong)).toEqual({ view: "unknown" });
});
