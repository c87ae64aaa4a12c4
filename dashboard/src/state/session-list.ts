/** The list on the screen: the pages that were read, joined with what the feed has said since.
 *
 * Pure, and indifferent to the order in which pages and frames came. The feed also speaks of sessions
 * that lie past the last page read: they wait for their page, so that the list has no holes in it.
 */

import { positionOf } from "../api/session-frames";
import type { Session, SessionFilter, SessionPage, SessionSort } from "../wire";
import type { Changes, Word } from "./changes";

export function joinSessions(
  pages: readonly SessionPage[],
  changes: Changes,
  filter: SessionFilter,
): readonly Session[] {
  const paged = fromPages(pages);
  const compare = comparators[filter.sort];
  const frontier = frontierOf(pages);
  const shown: Session[] = [];
  for (const [sessionId, word] of paged) {
    const session = newer(word, changes.get(sessionId)).session;
    if (session && matches(session, filter)) shown.push(session);
  }
  for (const [sessionId, { session }] of changes) {
    if (session === null || paged.has(sessionId) || !matches(session, filter)) continue;
    if (frontier === null || compare(session, frontier) < 0) shown.push(session);
  }
  return shown.sort(compare);
}

export function matches(session: Session, filter: SessionFilter): boolean {
  if (filter.state && session.state !== filter.state) return false;
  const project = filter.project.trim();
  if (project && !has(session.project_dir, project)) return false;
  if (filter.project_dir && session.project_dir !== filter.project_dir) return false;
  if (filter.agent_name && session.agent_name !== filter.agent_name) return false;
  if (filter.parent_session_id && session.parent_session_id !== filter.parent_session_id) return false;
  if (filter.archived !== "all" && (session.archived_at !== null) !== (filter.archived === "true"))
    return false;
  if (filter.grouped && session.parent_session_id !== null) return false;
  const text = filter.text.trim();
  const searched = [session.session_name, session.project_dir, session.agent_name, session.session_id];
  return searched.some((value) => has(value, text));
}

/** Whether a value has this part, in small letters or large ones. */
function has(value: string | null, part: string): boolean {
  return value?.toLowerCase().includes(part.toLowerCase()) ?? false;
}

export interface ShownOrder {
  readonly ids: readonly string[];
  /** New at places that the reader is looking past; null where nothing waits. */
  readonly waiting: number;
}

/** The order to show, given the one that is on the screen.
 *
 * While the reader is in the middle of something (`isHeld`) rows stay where they are: those that are
 * gone go, those of a further page are appended, and the rest waits to be asked for.
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
      words.set(session.session_id, known ? newer(word, known) : word);
    }
  }
  return words;
}

/** Of equal position the first counts: a page is read after its cursor was taken. */
function newer(word: Word, other: Word | undefined): Word {
  return other && other.position > word.position ? other : word;
}

function frontierOf(pages: readonly SessionPage[]): Session | null {
  const last = pages.at(-1);
  return last?.next_page ? (last.sessions.at(-1) ?? null) : null;
}

type Compare = (a: Session, b: Session) => number;

const byId: Compare = (a, b) => (a.session_id < b.session_id ? -1 : a.session_id > b.session_id ? 1 : 0);
const byCreation: Compare = (a, b) => descending(a.created_at, b.created_at) || byId(a, b);

const comparators: Readonly<Record<SessionSort, Compare>> = {
  created: byCreation,
  activity: (a, b) => descending(a.last_activity_at, b.last_activity_at) || byId(a, b),
  name: (a, b) => -descending(a.session_name, b.session_name) || -byCreation(a, b),
  cost: (a, b) => b.usage.cost_microdollars - a.usage.cost_microdollars || byCreation(a, b),
};

function descending(a: string, b: string): number {
  return a < b ? 1 : a > b ? -1 : 0;
}
