import { expect, test } from "vitest";
import { addEvents, emptyTimeline, raiseHead } from "../src/state/session/events";
import { emptyOutline, type Outline } from "../src/state/session/outline";
import { laneOf, outlineOf } from "../src/state/timeline/lane";
import type { WireEvent } from "../src/wire";
import { folded } from "./arranged";
import { anEvent } from "./support";

function begin(tool_use_id: string, parent: string | null = null): Partial<WireEvent> {
  return { event_type: "pre_tool", tool_name: "Task", tool_use_id, tool_input: {}, ...inside(parent) };
}

function inside(parent: string | null): Partial<WireEvent> {
  return parent === null ? {} : { parent_tool_use_id: parent };
}

// The outline has read up to 9: the others have just arrived.
const EVENTS = [
  begin("a"),
  begin("b"),
  inside("a"),
  inside("b"),
  begin("c", "a"),
  { ...begin("c", "a"), event_type: "post_tool" },
  begin("d", "a"),
  inside("d"),
  {},
  inside("d"),
  begin("e", "d"),
  inside("e"),
  inside("b"),
].map((fields, place) => anEvent(place + 1, fields));
const OUTLINE: Outline = {
  ...emptyOutline,
  entries: [3, 4, 6].map((seq) => {
    const call_seq = seq === 6 ? 5 : null;
    return { seq, kind: "failure", run: 1, text: null, error: "no", call_seq, files: [] };
  }),
  messages: [3, 4, 8, 9],
  calls: [1, 2, 5, 7],
  lanes: [
    { run: 1, tool_use_id: "a", call_seq: 1, seqs: [3, 5] },
    { run: 1, tool_use_id: "b", call_seq: 2, seqs: [4] },
    { run: 1, tool_use_id: "a", call_seq: 1, seqs: [6, 7] },
    { run: 1, tool_use_id: "d", call_seq: 7, seqs: [8] },
    { run: 1, tool_use_id: "lost", call_seq: null, seqs: [9] },
  ],
  through: 9,
};

test("lane has the events of its subagent and of those inside it", () => {
  const lane = laneOf(OUTLINE, 1);
  expect([...(lane?.seqs ?? [])].sort()).toEqual([3, 5, 6, 7, 8]);
  expect([...(laneOf(OUTLINE, 7)?.seqs ?? [])]).toEqual([8]);
  expect(laneOf(OUTLINE, 9)).toBeNull();
  if (lane === null) throw new Error("no lane");
  const { entries, messages, calls } = outlineOf(OUTLINE, lane);
  expect([entries.map(({ seq }) => seq), messages, calls]).toEqual([
    [3, 6],
    [3, 8],
    [5, 7],
  ]);
});

test("rows of a lane begin at the top, and new events join it", () => {
  const lane = laneOf(OUTLINE, 1);
  const depths = (...loaded: number[]) => {
    const some = EVENTS.filter(({ seq }) => loaded.length === 0 || loaded.includes(seq));
    const known = raiseHead(addEvents(emptyTimeline, some), 13);
    const { seqs, rows } = folded(known, { lane, open: ["d"] });
    return seqs.map((seq) => [seq, rows.get(seq)?.depth ?? "missing"]);
  };
  expect(depths()).toEqual([
    [3, 0],
    [5, 0],
    [7, 0],
    [8, 1],
    [10, 1],
    [11, 1],
  ]);
  // Of the events that are not loaded, only its own have a line.
  expect(depths(3, 13)).toEqual([[3, 0], ...[5, 6, 7, 8].map((seq) => [seq, "missing"])]);
  expect(depths(7, 9)).toEqual([...[3, 5, 6].map((seq) => [seq, "missing"]), [7, 0], [8, "missing"]]);
});
