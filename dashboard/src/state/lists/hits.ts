/** Joins the pages of a search. */

import type { FoundSession, Hit, SearchAnswer, SearchSort } from "../../wire";

/** Hits of one session that follow each other in the order of the search. */
export interface HitGroup {
  readonly session: FoundSession;
  readonly hits: readonly Hit[];
}

export function keyOfHit({ session_id, seq }: Pick<Hit, "session_id" | "seq">): string {
  return `${session_id} ${seq}`;
}

/** Group the hits of all pages; events that were added between two pages can repeat a hit. */
export function groupHits(pages: readonly Pick<SearchAnswer, "hits">[]): readonly HitGroup[] {
  const groups: { session: FoundSession; hits: Hit[] }[] = [];
  const seen = new Set<string>();
  for (const hit of pages.flatMap((page) => page.hits)) {
    if (seen.has(keyOfHit(hit))) continue;
    seen.add(keyOfHit(hit));
    const last = groups.at(-1);
    if (last?.session.session_id === hit.session_id) last.hits.push(hit);
    else groups.push({ session: hit, hits: [hit] });
  }
  return groups;
}

/** Return the number of events that the index does not have yet. */
export function lagOf(page: Pick<SearchAnswer, "newest" | "indexed_through">): number {
  return Math.max(0, page.newest - page.indexed_through);
}

/** Describe how far a search has come; null if it has seen everything and `sort` does not depend on it. */
export function progressOf(
  pages: readonly Pick<SearchAnswer, "considered" | "complete">[],
  sort: SearchSort,
): { readonly considered: number; readonly isCut: boolean } | null {
  const isCut = pages.at(-1)?.complete === false;
  if (sort !== "best" && !isCut) return null;
  return { considered: pages.reduce((sum, page) => sum + page.considered, 0), isCut };
}
