import { describe, expect, test } from "vitest";
import { sectionsOf, summaryOf } from "../src/state/lists/now";
import { LOOK_MS, SeenWatch } from "../src/state/seen-watch";
import { isSeeable, noticeOf, reasonOf } from "../src/text/attention";
import type { AttentionKind, OpenQuestion, Session } from "../src/wire";
import { aSession } from "./support";

const AT = "2026-01-01T10:00:00Z";
const NOW = Date.parse(AT) + 12 * 60_000;

function expecting(kind: AttentionKind, text: string | null, fields: Partial<Session> = {}): Session {
  return aSession({ attention: { kind, since: AT, text, seq: 3 }, ...fields });
}

function running(id: string, fields: Partial<Session> = {}): Session {
  return aSession({ session_id: id, state: "running", status: "running", finished_at: null, ...fields });
}

describe("the reason of the attention", () => {
  const rows: readonly (readonly [string, Session])[] = [
    ["asks: staging?", expecting("asks", "staging?")],
    ["asks", expecting("asks", null)],
    ["no valid login", expecting("failed", "no valid login")],
    ["1 call was denied: Edit", expecting("denied", "Edit", { denied_calls: 1 })],
    ["2 calls were denied: Edit, Bash", expecting("denied", "Edit, Bash", { denied_calls: 2 })],
    ["quiet for 12m 00s; newest: Bash", expecting("quiet", "Bash")],
    ["quiet for 12m 00s", expecting("quiet", null)],
    ["perhaps asks: “Shall I?”", expecting("question", "Shall I?")],
    ["“Done.”", expecting("done", "Done.")],
    ["ended without a text", expecting("done", null)],
    ["", aSession()],
  ];
  test.each(rows)("%s", (words, session) => expect(reasonOf(session, NOW)).toBe(words));

  test("an open question says what the agent wants", () => {
    const asked = (event: object) => ({ event }) as OpenQuestion;
    const session = expecting("asks", "Bash");
    const permission = asked({ tool_name: "Bash", tool_input: { command: "rm -rf db" } });
    expect(reasonOf(session, NOW, permission)).toBe("asks for permission: Bash: rm -rf db");
    const question = asked({ items: [{ id: "a", text: "Which one?" }] });
    expect(reasonOf(session, NOW, question)).toBe("asks: Which one?");
  });

  test("a notice has the name, the project and the reason", () => {
    const session = expecting("failed", "no\u202e login", { session_name: "port", project_dir: "/w/shop" });
    expect(noticeOf(session, NOW)).toEqual({ title: "port · /w/shop", body: "no⟨RLO⟩ login" });
  });
});

test("only ends of runs can be seen", () => {
  const kinds = ["asks", "failed", "denied", "quiet", "question", "done"] as const;
  expect(kinds.filter((kind) => isSeeable(expecting(kind, null)))).toEqual([
    "failed",
    "denied",
    "question",
    "done",
  ]);
});

describe("the rows of Now", () => {
  const ids = (rows: readonly { session: Session; isSeen: boolean }[]) =>
    rows.map(({ session, isSeen }) => session.session_id + (isSeen ? " (seen)" : ""));
  const none = { needs: [], running: [], done: [], seen: new Map<string, Session>() };

  test("the most urgent are first, each has one row, and seen ones stay", () => {
    const asks = running("asks", { attention: { kind: "asks", since: AT, text: null, seq: 1 } });
    const old = expecting("failed", null, { session_id: "old" });
    const recent = expecting("failed", null, { session_id: "recent" });
    const failed = {
      ...recent,
      attention: { ...recent.attention, since: "2026-01-01T11:00:00Z" },
    } as Session;
    const seen = expecting("denied", null, { session_id: "seen" });
    const done = expecting("done", null, { session_id: "done" });
    const found = sectionsOf({
      needs: [old, failed, asks],
      running: [asks, running("parent"), running("child", { parent_session_id: "parent" })],
      done: [],
      seen: new Map([seen, done].map((session) => [session.session_id, session])),
    });
    expect(ids(found.needs)).toEqual(["asks", "recent", "old", "seen (seen)"]);
    expect(ids(found.running)).toEqual(["parent"]);
    expect(ids(found.done)).toEqual(["done (seen)"]);
  });

  test("a child whose parent has ended, and a seen session that runs again, have rows", () => {
    const before = expecting("failed", null, { session_id: "again", run: 1 });
    const found = sectionsOf({
      ...none,
      running: [running("orphan", { parent_session_id: "ended" }), running("again", { run: 2 })],
      seen: new Map([["again", before]]),
    });
    expect(ids(found.running)).toEqual(["again", "orphan"]);
    expect(found.needs).toEqual([]);
  });

  test.each([
    [0, 0, "Nothing needs you. Nothing runs."],
    [0, 2, "Nothing needs you. 2 run."],
    [1, 1, "1 needs you. 1 runs."],
    [3, 0, "3 need you. Nothing runs."],
  ])("%d need, %d run: %s", (needs, count, words) => expect(summaryOf(needs, count)).toBe(words));
});

describe("the end of a run", () => {
  function watched() {
    const timers: { act: () => void; ms: number; isStopped: boolean }[] = [];
    const seen: number[] = [];
    const watch = new SeenWatch(
      (act, ms) => {
        const timer = { act, ms, isStopped: false };
        timers.push(timer);
        return () => {
          timer.isStopped = true;
        };
      },
      (run) => seen.push(run),
    );
    return { watch, timers, seen };
  }

  test("is seen after two seconds, once, also if the look is repeated", () => {
    const { watch, timers, seen } = watched();
    watch.look(1);
    watch.look(1);
    expect(timers.map(({ ms }) => ms)).toEqual([LOOK_MS]);
    timers[0]?.act();
    expect(seen).toEqual([1]);
    watch.look(null);
    watch.look(1);
    expect(timers).toHaveLength(1);
    watch.look(2);
    timers[1]?.act();
    expect(seen).toEqual([1, 2]);
  });

  test("is not seen if the reader looks away, or if the next run ends", () => {
    const { watch, timers } = watched();
    watch.look(1);
    watch.look(null);
    watch.look(1);
    watch.look(2);
    expect(timers.map(({ isStopped }) => isStopped)).toEqual([true, true, false]);
  });
});
