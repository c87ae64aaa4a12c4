/** The loaded events of a session, by seq.
 *
 * Events never change and seqs are unique, so merging pages and live frames is a union: repeats and order do not
 * matter. Only events near the reader are kept; others are loaded again when needed.
 */

import type { SessionEvent } from "../wire";
import { callTree, parentKey } from "./call-tree";

export interface Timeline {
  /** The highest seq known to exist. */
  readonly head: number;
  readonly events: ReadonlyMap<number, SessionEvent>;
}

export const emptyTimeline: Timeline = { head: 0, events: new Map() };

/** Events are loaded in pages that end at multiples of this number. */
const PAGE_EVENTS = 100;
const MAX_KEPT = 6000;
const KEPT_AROUND = 2000;

export function addEvents(timeline: Timeline, found: readonly SessionEvent[]): Timeline {
  const fresh = found.filter((event) => !timeline.events.has(event.seq));
  const head = found.reduce((last, event) => Math.max(last, event.seq), timeline.head);
  if (fresh.length === 0) return raiseHead(timeline, head);
  const events = new Map(timeline.events);
  for (const event of fresh) events.set(event.seq, event);
  return { head, events };
}

/** Return the loaded events after a seq. */
export function eventsAfter({ events }: Timeline, seq: number): Iterable<SessionEvent> {
  return seq === 0 ? events.values() : [...events.values()].filter((event) => event.seq > seq);
}

export function raiseHead(timeline: Timeline, head: number): Timeline {
  return head > timeline.head ? { ...timeline, head } : timeline;
}

/** A range of seqs, including both ends. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** Return the spans that cover these seqs and `around` more on each side, in order and without overlap. */
export function spansAround(seqs: readonly number[], around: number): readonly Span[] {
  const spans: { first: number; last: number }[] = [];
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    const before = spans.at(-1);
    if (before && seq - around <= before.last + 1) before.last = seq + around;
    else spans.push({ first: Math.max(1, seq - around), last: seq + around });
  }
  return spans;
}

/** Drop events far from the visible seqs if there are many events; keep the calls around the kept events. */
export function forgetFar(timeline: Timeline, shown: readonly number[]): Timeline {
  if (timeline.events.size <= MAX_KEPT) return timeline;
  const near = spansAround([...shown, timeline.head], KEPT_AROUND);
  const kept = new Set<SessionEvent>();
  for (const { first, last } of near) {
    for (let seq = first; seq <= last; seq += 1) {
      const event = timeline.events.get(seq);
      if (event) kept.add(event);
    }
  }
  const { begun } = callTree(timeline.events.values());
  for (const event of kept) {
    const call = begun.get(parentKey(event) ?? "");
    if (call) kept.add(call);
  }
  if (kept.size === timeline.events.size) return timeline;
  return { ...timeline, events: new Map([...kept].map((event) => [event.seq, event])) };
}

/** A query for missing events: up to `limit` events after `after_seq`. */
export interface MissingEvents {
  readonly after_seq: number;
  readonly limit: number;
}

/** Return the queries, page by page, for the missing events at and around these seqs. */
export function missingEvents(
  timeline: Timeline,
  shown: readonly number[],
  around: number,
): readonly MissingEvents[] {
  const missing: MissingEvents[] = [];
  for (const { first, last } of spansAround(shown, around)) {
    let seq = Math.max(first, (missing.at(-1)?.after_seq ?? 0) + (missing.at(-1)?.limit ?? 0) + 1);
    for (; seq <= Math.min(timeline.head, last); seq += 1) {
      if (timeline.events.has(seq)) continue;
      const pageEnd = Math.ceil(seq / PAGE_EVENTS) * PAGE_EVENTS;
      missing.push({ after_seq: seq - 1, limit: pageEnd - seq + 1 });
      seq = pageEnd;
    }
  }
  return missing;
}
