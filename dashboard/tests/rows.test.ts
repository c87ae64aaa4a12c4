import fc from "fast-check";
import { expect, test } from "vitest";
import { foldCalls, restrict, rowKey, toggledFold } from "../src/state/call-groups";
import { callTree, foldsAround } from "../src/state/call-tree";
import { type Arrangement, arrange, placeOf, type Row } from "../src/state/rows";
import { addEvents, emptyTimeline, eventsAfter, raiseHead, type Timeline } from "../src/state/timeline";
import type { SessionEvent, WireEvent } from "../src/wire";
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

function arranged(
  timeline: Timeline,
  {
    state = "running",
    run = 1,
    open = [],
  }: { state?: "running" | "lost"; run?: number; open?: string[] } = {},
): Arrangement {
  const keys = new Set(open.map((id) => `1 ${id}`));
  return arrange(timeline, callTree(timeline.events.values()), { state, run }, keys);
}

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
  const outcome = (arrangement: Arrangement) => callAt(arrangement.rows, 1).call.outcome;
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
  const cut = { ...told, events: new Map([...told.events].filter(([seq]) => seq !== 2)) };
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
function drawn({ seqs, rows }: Arrangement): string {
  return seqs.map((seq) => ".".repeat(rows.get(seq)?.depth ?? 0) + seq).join(" ");
}

const inside = (parent: string) => ({ parent_tool_use_id: parent });

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
  ["twice before its call", [post("a"), post("a"), {}, pre("a")], [1, 1, 0, 1]],
  ["before and after its call", [{}, post("a"), pre("a"), post("a"), post("a")], [0, 1, 1, 1, 1]],
  ["twice in a fold", [{}, pre("a"), pre("b", inside("a")), post("b"), post("b")], [0, 1, 1, 1, 1]],
])("end of a call is shown in the row of the call: %s", (_, wires, places) => {
  const arrangement = arranged(timeline(...wires));
  expect(wires.map((_wire, index) => placeOf(arrangement, index + 1))).toEqual(places);
});

/** Random calls as a run may report them: with random parents, in any order, with ends and denials. */
const forest = fc.array(
  fc.record({
    kind: fc.constantFrom("message", "pre_tool", "pre_tool", "post_tool", "permission_denied"),
    id: fc.integer({ min: 0, max: 7 }),
    parent: fc.option(fc.integer({ min: 0, max: 9 }), { freq: 3 }),
    run: fc.constantFrom(1, 1, 1, 2),
    isLoaded: fc.boolean(),
  }),
  { maxLength: 60 },
);

test("every seq has one row, below its call, for any loaded events", () => {
  fc.assert(
    fc.property(
      forest,
      fc.uniqueArray(fc.integer({ min: 0, max: 9 })),
      fc.infiniteStream(fc.nat()),
      (wires, open, dice) => {
        const events = wires.flatMap(({ kind, id, parent, run, isLoaded }, place): SessionEvent[] => {
          const parent_tool_use_id = parent === null ? null : `t${parent}`;
          const fields = { event_type: kind, tool_use_id: `t${id}`, parent_tool_use_id, run };
          return isLoaded ? [anEvent(place + 1, fields)] : [];
        });
        const shuffled = events
          .map((event) => ({ event, at: dice.next().value }))
          .sort((a, b) => a.at - b.at);
        const empty = raiseHead(emptyTimeline, wires.length);
        const once = addEvents(empty, events);
        const bits = shuffled.reduce((known, { event }) => addEvents(known, [event]), empty);
        const ids = open.map((id) => `t${id}`);
        const arrangement = arranged(once, { open: ids });
        expect(arranged(bits, { open: ids })).toEqual(arrangement);

        const { seqs, rows } = arrangement;
        expect(new Set(seqs).size).toBe(seqs.length);
        const at = new Map(seqs.map((seq, place) => [seq, place]));
        const tree = callTree(once.events.values());
        for (let seq = 1; seq <= wires.length; seq += 1) {
          const event = once.events.get(seq);
          const place = placeOf(arrangement, seq);
          const row = rows.get(seqs[place] ?? 0);
          if (event === undefined) {
            expect(seqs[place]).toBe(seq);
            continue;
          }
          // Shown in its own row, or in that of its call, or of one of the calls around it.
          const shownBy = row?.kind === "call" ? row.event : event;
          const own =
            "tool_use_id" in event && "tool_use_id" in shownBy && shownBy.tool_use_id === event.tool_use_id;
          const around = foldsAround(tree, event).map((fold) => tree.begun.get(fold));
          expect(shownBy === event || own || around.includes(shownBy as never)).toBe(true);
          // Only rows of the same subagent are between a row and the call around it.
          if (row === undefined || row.depth === 0 || seqs[place] !== seq) continue;
          const before = rows.get(seqs[place - 1] ?? 0);
          if (!row.beginsSubagent) expect(before?.depth).toBeGreaterThanOrEqual(row.depth - 1);
          const elder = seqs.slice(0, place).findLast((each) => (rows.get(each)?.depth ?? 0) < row.depth);
          if (elder === undefined || row.depth === 1) continue;
          expect(at.get(elder)).toBeLessThan(place);
          expect(rows.get(elder)?.event).toMatchObject({
            tool_use_id: event.parent_tool_use_id,
            run: event.run,
          });
        }
      },
    ),
  );
});

