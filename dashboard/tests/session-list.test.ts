import fc from "fast-check";
import { expect, test } from "vitest";
import type { ListChange } from "../src/api/session-frames";
import { applyChanges, noChanges } from "../src/state/lists/changes";
import { joinSessions, matcher, settle, totalOf } from "../src/state/lists/sessions";
import { defaultFilter, type Session, type SessionFilter, type SessionPage, SORTS } from "../src/wire";
import { aSession } from "./support";

const NOW = Date.parse("2026-01-08T10:00:00Z");

/** A change of a session, in a model of the manager; null as name means deletion. */
type Happening = { readonly id: string; readonly name: string | null };

const histories = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    name: fc.option(fc.constantFrom("one", "two", "three"), { freq: 4 }),
  }),
  { maxLength: 40 },
);

function stateAfter(history: readonly Happening[]): Map<string, Session> {
  const sessions = new Map<string, Session>();
  history.forEach(({ id, name }, place) => {
    if (name === null) sessions.delete(id);
    else {
      const created_at = sessions.get(id)?.created_at ?? stamp(place);
      sessions.set(
        id,
        aSession({ session_id: id, session_name: name, created_at, last_activity_at: stamp(place) }),
      );
    }
  });
  return sessions;
}

function stamp(place: number): string {
  return `2026-01-01T10:00:${String(place).padStart(2, "0")}Z`;
}

function toChanges(history: readonly Happening[]): ListChange[] {
  return history.map(({ id, name }, place): ListChange => {
    const position = place + 1;
    const session = name === null ? undefined : stateAfter(history.slice(0, position)).get(id);
    return session ? { kind: "changed", position, session } : { kind: "deleted", position, sessionId: id };
  });
}

/** Return a page with all sessions after `readAt` changes, with a cursor that may be older. */
function pageAt(history: readonly Happening[], cursorAt: number, readAt: number): SessionPage {
  return {
    sessions: [...stateAfter(history.slice(0, readAt)).values()],
    next_page: null,
    cursor: `aa:${Math.min(cursorAt, readAt)}`,
  };
}

test("order and repeats of pages and frames do not change the list", () => {
  fc.assert(
    fc.property(
      histories,
      fc.nat(40),
      fc.nat(40),
      fc.infiniteStream(fc.nat()),
      (history, cursorAt, readAt, order) => {
        const page = pageAt(history, cursorAt, Math.min(readAt, history.length));
        const since = toChanges(history).filter(({ position }) => position > Number(page.cursor.slice(3)));
        const shuffled = [...since, ...since]
          .map((change) => ({ change, at: order.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ change }) => change);
        const changes = shuffled.reduce((known, change) => applyChanges(known, [change]), noChanges);
        const expected = [...stateAfter(history).values()];
        const shown = joinSessions([page], changes, defaultFilter, NOW);
        expect(new Map(shown.map((session) => [session.session_id, session]))).toEqual(
          new Map(expected.map((session) => [session.session_id, session])),
        );
      },
    ),
  );
});

test("session after the last page is shown with its page", () => {
  const page: SessionPage = {
    sessions: [
      aSession({ session_id: "new", created_at: stamp(30) }),
      aSession({ session_id: "old", created_at: stamp(20) }),
    ],
    next_page: "more",
    cursor: "aa:1",
  };
  const news = ["newer", "older"].map(
    (session_id, place): ListChange => ({
      kind: "changed",
      position: 2 + place,
      session: aSession({ session_id, created_at: stamp(session_id === "newer" ? 40 : 10) }),
    }),
  );
  const shown = joinSessions([page], applyChanges(noChanges, news), defaultFilter, NOW);
  expect(shown.map(({ session_id }) => session_id)).toEqual(["newer", "new", "old"]);
});

test("sessions of pages keep the manager's order, whatever they contain", () => {
  const some = fc.array(
    fc.record({
      created_at: fc.nat(2).map(stamp),
      last_activity_at: fc.nat(2).map(stamp),
      session_name: fc.constantFrom("one", "two"),
    }),
    { maxLength: 12 },
  );
  const sorts = fc.constantFrom(...SORTS);
  const orders = fc.constantFrom("asc" as const, "desc" as const);
  fc.assert(
    fc.property(some, fc.nat(12), sorts, orders, (values, cut, sort, order) => {
      const sessions = values.map((each, place) => aSession({ ...each, session_id: String(99 - place) }));
      const pages = [sessions.slice(0, cut), sessions.slice(cut)].map((part, place) => ({
        sessions: part,
        next_page: place === 0 ? "more" : null,
        cursor: "aa:1",
      }));
      expect(joinSessions(pages, noChanges, { ...defaultFilter, sort, order }, NOW)).toEqual(sessions);
    }),
  );
});

test("change keeps a session's place unless its order changed", () => {
  const sessions = ["c", "a", "b"].map((session_id) =>
    aSession({ session_id, created_at: stamp(10), last_activity_at: stamp(10) }),
  );
  const page: SessionPage = { sessions, next_page: "more", cursor: "aa:1" };
  const changed = aSession({ session_id: "b", created_at: stamp(10), last_activity_at: stamp(20) });
  const created = aSession({ session_id: "z", created_at: stamp(10), last_activity_at: stamp(20) });
  const changes = applyChanges(noChanges, [
    { kind: "changed", position: 2, session: changed },
    { kind: "changed", position: 3, session: created },
  ]);
  const idsBy = (sort: SessionFilter["sort"], order: SessionFilter["order"] = "desc") =>
    joinSessions([page], changes, { ...defaultFilter, sort, order }, NOW).map(({ session_id }) => session_id);
  expect(idsBy("created")).toEqual(["z", "c", "a", "b"]);
  expect(idsBy("activity")).toEqual(["b", "z", "c", "a"]);
  expect(idsBy("activity", "asc")).toEqual(["c", "a", "b"]); // "z" is on a later page
});

