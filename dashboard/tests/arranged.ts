/** Sessions as a run may report them, and their arrangement. */

import fc from "fast-check";
import { addEvents, emptyTimeline, type Timeline } from "../src/state/session/events";
import { everything, type Passing } from "../src/state/session/outline";
import { type Arrangement, Arranger, type Way } from "../src/state/timeline/arranger";
import { countOf, seqIn } from "../src/state/timeline/gaps";
import type { Row } from "../src/state/timeline/rows";
import type { WireEvent } from "../src/wire";
import { anEvent } from "./support";

export function timeline(...wires: Partial<WireEvent>[]): Timeline {
  return addEvents(
    emptyTimeline,
    wires.map((wire, place) => anEvent(place + 1, wire)),
  );
}

export const pre = (tool_use_id: string, more: Partial<WireEvent> = {}) => ({
  event_type: "pre_tool",
  tool_name: "Bash",
  tool_use_id,
  ...more,
});
export const post = (tool_use_id: string, more: Partial<WireEvent> = {}) => ({
  ...pre(tool_use_id, more),
  event_type: "post_tool",
});

export const WAY: Way = {
  state: "running",
  run: 1,
  lane: null,
  open: new Set(),
  isFlat: false,
  folded: 0,
  passing: everything,
};

export interface Shown extends Arrangement {
  /** The seqs of the lines, with each of the missing events. */
  readonly seqs: readonly number[];
  readonly rows: ReadonlyMap<number, Row>;
  /** Return the seq that is shown for a seq. */
  shownBy(seq: number): number;
}

/** Arrange a timeline: without folds around calls, as all rows pass. */
export function arranged(
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
export function folded(timeline: Timeline, way: Parameters<typeof arranged>[1] = {}): Shown {
  return arranged(timeline, { ...way, passing: null });
}

export const inside = (parent: string) => ({ parent_tool_use_id: parent });

/** Random calls as a run may report them: with random parents, in any order, with ends and denials, in several pages. */
export const forest = fc
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
/** Ids of calls. */
export const calls = fc.uniqueArray(fc.integer({ min: 0, max: 9 }).map((id) => `t${id}`));

export function multiples(modulus: number): Passing {
  const has = (seq: number) => seq % modulus === 0;
  return { has, within: (first, last) => everything.within(first, last).filter(has) };
}
