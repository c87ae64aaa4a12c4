import fc from "fast-check";
import { expect, test } from "vitest";
import { parentKey } from "../src/state/session/call-keys";
import { addEvents, emptyTimeline, raiseHead } from "../src/state/session/events";
import { everything } from "../src/state/session/outline";
import { Arranger } from "../src/state/timeline/arranger";
import { rowKey, toggledFold } from "../src/state/timeline/call-groups";
import type { Lane } from "../src/state/timeline/lane";
import type { SessionEvent } from "../src/wire";
import {
  arranged,
  calls,
  folded,
  forest,
  inside,
  multiples,
  post,
  pre,
  type Shown,
  timeline,
  WAY,
} from "./arranged";
import { anEvent } from "./support";

/** What happens to a page of a session: events arrive in any order, pages are forgotten, the way to show it changes. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("events"), from: fc.nat(), count: fc.nat(8) }) },
  fc.record({ kind: fc.constant("forget"), page: fc.nat(4) }),
  fc.record({ kind: fc.constant("fold"), open: calls }),
  fc.record({ kind: fc.constant("run"), run: fc.constantFrom(1, 2), isRunning: fc.boolean() }),
  fc.record({ kind: fc.constant("filter"), modulus: fc.option(fc.constantFrom(1, 2, 3), { freq: 2 }) }),
  fc.record({ kind: fc.constant("copied"), folded: fc.constantFrom(0, 0, 3) }),
  fc.record({ kind: fc.constant("lane"), nested: calls }),
);

/** Return the lane of a subagent with those inside it. */
function laneWith(events: readonly SessionEvent[], nested: readonly string[]): Lane {
  const keys = new Set(["t0", ...nested].map((id) => `1 ${id}`));
  const seqs = new Set(events.filter((event) => keys.has(parentKey(event) ?? "")).map(({ seq }) => seq));
  const has = (seq: number) => seqs.has(seq);
  return { key: "1 t0", keys, seqs, has, within: (...span) => everything.within(...span).filter(has) };
}

test("arranging step by step is the same as arranging at once", () => {
  fc.assert(
    fc.property(forest, fc.array(happening, { maxLength: 30 }), fc.boolean(), (events, steps, alone) => {
      const arranger = new Arranger();
      let known = raiseHead(emptyTimeline, events.at(-1)?.seq ?? 0);
      let way: NonNullable<Parameters<typeof arranged>[1]> = { lane: alone ? laneWith(events, []) : null };
      for (const each of steps) {
        if ("from" in each) {
          const from = each.from % (events.length + 1);
          known = addEvents(known, events.slice(from, from + each.count));
        } else if ("page" in each) {
          known = { ...known, pages: new Map([...known.pages].filter(([page]) => page !== each.page)) };
        } else if ("open" in each) way = { ...way, open: each.open };
        else if ("folded" in each) way = { ...way, folded: Math.min(each.folded, known.head) };
        else if ("nested" in each) way = { ...way, lane: alone ? laneWith(events, each.nested) : null };
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

test("rows that a filter hides are shown by the row before them", () => {
  const passing = multiples(2);
  const { seqs, placeOf } = arranged(raiseHead(timeline({}, {}, {}, {}), 9), { passing });
  expect([seqs, [1, 2, 3, 4, 8, 1e12].map(placeOf)]).toEqual([
    [2, 4, 6, 8],
    [0, 0, 0, 1, 2, 2],
  ]);
});
