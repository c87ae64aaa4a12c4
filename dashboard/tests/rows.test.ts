import fc from "fast-check";
import { expect, test } from "vitest";
import { type Arrangement, Arranger, type Way } from "../src/state/arranger";
import { rowKey, toggledFold } from "../src/state/call-groups";
import { countOf, seqIn } from "../src/state/gaps";
import { everything, type Passing } from "../src/state/outline";
import type { Row } from "../src/state/rows";
import { addEvents, emptyTimeline, eventAt, raiseHead, type Timeline } from "../src/state/timeline";
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

const WAY: Way = { state: "running", run: 1, open: new Set(), isFlat: false, folded: 0, passing: everything };

interface Shown extends Arrangement {
  /** The seqs of the lines, with each of the missing events. */
  readonly seqs: readonly number[];
  readonly rows: ReadonlyMap<number, Row>;
  /** Return the seq that is shown for a seq. */
  shownBy(seq: number): number;
}

/** Arrange a timeline: without folds around calls, as all rows pass. */
function arranged(
  timeline: Timeline,
  { open = [], ...way }: Partial<Omit<Way, "open">> & { open?: string[] } = {},
  arranger = new Arranger(),
): Shown {
  const keys = new Set(open.map((id) => (id.includes(":") ? id : `1 ${id}`)));
  const arrangement = arranger.arrange(timeline, { ...WAY, ...way, open: keys });
  const { lines } = arrangement;
  return {
    ...arrangement,
    seqs: lines.flatMap((line) =>
      line.kind === "gap"
        ? Array.from({ length: countOf(line) }, (_, place) => seqIn(line, place))
        : [line.seq],
    ),
    rows: new Map(
      lines.flatMap((line) => (line.kind === "call" || line.kind === "event" ? [[line.seq, line]] : [])),
    ),
    shownBy(seq) {
      const line = lines[arrangement.placeOf(seq)];
      return line === undefined || line.kind === "gap" ? seq : line.seq;
    },
  };
}

/** Arrange a timeline as the page does without a filter. */
function folded(timeline: Timeline, way: Parameters<typeof arranged>[1] = {}): Shown {
  return arranged(timeline, { ...way, passing: null });
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
  ["twice before its call", [post("a"), post("a"), {}, pre("a")], [4, 4, 3, 4]],
  ["before and after its call", [{}, post("a"), pre("a"), post("a"), post("a")], [1, 3, 3, 3, 3]],
  ["twice in a fold", [{}, pre("a"), pre("b", inside("a")), post("b"), post("b")], [1, 2, 2, 2, 2]],
])("end of a call is shown in the row of the call: %s", (_, wires, seqs) => {
  const { shownBy } = arranged(timeline(...wires));
  expect(wires.map((_wire, index) => shownBy(index + 1))).toEqual(seqs);
});

/** Random calls as a run may report them: with random parents, in any order, with ends and denials, in several pages. */
const forest = fc
  .array(
    fc.record({
      event_type: fc.constantFrom(
        "message",
        "pre_tool",
        "pre_tool",
        "post_tool",
        "permission_denied",
        "usage",
      ),
      tool_use_id: fc.integer({ min: 0, max: 7 }).map((id) => `t${id}`),
      parent_tool_use_id: fc.option(
        fc.integer({ min: 0, max: 9 }).map((id) => `t${id}`),
        { freq: 3 },
      ),
      run: fc.constantFrom(1, 1, 1, 2),
      event_id: fc.constantFrom("a", "b", "c"),
      after: fc.constantFrom(1, 1, 1, 1, 2, 60),
    }),
    { maxLength: 60 },
  )
  .map((wires) => {
    let seq = 0;
    return wires.map(({ after, ...fields }) => {
      seq += after;
      return anEvent(seq, fields);
    });
  });
const calls = fc.uniqueArray(fc.integer({ min: 0, max: 9 }).map((id) => `t${id}`));

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

