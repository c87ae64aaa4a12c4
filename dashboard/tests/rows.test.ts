import fc from "fast-check";
import { expect, test } from "vitest";
import { arrange, foldsAround, placeOf, type Row } from "../src/state/rows";
import { addEvents, emptyTimeline, raiseHead, type Timeline } from "../src/state/timeline";
import type { WireEvent } from "../src/wire";
import { anEvent } from "./support";

function timeline(...wires: Partial<WireEvent>[]): Timeline {
  return addEvents(
    emptyTimeline,
    wires.map((wire, place) => anEvent(place + 1, wire)),
  );
}

const pre = (tool_use_id: string, more: Partial<WireEvent> = {}) => ({
  event_type: "pre_tool",
  tool_name: "Bash",
  tool_use_id,
  ...more,
});
const post = (tool_use_id: string, more: Partial<WireEvent> = {}) => ({
  ...pre(tool_use_id, more),
  event_type: "post_tool",
});
const nothingOpen = new Set<string>();

function callAt(rows: ReadonlyMap<number, Row>, seq: number) {
  const row = rows.get(seq);
  if (row?.kind !== "call") throw new Error(`no call at ${seq}`);
  return row;
}

test("a call is one row from its beginning to its end", () => {
  const { seqs, rows } = arrange(
    timeline(pre("a"), pre("b"), post("a", { error: "no" }), post("b")),
    "running",
    nothingOpen,
  );
  expect(seqs).toEqual([1, 2]);
  expect(callAt(rows, 1).call).toMatchObject({ outcome: "failed", seconds: 2 });
  expect(callAt(rows, 2).call).toMatchObject({ outcome: "ok", seconds: 2 });
});

test("a call without its end runs only while the session does and nothing is missing after it", () => {
  const open = timeline(pre("a"), {});
  expect(callAt(arrange(open, "running", nothingOpen).rows, 1).call.outcome).toBe("running");
  expect(callAt(arrange(open, "lost", nothingOpen).rows, 1).call.outcome).toBe("unknown");
  expect(callAt(arrange(raiseHead(open, 3), "running", nothingOpen).rows, 1).call.outcome).toBe("unknown");
});

test("an end whose beginning is not loaded is a row of its own", () => {
  const late = addEvents(emptyTimeline, [anEvent(5, post("a"))]);
  const { seqs, rows } = arrange(late, "finished", nothingOpen);
  expect(seqs).toEqual([1, 2, 3, 4, 5]);
  expect(callAt(rows, 5).call.begun).toBeNull();
});

test("a denied call says so in its row", () => {
  const { seqs, rows } = arrange(
    timeline(
      pre("a"),
      { event_type: "permission_denied", tool_use_id: "a", error: "not allowed" },
      post("a", { error: "x" }),
    ),
    "finished",
    nothingOpen,
  );
  expect(seqs).toEqual([1]);
  expect(callAt(rows, 1).call.outcome).toBe("denied");
});

test("a subagent is folded into its call, and indented when opened", () => {
  const nested = timeline(
    pre("task"),
    pre("inner", { parent_tool_use_id: "task" }),
    { parent_tool_use_id: "inner" },
    post("inner", { parent_tool_use_id: "task" }),
    post("task"),
  );
  const folded = arrange(nested, "finished", nothingOpen);
  expect(folded.seqs).toEqual([1]);
  expect(callAt(folded.rows, 1).subagent).toEqual({ toolUseId: "task", loaded: 2, isOpen: false });
  const opened = arrange(nested, "finished", new Set(["task", "inner"]));
  expect(opened.seqs).toEqual([1, 2, 3]);
  expect(opened.seqs.map((seq) => opened.rows.get(seq)?.depth)).toEqual([0, 1, 2]);
  expect(foldsAround(nested, 3)).toEqual(["inner", "task"]);
});

test("the parts of a message are one row, as far as nothing is missing between them", () => {
  const say = (text: string, event_id: string, more: Partial<WireEvent> = {}): Partial<WireEvent> => ({
    event_type: "message",
    role: "assistant",
    content: [{ type: "text", text }],
    event_id,
    ...more,
  });
  const told = timeline(
    say("one ", "a"),
    say("err", "b", { event_type: "stderr" }),
    say("two ", "c", { continues: "a" }),
    say("three", "d", { continues: "a" }),
    say("other", "e"),
  );
  const { seqs, rows } = arrange(told, "running", nothingOpen);
  expect(seqs).toEqual([1, 2, 5]);
  expect(rows.get(1)?.event).toMatchObject({ kind: "message", text: "one two three" });
  const cut = { ...told, events: new Map([...told.events].filter(([seq]) => seq !== 2)) };
  const { seqs: withGap, rows: apart } = arrange(cut, "running", nothingOpen);
  expect(withGap).toEqual([1, 2, 3, 5]);
  expect(apart.get(3)?.event).toMatchObject({ text: "two three" });
});

test("runs have borders, also when an event of an older one comes late", () => {
  const { seqs, rows } = arrange(
    timeline({ run: 1 }, { run: 1 }, { run: 2 }, { run: 1, late: true }, { run: 2 }),
    "finished",
    nothingOpen,
  );
  expect(seqs.map((seq) => rows.get(seq)?.beginsRun)).toEqual([1, null, 2, null, null]);
});

test("events that name themselves as their parent, or each other, end nothing", () => {
  const circle = timeline(
    pre("a", { parent_tool_use_id: "b" }),
    pre("b", { parent_tool_use_id: "a" }),
    pre("c", { parent_tool_use_id: "c" }),
  );
  expect(arrange(circle, "running", new Set(["a", "b", "c"])).seqs).toEqual([1, 2, 3]);
  expect(foldsAround(circle, 1)).toEqual(["b", "a"]);
});

test("every seq is found in its row or in the one before it", () => {
  const rising = fc
    .uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1 })
    .map((seqs) => seqs.sort((a, b) => a - b));
  fc.assert(
    fc.property(rising, fc.integer({ min: 1, max: 200 }), (seqs, seq) => {
      const expected = Math.max(
        0,
        seqs.findLastIndex((each) => each <= seq),
      );
      expect(placeOf(seqs, seq)).toBe(expected);
    }),
  );
});
