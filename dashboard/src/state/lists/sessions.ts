/** Computes the visible list: the loaded pages, merged with the changes from the feed.
 *
 * The functions are pure, and the order in which pages and frames arrived does not matter. Sessions of pages keep the
 * manager's order, since a session does not contain all that the manager orders by. Only a session whose place a change
 * has moved is placed here. The feed also reports sessions after the last loaded page. They are shown with their page,
 * so that the list has no gaps.
 */

import { positionOf } from "../../api/session-frames";
import { momentOf } from "../../text/address/moments";
import type { Session, SessionFilter, SessionPage, SessionSort } from "../../wire";
import type { Changes, Word } from "./changes";

export function joinSessions(
  pages: readonly SessionPage[],
  changes: Changes,
  filter: SessionFilter,
  now: number,
): readonly Session[] {
  const paged = fromPages(pages);
  const matches = matcher(filter, now);
  const compare = comparator(filter);
  const frontier = frontierOf(pages);
  const inPlace: Session[] = [];
  const moved: Session[] = [];
  for (const [sessionId, word] of paged) {
    const { session } = newer(word, changes.get(sessionId));
    if (!session || !matches(session)) continue;
    const stays = word.session !== null && compare(word.session, session) === 0;
    (stays ? inPlace : moved).push(session);
  }
  for (const [sessionId, { session }] of changes) {
    if (session === null || paged.has(sessionId) || !matches(session)) continue;
    if (frontier === null || compare(session, frontier) <= 0) moved.push(session);
  }
  return merge(
    inPlace,
    moved.sort((a, b) => compare(a, b) || byId(a, b)),
    compare,
  );
}

/** Return both sorted lists as one. Of equals the moved session is first, as its change is newer. */
function merge(inPlace: readonly Session[], moved: readonly Session[], compare: Compare): readonly Session[] {
  const merged: Session[] = [];
  let next = 0;
  for (const session of inPlace) {
    for (let other = moved[next]; other && compare(other, session) <= 0; other = moved[next]) {
      merged.push(other);
      next += 1;
    }
    merged.push(session);
  }
  return [...merged, ...moved.slice(next)];
}

/** Return the number of sessions that match: those of the first page's count, and what the feed has changed since. */
export function totalOf(pages: readonly SessionPage[], joined: readonly Session[]): number {
  const last = pages.at(-1);
  if (!last?.next_page) return joined.length;
  const loaded = fromPages(pages).size;
  return (pages[0]?.total ?? loaded) - loaded + joined.length;
}

/** Return a function that tells whether a session matches the filter, as the manager does. */
export function matcher(filter: SessionFilter, now: number): (session: Session) => boolean {
  const checks = checksOf(filter, now);
  return (session) => checks.every((check) => check(session));
}

function checksOf(filter: SessionFilter, now: number): readonly ((session: Session) => boolean)[] {
  const { state, attention, reason, archived } = filter;
  const [text, project] = [filter.text.trim(), filter.project.trim()];
  const since = momentOf(filter.since, now) ?? Number.NEGATIVE_INFINITY;
  const until = momentOf(filter.until, now, true) ?? Number.POSITIVE_INFINITY;
  const activity = (session: Session) => Date.parse(session.last_activity_at);
  const kinds: readonly (string | undefined)[] = attention;
  const checks: readonly (readonly [isWanted: boolean, check: (session: Session) => boolean])[] = [
    [state.length > 0, (session) => state.includes(session.state)],
    [
      kinds.length > 0,
      (session) =>
        session.attention !== null && (kinds.includes("any") || kinds.includes(session.attention.kind)),
    ],
    [reason.length > 0, (session) => session.reason !== null && reason.includes(session.reason)],
    [project !== "", (session) => has(session.project_dir, project)],
    [filter.agent !== null, (session) => session.agent === filter.agent],
    [filter.model !== "", (session) => has(session.model, filter.model)],
    [filter.host !== null, (session) => session.host === filter.host],
    [filter.since !== "", (session) => activity(session) >= since],
    [filter.until !== "", (session) => activity(session) < until],
    [
      filter.cost_over !== null,
      (session) => session.usage.cost_microdollars > (filter.cost_over ?? 0) * 1_000_000,
    ],
    [filter.denied !== null, (session) => session.denied_calls > 0 === filter.denied],
    [filter.has_notices !== null, (session) => session.undelivered_notices > 0 === filter.has_notices],
    [filter.parent_session_id !== null, (session) => session.parent_session_id === filter.parent_session_id],
    [archived !== "all", (session) => (session.archived_at !== null) === (archived === "true")],
    [filter.top_level, (session) => session.parent_session_id === null],
    [text !== "", (session) => searchedOf(session).some((value) => has(value, text))],
  ];
  return checks.filter(([isWanted]) => isWanted).map(([, check]) => check);
}