test("session whose state no longer matches the filter is removed", () => {
  const filter: SessionFilter = { ...defaultFilter, state: ["running"] };
  const page: SessionPage = { sessions: [aSession({ state: "running" })], next_page: null, cursor: "aa:1" };
  const changes = applyChanges(noChanges, [
    { kind: "changed", position: 2, session: aSession({ state: "failed" }) },
  ]);
  expect(joinSessions([page], noChanges, filter, NOW)).toHaveLength(1);
  expect(joinSessions([page], changes, filter, NOW)).toHaveLength(0);
});

test("text is searched in name, project, agent and id", () => {
  const page: SessionPage = {
    sessions: [
      aSession({ session_id: "1", session_name: "Fix LOGIN" }),
      aSession({ session_id: "2", project_dir: "/src/login" }),
      aSession({ session_id: "login-3" }),
      aSession({ session_id: "4", agent: "loginer" }),
      aSession({ session_id: "5" }),
    ],
    next_page: null,
    cursor: "aa:1",
  };
  const shown = joinSessions([page], noChanges, { ...defaultFilter, text: " login " }, NOW);
  expect(new Set(shown.map(({ session_id }) => session_id))).toEqual(new Set(["1", "2", "login-3", "4"]));
  const ofProject = joinSessions([page], noChanges, { ...defaultFilter, project: "Login" }, NOW);
  expect(ofProject.map(({ session_id }) => session_id)).toEqual(["2"]);
});

const usage = { ...aSession().usage, cost_microdollars: 2_000_000 };
const done = { kind: "done", since: stamp(1), text: null, seq: null } as const;
const MATCHES: readonly (readonly [Partial<SessionFilter>, Partial<Session>, Partial<Session>])[] = [
  [{ state: ["failed", "lost"] }, { state: "lost" }, { state: "running" }],
  [{ attention: ["any"] }, { attention: done }, { attention: null }],
  [{ attention: ["asks", "done"] }, { attention: done }, { attention: { ...done, kind: "failed" } }],
  [{ reason: ["timeout"] }, { reason: "timeout" }, { reason: null }],
  [{ agent: "fixer" }, { agent: "fixer" }, { agent: "fixer2" }],
  [{ model: "Opus" }, { model: "claude-opus-5" }, { model: null }],
  [{ host: "laptop" }, {}, { host: "other" }],
  [{ since: "7d" }, {}, { last_activity_at: "2026-01-01T09:59:59Z" }],
  [{ until: "7d" }, { last_activity_at: "2026-01-01T09:59:59Z" }, {}],
  [{ cost_over: 1.99 }, { usage }, {}],
  [{ denied: true }, { denied_calls: 1 }, {}],
  [{ has_notices: true }, { undelivered_notices: 1 }, {}],
  [{ parent_session_id: "p" }, { parent_session_id: "p" }, {}],
  [{ top_level: true }, {}, { parent_session_id: "p" }],
  [{}, {}, { archived_at: stamp(1) }],
];

test.each(MATCHES)("feed applies the filter %j as the manager does", (filter, matching, other) => {
  const matches = matcher({ ...defaultFilter, ...filter }, NOW);
  expect([matches(aSession(matching)), matches(aSession(other))]).toEqual([true, false]);
});

test("total counts sessions not loaded, and changes of the feed", () => {
  const sessions = [
    aSession({ session_id: "b", created_at: stamp(20) }),
    aSession({ created_at: stamp(10) }),
  ];
  const page: SessionPage = { sessions, next_page: "more", cursor: "aa:1", total: 50 };
  const news = applyChanges(noChanges, [
    { kind: "changed", position: 2, session: aSession({ session_id: "new", created_at: stamp(30) }) },
  ]);
  const totals = [noChanges, news].map((changes) =>
    totalOf([page], joinSessions([page], changes, defaultFilter, NOW)),
  );
  expect(totals).toEqual([50, 51]);
  expect(totalOf([{ ...page, next_page: null }], sessions)).toBe(2);
});

test("new rows wait while the list is held; removals and pages apply", () => {
  expect(settle(["a", "b"], ["new", "a", "b"], false)).toEqual({ ids: ["new", "a", "b"], waiting: 0 });
  expect(settle(["a", "b"], ["new", "b", "c"], true)).toEqual({ ids: ["b", "c"], waiting: 1 });
  expect(settle([], ["a"], true)).toEqual({ ids: ["a"], waiting: 0 });
});

test("held order keeps its rows in place and counts waiting ones", () => {
  const ids = fc.uniqueArray(fc.constantFrom(..."abcdefghij"));
  fc.assert(
    fc.property(ids, ids, (shown, wanted) => {
      const settled = settle(shown, wanted, true);
      expect(settled.ids.length + settled.waiting).toBe(wanted.length);
      const kept = shown.filter((id) => wanted.includes(id));
      if (shown.length > 0) expect(settled.ids.slice(0, kept.length)).toEqual(kept);
    }),
  );
});
