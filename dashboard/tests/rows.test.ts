import fc from "fast-check";
import { expect, test } from "vitest";
import { addEvents, emptyTimeline, eventAt, raiseHead } from "../src/state/session/events";
import type { Row } from "../src/state/timeline/rows";
import type { SessionEvent, WireEvent } from "../src/wire";
import { arranged, calls, forest, inside, post, pre, type Shown, timeline } from "./arranged";
import { anEvent } from "./support";

function callAt(rows: ReadonlyMap<number, Row>, seq: number) {
  const row = rows.get(seq);
  if (row?.kind !== "call") throw new Error(`no call at ${seq}`);
  return row;
}

test("beginning and end of a call are one row", () => {
  const { seqs, rows } = arranged(timeline(pre("a"), pre("b"), post("a", { error: "no" }), post("b")));
  expect(seqs).toEqual([1, 2]);
  expect(callAt(rows, 1).call).toMatchObject({ outcome: "failed", seconds: 2 });
  expect(callAt(rows, 2).call).toMatchObject({ outcome: "ok", seconds: 2 });
});

test("call without end is running if its run is and no event is missing", () => {
  const open = timeline(pre("a"), {});
  const outcome = (arrangement: Shown) => callAt(arrangement.rows, 1).call.outcome;
  expect(outcome(arranged(open))).toBe("running");
  expect(outcome(arranged(open, { state: "lost" }))).toBe("unknown");
  expect(outcome(arranged(open, { run: 2 }))).toBe("unknown");
  expect(outcome(arranged(raiseHead(open, 3)))).toBe("unknown");
});

test("end of a call has its own row if the beginning is not loaded", () => {
  const late = addEvents(emptyTimeline, [anEvent(5, post("a"))]);
  const { seqs, rows } = arranged(late);
  expect(seqs).toEqual([1, 2, 3, 4, 5]);
  expect(callAt(rows, 5).call.begun).toBeNull();
});

test("denied call is shown as denied in its row", () => {
  const denial = { event_type: "permission_denied", tool_use_id: "a", error: "not allowed" };
  const { seqs, rows } = arranged(timeline(pre("a"), denial, post("a", { error: "x" })));
  expect(seqs).toEqual([1]);
  expect(callAt(rows, 1).call.outcome).toBe("denied");
});

test("calls of different runs with the same id are different calls", () => {
  const { seqs, rows } = arranged(
    timeline(pre("a"), post("a"), pre("a", { run: 2 }), { run: 2, parent_tool_use_id: "a" }),
    { run: 2, open: ["a"] },
  );
  expect(seqs).toEqual([1, 3]);
  expect(callAt(rows, 1).call.outcome).toBe("ok");
  expect(callAt(rows, 3).subagent).toEqual({ key: "2 a", loaded: 1, isOpen: false });
});

test("parts of a message are one row up to the first gap", () => {
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
  const { seqs, rows } = arranged(told);
  expect(seqs).toEqual([1, 2, 5]);
  expect(rows.get(1)?.event).toMatchObject({ kind: "message", text: "one two three" });
  const cut = addEvents(
    emptyTimeline,
    [1, 3, 4, 5].flatMap((seq) => eventAt(told, seq) ?? []),
  );
  const { seqs: withGap, rows: apart } = arranged(cut);
  expect(withGap).toEqual([1, 2, 3, 5]);
  expect(apart.get(3)?.event).toMatchObject({ text: "two three" });
});

test("each run has one border, also with late events of older runs", () => {
  const { seqs, rows } = arranged(
    timeline({ run: 1 }, { run: 1 }, { run: 2 }, { run: 1, late: true }, { run: 2 }),
  );
  expect(seqs.map((seq) => rows.get(seq)?.beginsRun)).toEqual([1, null, 2, null, null]);
});

/** Return the rows as seqs with their depth: "1 .2 ..3". */
function drawn({ seqs, rows }: Shown): string {
  return seqs.map((seq) => ".".repeat(rows.get(seq)?.depth ?? 0) + seq).join(" ");
}