test("arranging nested events takes linear time", () => {
  const steps = (length: number) => {
    let count = 0;
    const chain = timeline(
      ...Array.from({ length }, (_, at) => pre(`t${at}`, at === 0 ? {} : inside(`t${at - 1}`))),
    );
    for (const event of chain.events.values()) {
      const parent = event.parent_tool_use_id;
      const counted = () => {
        count += 1;
        return parent;
      };
      Object.defineProperty(event, "parent_tool_use_id", { get: counted });
    }
    const open = Array.from({ length }, (_, at) => `t${at}`);
    expect(arranged(chain, { open }).seqs.length).toBe(length);
    return count;
  };
  expect(steps(3000)).toBeLessThanOrEqual(2 * 3 * steps(1000));
});

test("folded copied events have one row, without an event, and no placeholders", () => {
  const whole = raiseHead(timeline({}, pre("a"), post("a"), {}), 6);
  const arrangement = (folded: number) =>
    arrange(whole, callTree(eventsAfter(whole, folded)), { state: "lost", run: 1 }, new Set(), folded);
  const closed = arrangement(2);
  expect(closed.seqs).toEqual([1, 3, 4, 5, 6]);
  expect(closed.rows.has(1)).toBe(false);
  expect([1, 2, 3, 4].map((seq) => placeOf(closed, seq))).toEqual([0, 0, 1, 2]);
  expect(arrangement(0).seqs).toEqual([1, 2, 4, 5, 6]);
});

const group = (arrangement: Arrangement, seq: number) => arrangement.rows.get(seq)?.group;

test("calls that follow each other fold once all of them have ended", () => {
  const calls = [pre("a"), post("a"), pre("b", { tool_name: "Read" }), post("b", { error: "no" })];
  const last = [pre("c"), post("c")];
  const ended = arranged(timeline(...calls, ...last, {}));
  const folded = foldCalls(ended, true, new Set());
  expect(folded.seqs).toEqual([1, 7]);
  expect(group(folded, 1)).toMatchObject({ count: 3, words: "2 Bash, 1 Read (1 failed)", seconds: 5 });
  expect([1, 3, 4, 6, 7].map((seq) => placeOf(folded, seq))).toEqual([0, 0, 0, 0, 1]);
  const open = foldCalls(ended, true, new Set([rowKey(3)]));
  expect([open.seqs, group(open, 1)?.isOpen]).toEqual([[1, 3, 5, 7], true]);
  const running = timeline(...calls, pre("c"), {});
  expect(foldCalls(arranged(running), true, new Set()).seqs).toEqual([1, 3, 5, 6]);
  const atEnd = arranged(timeline(...calls, ...last));
  expect(foldCalls(atEnd, true, new Set()).seqs).toEqual([1, 3, 5]);
  expect(foldCalls(atEnd, false, new Set()).seqs).toEqual([1]);
});

test("a long run of calls is folded in parts, so that few events fill a screen", () => {
  const calls = Array.from({ length: 250 }, (_, place) => [pre(`${place}`), post(`${place}`)]).flat();
  expect(foldCalls(arranged(timeline(...calls)), false, new Set()).seqs).toEqual([1, 201, 401]);
});

test("fold opens by its first row and closes whichever row has opened it", () => {
  const key = "calls:1-5";
  expect([...toggledFold(new Set(), key)]).toEqual([rowKey(1)]);
  expect([...toggledFold(new Set([rowKey(3), rowKey(7), "1 a"]), key)]).toEqual([rowKey(7), "1 a"]);
  expect([...toggledFold(new Set(["1 a"]), "1 a")]).toEqual([]);
});

test("usage of a run is part of the row of its end", () => {
  const used = { event_type: "usage", usage: { cost_microdollars: 5 } };
  const { seqs, rows } = arranged(timeline({}, used, { event_type: "session_stop" }));
  expect(seqs).toEqual([1, 3]);
  expect(rows.get(3)?.usage).toEqual({ cost_microdollars: 5 });
});

test("rows that a filter hides are shown by the row before them", () => {
  const { seqs, places } = restrict(arranged(timeline({}, {}, {}, {})), (seq) => seq % 2 === 0);
  expect([seqs, [...places]]).toEqual([
    [2, 4],
    [0, 0, 0, 0, 1],
  ]);
});