/** What happens to a page of a session: events arrive in any order, pages are forgotten, the way to show it changes. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("events"), from: fc.nat(), count: fc.nat(8) }) },
  fc.record({ kind: fc.constant("forget"), page: fc.nat(4) }),
  fc.record({ kind: fc.constant("fold"), open: calls }),
  fc.record({ kind: fc.constant("run"), run: fc.constantFrom(1, 2), isRunning: fc.boolean() }),
  fc.record({ kind: fc.constant("filter"), modulus: fc.option(fc.constantFrom(1, 2, 3), { freq: 2 }) }),
  fc.record({ kind: fc.constant("copied"), folded: fc.constantFrom(0, 0, 3) }),
);

test("arranging step by step is the same as arranging at once", () => {
  fc.assert(
    fc.property(forest, fc.array(happening, { maxLength: 30 }), (events, happenings) => {
      const arranger = new Arranger();
      let known = raiseHead(emptyTimeline, events.at(-1)?.seq ?? 0);
      let way: NonNullable<Parameters<typeof arranged>[1]> = {};
      for (const each of happenings) {
        if ("from" in each) {
          const from = each.from % (events.length + 1);
          known = addEvents(known, events.slice(from, from + each.count));
        } else if ("page" in each) {
          known = { ...known, pages: new Map([...known.pages].filter(([page]) => page !== each.page)) };
        } else if ("open" in each) way = { ...way, open: each.open };
        else if ("folded" in each) way = { ...way, folded: Math.min(each.folded, known.head) };
        else if ("run" in each) way = { ...way, run: each.run, state: each.isRunning ? "running" : "lost" };
        else way = { ...way, passing: each.modulus === null ? null : multiples(each.modulus) };
        const [stepwise, atOnce] = [arranged(known, way, arranger), arranged(known, way)];
        expect(stepwise.lines).toEqual(atOnce.lines);
        for (let seq = 1; seq <= known.head; seq += 1) {
          expect([seq, stepwise.placeOf(seq)]).toEqual([seq, atOnce.placeOf(seq)]);
          expect(stepwise.foldsAround(seq)).toEqual(atOnce.foldsAround(seq));
        }
      }
    }),
  );
});

function multiples(modulus: number): Passing {
  const has = (seq: number) => seq % modulus === 0;
  return { has, within: (first, last) => everything.within(first, last).filter(has) };
}

test("an event and a page cost the same work, however much is loaded", () => {
  const work = (loaded: number) => {
    const arranger = new Arranger();
    const wires = Array.from({ length: loaded }, (_, at) =>
      at % 2 === 0 ? pre(`${at}`) : post(`${at - 1}`),
    );
    const before = timeline(...wires);
    const way = { ...WAY, passing: null };
    const [first] = arranger.arrange(before, way).lines;
    let reads = 0;
    for (const page of before.pages.values()) {
      for (const event of page) {
        const kind = event?.kind;
        const counted = () => {
          reads += 1;
          return kind;
        };
        if (event) Object.defineProperty(event, "kind", { get: counted });
      }
    }
    const after = addEvents(before, [anEvent(loaded + 1, pre("new"))]);
    expect(arranger.arrange(after, way).lines[0]).toBe(first);
    return reads;
  };
  expect(work(5000)).toBe(work(1000));
});

test("arranging nested events takes linear time", () => {
  const steps = (length: number) => {
    let count = 0;
    const chain = timeline(
      ...Array.from({ length }, (_, at) => pre(`t${at}`, at === 0 ? {} : inside(`t${at - 1}`))),
    );
    for (const event of [...chain.pages.values()].flat()) {
      if (event === undefined) continue;
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
  const copied = (folded: number) => arranged(whole, { state: "lost", folded });
  const closed = copied(2);
  expect(closed.seqs).toEqual([1, 3, 4, 5, 6]);
  expect(closed.lines[0]?.kind).toBe("copied");
  expect([1, 2, 3, 4].map((seq) => closed.shownBy(seq))).toEqual([1, 1, 3, 4]);
  expect(copied(0).seqs).toEqual([1, 2, 4, 5, 6]);
});

const group = (shown: Shown, seq: number) => shown.rows.get(seq)?.group;

test("calls that follow each other fold once all of them have ended", () => {
  const calls = [pre("a"), post("a"), pre("b", { tool_name: "Read" }), post("b", { error: "no" })];
  const last = [pre("c"), post("c")];
  const ended = timeline(...calls, ...last, {});
  const closed = folded(ended);
  expect(closed.seqs).toEqual([1, 7]);
  expect(group(closed, 1)).toMatchObject({ count: 3, words: "2 Bash, 1 Read (1 failed)", seconds: 5 });
  expect([1, 3, 4, 6, 7].map((seq) => closed.placeOf(seq))).toEqual([0, 0, 0, 0, 1]);
  const open = folded(ended, { open: [rowKey(3)] });
  expect([open.seqs, group(open, 1)?.isOpen]).toEqual([[1, 3, 5, 7], true]);
  expect(folded(timeline(...calls, pre("c"), {})).seqs).toEqual([1, 3, 5, 6]);
  const atEnd = timeline(...calls, ...last);
  expect(folded(atEnd).seqs).toEqual([1, 3, 5]);
  expect(folded(atEnd, { state: "lost" }).seqs).toEqual([1]);
});

test("a long run of calls is folded in parts, so that few events fill a screen", () => {
  const calls = Array.from({ length: 150 }, (_, place) => [pre(`${place}`), post(`${place}`)]).flat();
  expect(folded(timeline(...calls), { state: "lost" }).seqs).toEqual([1, 101, 201]);
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
  const passing = multiples(2);
  const { seqs, placeOf } = arranged(raiseHead(timeline({}, {}, {}, {}), 9), { passing });
  expect([seqs, [1, 2, 3, 4, 8].map(placeOf)]).toEqual([
    [2, 4, 6, 8],
    [0, 0, 0, 1, 2],
  ]);
});