test.each<{ name: string; wires: Partial<WireEvent>[]; open: string[]; rows: string }>([
  {
    name: "two concurrent subagents stay separate",
    wires: [pre("a"), pre("b"), inside("a"), inside("b"), inside("a"), inside("b"), post("a"), post("b"), {}],
    open: ["a", "b"],
    rows: "1 .3 .5 2 .4 .6 9",
  },
  {
    name: "one of two subagents is folded",
    wires: [pre("a"), pre("b"), inside("a"), inside("b"), inside("a"), {}],
    open: ["a"],
    rows: "1 .3 .5 2 6",
  },
  {
    name: "calls of concurrent subagents",
    wires: [
      pre("a"),
      pre("b"),
      pre("a1", inside("a")),
      pre("b1", inside("b")),
      post("a1", inside("a")),
      post("b1", inside("b")),
    ],
    open: ["a", "b"],
    rows: "1 .3 2 .4",
  },
  {
    name: "nested concurrent subagents",
    wires: [
      pre("a"),
      pre("b"),
      pre("a1", inside("a")),
      pre("a2", inside("a")),
      inside("a1"),
      inside("a2"),
      inside("a1"),
    ],
    open: ["a", "b", "a1", "a2"],
    rows: "1 .3 ..5 ..7 .4 ..6 2",
  },
  {
    name: "model requests have no rows",
    wires: [
      pre("a"),
      { event_type: "usage", request_id: "r", ...inside("a") },
      inside("a"),
      { event_type: "usage", request_id: "r" },
    ],
    open: ["a"],
    rows: "1 .3",
  },
  {
    name: "a closed fold hides open folds inside it",
    wires: [pre("a"), pre("a1", inside("a")), inside("a1")],
    open: ["a1"],
    rows: "1",
  },
  {
    name: "a call after the events inside it",
    wires: [inside("a"), {}, inside("a"), pre("a"), {}],
    open: ["a"],
    rows: "2 4 .1 .3 5",
  },
  {
    name: "calls that are not loaded",
    wires: [inside("x"), inside("y"), {}, inside("x"), inside("y")],
    open: [],
    rows: ".1 .4 .2 .5 3",
  },
  {
    name: "a call below a call that is not loaded",
    wires: [pre("a1", inside("x")), {}, inside("a1"), inside("x")],
    open: ["a1"],
    rows: ".1 ..3 .4 2",
  },
  {
    name: "cycles of calls",
    wires: [pre("a", inside("b")), pre("b", inside("a")), pre("c", inside("c")), inside("b")],
    open: ["a", "b", "c"],
    rows: "1 .2 ..4 3",
  },
])("subagents are below their calls: $name", ({ wires, open, rows }) => {
  expect(drawn(arranged(timeline(...wires), { open }))).toBe(rows);
});

test.each([
  ["twice before its call", [post("a"), post("a"), {}, pre("a")], [4, 4, 3, 4]],
  ["before and after its call", [{}, post("a"), pre("a"), post("a"), post("a")], [1, 3, 3, 3, 3]],
  ["twice in a fold", [{}, pre("a"), pre("b", inside("a")), post("b"), post("b")], [1, 2, 2, 2, 2]],
])("end of a call is shown in the row of the call: %s", (_, wires, seqs) => {
  const { shownBy } = arranged(timeline(...wires));
  expect(wires.map((_wire, index) => shownBy(index + 1))).toEqual(seqs);
});

test("every seq has one row, below its call, for any loaded events", () => {
  fc.assert(
    fc.property(forest, calls, (events, open) => {
      const loaded = addEvents(emptyTimeline, events);
      const { seqs, rows, placeOf, lines, foldsAround } = arranged(loaded, { open });
      expect(new Set(seqs).size).toBe(seqs.length);
      const begun = new Map<string, SessionEvent>();
      for (const event of events.toReversed()) {
        if (event.kind === "pre_tool") begun.set(`${event.run} ${event.tool_use_id}`, event);
      }
      for (let seq = 1; seq <= loaded.head; seq += 1) {
        const event = eventAt(loaded, seq);
        const line = lines[placeOf(seq)];
        if (event === undefined) {
          expect(line?.kind === "gap" && line.first <= seq && seq <= line.last).toBe(true);
          continue;
        }
        if (line?.kind !== "call" && line?.kind !== "event") continue;
        // Shown in its own row, as a part of a message, in the row of its call, or of one of the calls around it.
        const own = "tool_use_id" in event && "tool_use_id" in line.event;
        const isOwn = own && line.event.kind === "pre_tool" && line.event.tool_use_id === event.tool_use_id;
        const isPart = line.event.message_id === event.message_id && line.event.kind === event.kind;
        const around = foldsAround(seq).map((fold) => begun.get(fold)?.seq);
        const isShown = line.seq === seq || isOwn || isPart || around.includes(line.seq);
        expect(isShown || event.kind === "usage").toBe(true);
        // Only rows of the same subagent are between a row and the call around it.
        if (line.depth === 0 || line.seq !== seq || line.beginsSubagent) continue;
        const before = lines[placeOf(seq) - 1];
        if (before?.kind !== "call" && before?.kind !== "event") continue;
        expect(before.depth).toBeGreaterThanOrEqual(line.depth - 1);
        const elder = seqs.slice(0, seqs.indexOf(seq)).findLast((each) => depth(rows, each) < line.depth);
        if (elder === undefined || line.depth === 1) continue;
        const { parent_tool_use_id: tool_use_id, run } = event;
        expect(rows.get(elder)?.event).toMatchObject({ tool_use_id, run });
      }
    }),
  );
});

function depth(rows: Shown["rows"], seq: number): number {
  return rows.get(seq)?.depth ?? 0;
}

test("usage of a run is part of the row of its end", () => {
  const used = { event_type: "usage", usage: { cost_microdollars: 5 } };
  const { seqs, rows } = arranged(timeline({}, used, { event_type: "session_stop" }));
  expect(seqs).toEqual([1, 3]);
  expect(rows.get(3)?.usage).toEqual({ cost_microdollars: 5 });
});
