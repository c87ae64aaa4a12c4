/** Chooses and orders the rows of the page Now. */

import { NEEDING } from "../../text/attention";
import type { Session } from "../../wire";

export interface NowRow {
  readonly session: Session;
  /** Whether the reader marked its end as seen on this page; it stays until the reader leaves. */
  readonly isSeen: boolean;
}

export interface NowSections {
  readonly needs: readonly NowRow[];
  readonly running: readonly NowRow[];
  readonly done: readonly NowRow[];
}

export interface NowSessions {
  readonly needs: readonly Session[];
  /** All sessions with an open run, also those that need a person. */
  readonly running: readonly Session[];
  readonly done: readonly Session[];
  /** Sessions as they were when the reader marked them as seen on this page. */
  readonly seen: ReadonlyMap<string, Session>;
}

/** Return the rows of each section. A session has one row, and a child none while its parent has one. */
export function sectionsOf({ needs, running, done, seen }: NowSessions): NowSections {
  const isNeeding = ({ attention }: Session) => attention !== null && attention.kind !== "done";
  const kept = [...seen.values()].filter(({ session_id, run }) => {
    const isNewer = (other: Session) => other.session_id === session_id && other.run >= run;
    return ![...needs, ...done, ...running].some(isNewer);
  });
  const shown = new Set(needs.map(({ session_id }) => session_id));
  const open = running.filter(({ session_id }) => !shown.has(session_id));
  const openIds = new Set(open.map(({ session_id }) => session_id));
  return {
    needs: rows(needs, kept.filter(isNeeding), byUrgency),
    running: rows(
      open.filter(({ parent_session_id: parent }) => parent === null || !openIds.has(parent)),
      [],
      (a, b) => descending(a.started_at, b.started_at),
    ),
    done: rows(
      done,
      kept.filter((session) => !isNeeding(session)),
      newestFirst,
    ),
  };
}

type Compare = (a: Session, b: Session) => number;

function rows(sessions: readonly Session[], seen: readonly Session[], compare: Compare): readonly NowRow[] {
  return [
    ...sessions.map((session) => ({ session, isSeen: false })),
    ...seen.map((session) => ({ session, isSeen: true })),
  ].sort((a, b) => compare(a.session, b.session) || (a.session.session_id < b.session.session_id ? -1 : 1));
}

const byUrgency: Compare = (a, b) => urgency(a) - urgency(b) || newestFirst(a, b);
const newestFirst: Compare = (a, b) => descending(sinceOf(a), sinceOf(b));

function urgency({ attention }: Session): number {
  const kinds: readonly string[] = NEEDING;
  return kinds.indexOf(attention?.kind ?? "");
}

function sinceOf(session: Session): string {
  return session.attention?.since ?? session.last_activity_at;
}

function descending(a: string, b: string): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

/** Return the sentence at the top of the page. */
export function summaryOf(needs: number, running: number): string {
  const run = `${running === 0 ? "Nothing runs" : running === 1 ? "1 runs" : `${running} run`}.`;
  if (needs === 0) return `Nothing needs you. ${run}`;
  return `${needs} need${needs === 1 ? "s" : ""} you. ${run}`;
}
