/** Events that are not loaded: those between two rows are one item of a list, however many they are. */

import type { Passing } from "../session/outline";
import { placeIn } from "../session/sorted";

export interface Gap {
  readonly kind: "gap";
  readonly first: number;
  readonly last: number;
  /** The seqs that a filter lets pass; null if all of them. */
  readonly only: readonly number[] | null;
}

/** Return the number of events of a gap. */
export function countOf({ first, last, only }: Gap): number {
  return only?.length ?? last - first + 1;
}

/** Return the event at a place in a gap. */
export function seqIn({ first, last, only }: Gap, place: number): number {
  return only?.[place] ?? Math.min(last, first + place);
}

/** Return the place of an event in a gap. */
export function placeInGap({ first, only }: Gap, seq: number): number {
  return only ? Math.min(placeIn(only, seq), only.length - 1) : seq - first;
}

/** Return the gap from one event to another, with only those of a lane, if any; null if it has no event. */
export function gapOf(first: number, last: number, lane: Passing | null): Gap | null {
  if (last < first) return null;
  const gap: Gap = { kind: "gap", first, last, only: null };
  return lane ? restrictGap(gap, lane) : gap;
}

/** Return the gap with only the events that pass; null if no event passes. */
export function restrictGap(gap: Gap, passing: Passing): Gap | null {
  const only = gap.only?.filter((seq) => passing.has(seq)) ?? passing.within(gap.first, gap.last);
  return only.length === 0 ? null : { ...gap, only };
}