function searchedOf(session: Session): readonly (string | null)[] {
  return [session.session_name, session.project_dir, session.agent, session.session_id];
}

/** Return whether a value contains this text, ignoring case. */
function has(value: string | null, part: string): boolean {
  return value?.toLowerCase().includes(part.toLowerCase()) ?? false;
}

export interface ShownOrder {
  readonly ids: readonly string[];
  /** Number of new sessions that are not shown yet. */
  readonly waiting: number;
}

/** Return the order to show, given the visible order.
 *
 * While the reader uses the list (`isHeld`), rows keep their order: deleted rows disappear, rows of the next pages are
 * appended, and other new rows wait until the reader requests them.
 */
export function settle(shown: readonly string[], wanted: readonly string[], isHeld: boolean): ShownOrder {
  if (!isHeld || shown.length === 0) return { ids: wanted, waiting: 0 };
  const stillWanted = new Set(wanted);
  const ids = shown.filter((id) => stillWanted.has(id));
  const present = new Set(ids);
  const lastShown = wanted.findLastIndex((id) => present.has(id));
  const fromFurtherPages = wanted.slice(lastShown + 1);
  return {
    ids: [...ids, ...fromFurtherPages],
    waiting: wanted.length - ids.length - fromFurtherPages.length,
  };
}

function fromPages(pages: readonly SessionPage[]): ReadonlyMap<string, Word> {
  const words = new Map<string, Word>();
  for (const page of pages) {
    const position = positionOf(page.cursor);
    for (const session of page.sessions) {
      const word = { position, session };
      const known = words.get(session.session_id);
      if (known && newer(word, known) === known) continue;
      words.delete(session.session_id); // its place is that of the newer page
      words.set(session.session_id, word);
    }
  }
  return words;
}

/** Return the newer version; at equal positions the first one, as a page is read after its cursor was taken. */
function newer(word: Word, other: Word | undefined): Word {
  return other && other.position > word.position ? other : word;
}

function frontierOf(pages: readonly SessionPage[]): Session | null {
  const last = pages.at(-1);
  return last?.next_page ? (last.sessions.at(-1) ?? null) : null;
}

type Compare = (a: Session, b: Session) => number;

const byId: Compare = (a, b) => (a.session_id < b.session_id ? -1 : a.session_id > b.session_id ? 1 : 0);
const byCreation: Compare = (a, b) => ascending(a.created_at, b.created_at);

/** Orders by what a session contains. Sessions can be equal; the manager orders these by numbers of its own. */
const comparators: Readonly<Record<SessionSort, Compare>> = {
  created: byCreation,
  activity: (a, b) => ascending(a.last_activity_at, b.last_activity_at),
  name: (a, b) => ascending(a.session_name, b.session_name) || byCreation(a, b),
  cost: (a, b) => a.usage.cost_microdollars - b.usage.cost_microdollars || byCreation(a, b),
  took: (a, b) => a.took_seconds - b.took_seconds || byCreation(a, b),
};

function comparator({ sort, order }: SessionFilter): Compare {
  const compare = comparators[sort];
  return order === "asc" ? compare : (a, b) => compare(b, a);
}

function ascending(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
