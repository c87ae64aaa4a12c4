/** The loaded events of a session, in pages by seq.
 *
 * Events never change and seqs are unique, so merging pages and live frames is a union: repeats and order do not
 * matter. A change replaces only the pages that it concerns, so results for other pages stay valid. Only pages
 * near the reader are kept; others are loaded again when needed.
 */

import type { SessionEvent } from "../../wire";
import { keyOf, parentKey } from "./call-keys";

/** Events are loaded, arranged, folded and forgotten in pages of this size. */
export const PAGE_EVENTS = 100;

/** The events of a page at their places; a place is empty while its event is not loaded. */
export type Page = readonly (SessionEvent | undefined)[];

export interface Timeline {
  /** The highest seq known to exist. */
  readonly head: number;
  readonly pages: ReadonlyMap<number, Page>;
}

export const emptyTimeline: Timeline = { head: 0, pages: new Map() };

const MAX_KEPT = 6000;
const KEPT_AROUND = 2000;
/** Pages are forgotten when there are this many to forget. */
const FORGOTTEN_PAGES = 10;

export function pageOf(seq: number): number {
  return Math.floor((seq - 1) / PAGE_EVENTS);
}

/** Return the first seq of a page. */
export function firstOf(page: number): number {
  return page * PAGE_EVENTS + 1;
}

export function eventAt({ pages }: Pick<Timeline, "pages">, seq: number): SessionEvent | undefined {
  return pages.get(pageOf(seq))?.[(seq - 1) % PAGE_EVENTS];
}

export function addEvents(timeline: Timeline, found: readonly SessionEvent[]): Timeline {
  const head = found.reduce((last, event) => Math.max(last, event.seq), timeline.head);
  const changed = new Map<number, (SessionEvent | undefined)[]>();
  for (const event of found) {
    if (eventAt(timeline, event.seq)) continue;
    const number = pageOf(event.seq);
    const page = changed.get(number) ?? Array.from(timeline.pages.get(number) ?? []);
    page[(event.seq - 1) % PAGE_EVENTS] = event;
    changed.set(number, page);
  }
  if (changed.size === 0) return raiseHead(timeline, head);
  return { head, pages: new Map([...timeline.pages, ...changed]) };
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

/** Drop pages far from the visible seqs if there are many; keep those with the calls around the kept events. */
export function forgetFar(timeline: Timeline, shown: readonly number[]): Timeline {
  if (timeline.pages.size * PAGE_EVENTS <= MAX_KEPT) return timeline;
  const near = new Set<number>();
  for (const { first, last } of spansAround([...shown, timeline.head], KEPT_AROUND)) {
    for (let page = pageOf(first); page <= pageOf(last); page += 1) near.add(page);
  }
  const far = [...timeline.pages].filter(([page]) => !near.has(page));
  if (far.length < FORGOTTEN_PAGES) return timeline;
  const calls = new Map<string | null, number>();
  for (const [number, page] of far) {
    for (const event of page) if (event?.kind === "pre_tool") calls.set(keyOf(event), number);
  }
  calls.delete(null);
  for (const number of near) {
    for (const event of timeline.pages.get(number) ?? []) {
      const around = event && calls.get(parentKey(event));
      if (around !== undefined) near.add(around);
    }
  }
  const kept = [...timeline.pages].filter(([page]) => near.has(page));
  return kept.length === timeline.pages.size ? timeline : { ...timeline, pages: new Map(kept) };
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
      if (eventAt(timeline, seq)) continue;
      const pageEnd = Math.ceil(seq / PAGE_EVENTS) * PAGE_EVENTS;
      missing.push({ after_seq: seq - 1, limit: pageEnd - seq + 1 });
      seq = pageEnd;
    }
  }
  return missing;
}
