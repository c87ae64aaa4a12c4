/** Where the events of a line are in it: a line for events that are not loaded has all of them, in equal heights. */

import type { Arrangement } from "../../state/timeline/arranger";
import { countOf, placeInGap, seqIn } from "../../state/timeline/gaps";
import type { Row } from "../../state/timeline/rows";

type TimelineLine = Arrangement["lines"][number];

/** A distance within an event. */
export interface Top {
  readonly seq: number;
  readonly offset: number;
}

const MISSING_PX = 40;
const ROW_PX = 36;
const BORDER_PX = 44;

/** Return the key of a line; that of a gap differs from those of its events. */
export function keyOfLine(line: TimelineLine | undefined): number {
  return line?.kind === "gap" ? -line.first : (line?.seq ?? 0);
}

/** Return the event at a distance from the start of a line, and the rest of the distance. */
export function eventIn(line: TimelineLine | undefined, distance: number): Top {
  if (line?.kind !== "gap") return { seq: line?.seq ?? 0, offset: distance };
  const place = Math.max(0, Math.min(countOf(line) - 1, Math.floor(distance / MISSING_PX)));
  return { seq: seqIn(line, place), offset: distance - place * MISSING_PX };
}

/** Return the distance of a place within an event from the start of its line; the event may be part of another row. */
export function distanceIn(line: TimelineLine | undefined, { seq, offset }: Top): number {
  if (line?.kind === "gap") return placeInGap(line, seq) * MISSING_PX + offset;
  return line?.seq === seq ? offset : 0;
}

/** Return the events of a line between two distances from its start. */
export function eventsIn(line: TimelineLine | undefined, from: number, to: number): readonly number[] {
  if (line === undefined) return [];
  if (line.kind !== "gap") return [line.seq];
  const [first, last] = [Math.max(0, Math.floor(from / MISSING_PX)), Math.ceil(to / MISSING_PX)];
  const count = Math.max(0, Math.min(countOf(line), last) - first);
  return Array.from({ length: count }, (_, place) => seqIn(line, first + place));
}

const heights = new WeakMap<TimelineLine, number>();

/** Estimate the height of a line before it is rendered, so that the scroll bar is stable. */
export function estimatedHeight(line: TimelineLine | undefined): number {
  if (line === undefined || line.kind === "copied") return ROW_PX;
  if (line.kind === "gap") return countOf(line) * MISSING_PX;
  const known = heights.get(line) ?? heightOf(line);
  heights.set(line, known);
  return known;
}

function heightOf({ kind, event, group, beginsRun }: Row): number {
  const border = beginsRun === null ? 0 : BORDER_PX;
  if (kind === "call" || (group && !group.isOpen) || event.kind !== "message") return ROW_PX + border;
  const lines = event.text.slice(0, 6000).split("\n");
  return border + 52 + lines.reduce((sum, line) => sum + 22 * Math.max(1, Math.ceil(line.length / 95)), 0);
}
