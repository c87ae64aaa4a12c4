import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRoute, sessionLink, sessionsLink } from "../src/text/route";
import { defaultFilter, SORTS, STATES } from "../src/wire";

const filters = fc.record({
  text: fc.string(),
  state: fc.constantFrom(null, ...STATES),
  project: fc.string(),
  project_dir: fc.option(fc.string({ minLength: 1 })),
  agent: fc.option(fc.string({ minLength: 1 })),
  parent_session_id: fc.option(fc.string({ minLength: 1 })),
  archived: fc.constantFrom("true" as const, "false" as const, "all" as const),
  sort: fc.constantFrom(...SORTS),
  grouped: fc.boolean(),
});

test("filter can be restored from its address", () => {
  fc.assert(
    fc.property(filters, (filter) => {
      expect(parseRoute(sessionsLink(filter))).toEqual({ view: "sessions", filter });
    }),
  );
});

test("session and event can be restored from their address", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1 }), (sessionId, seq) => {
      expect(parseRoute(sessionLink(sessionId, seq))).toEqual({ view: "session", sessionId, seq });
      expect(parseRoute(sessionLink(sessionId))).toEqual({ view: "session", sessionId, seq: null });
    }),
  );
});

test.each([
  ["", { view: "overview" }],
  ["#/", { view: "overview" }],
  ["#code=abc-_", { view: "code", code: "abc-_", place: null }],
  ["#code=abc-_/sessions/a/seq/7", { view: "code", code: "abc-_", place: "#/sessions/a/seq/7" }],
  ["#/sessions", { view: "sessions", filter: defaultFilter }],
  ["#/sessions?agent_name=a", { view: "sessions", filter: { ...defaultFilter, agent: "a" } }],
  ["#/sessions?state=nonsense&sort=x", { view: "sessions", filter: defaultFilter }],
  ["#/sessions/a/seq/0", { view: "unknown" }],
  ["#/elsewhere", { view: "unknown" }],
  ["#/sessions/%E0%A4%A", { view: "session", sessionId: "%E0%A4%A", seq: null }],
])("%s", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});
