/** The events of a session that the page has, by seq.
 *
 * Events never change and their seq is given once, so joining pages and live frames is a union: twice
 * or in another order gives the same. Only events near the reader are kept; the rest is read again.
 */

import type { SessionEvent } from "../wire";

export interface Timeline {
  /** The last seq that is known to exist. */
  readonly head: number;
  readonly events: ReadonlyMap<number, SessionEvent>;
}

export const emptyTimeline: Timeline = { head: 0, events: new Map() };

/** Events are read in pages that end at multiples of this. */
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

export function raiseHead(timeline: Timeline, head: number): Timeline {
  return head > timeline.head ? { ...timeline, head } : timeline;
}

/** Forget what is far from the seqs on the screen, once there is much of it. */
export function forgetFar(timeline: Timeline, first: number, last: number): Timeline {
  if (timeline.events.size <= MAX_KEPT) return timeline;
  const isNear = (seq: number) =>
    (seq >= first - KEPT_AROUND && seq <= last + KEPT_AROUND) || seq > timeline.head - KEPT_AROUND / 2;
  return { ...timeline, events: new Map([...timeline.events].filter(([seq]) => isNear(seq))) };
}

/** What to ask for, as a query: the events past `after_seq`. */
export interface MissingEvents {
  readonly after_seq: number;
  readonly limit: number;
}

/** What is missing to show these seqs in full, page by page. */
export function missingEvents(timeline: Timeline, first: number, last: number): readonly MissingEvents[] {
  const missing: MissingEvents[] = [];
  const end = Math.min(timeline.head, last);
  for (let seq = Math.max(1, first); seq <= end; seq += 1) {
    if (timeline.events.has(seq)) continue;
    const pageEnd = Math.ceil(seq / PAGE_EVENTS) * PAGE_EVENTS;
    missing.push({ after_seq: seq - 1, limit: pageEnd - seq + 1 });
    seq = pageEnd;
  }
  return missing;
}
