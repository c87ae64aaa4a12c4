/** Folds tool calls that follow each other in a page into one line, once all of them have ended.
 *
 * A group ends with its page: without an end, a long run of calls would be one line, and all of its events would be
 * loaded to fill the screen.
 */

import type { Passing } from "../session/outline";
import { restrictGap } from "./gaps";
import type { Line, Row } from "./rows";

/** A fold around calls, shown above the first of them. */
export interface CallGroup {
  /** The first and the last seq, as a key of the open folds. */
  readonly key: string;
  readonly count: number;
  /** The seqs of all its calls, also those of subagents. */
  readonly calls: readonly number[];
  readonly words: string;
  readonly isBad: boolean;
  readonly seconds: number | null;
  readonly isOpen: boolean;
}

/** Fewer calls are not folded. */
const MIN_CALLS = 3;
const MAX_TOOLS = 5;
const KEY = /^calls:(\d+)-(\d+)$/;

/** Return the key by which a row opens the group that has it. */
export function rowKey(seq: number): string {
  return `calls:${seq}`;
}

/** Open or close a fold; a group is open as long as one of its rows is named. */
export function toggledFold(open: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const [, first, last] = KEY.exec(key) ?? [];
  const next = new Set(open);
  if (first === undefined) {
    if (!next.delete(key)) next.add(key);
    return next;
  }
  const inside = [...open].filter((each) => {
    const seq = seqOfKey(each);
    return seq !== null && seq >= Number(first) && seq <= Number(last);
  });
  for (const each of inside) next.delete(each);
  if (inside.length === 0) next.add(rowKey(Number(first)));
  return next;
}

function seqOfKey(key: string): number | null {
  return /^calls:\d+$/.test(key) ? Number(key.slice("calls:".length)) : null;
}

/** Lines with the rows that are not shown left out. */
export interface ShownLines {
  readonly lines: readonly Line[];
  /** For the seq of each row, the place of the line that shows it; -1 for that before the first line. */
  readonly places: ReadonlyMap<number, number>;
}

/** Fold the groups of calls; `isRunning` keeps the calls at the end unfolded, because the session continues. */
export function foldCalls(rows: readonly Line[], isRunning: boolean, open: ReadonlySet<string>): ShownLines {
  const lines: Line[] = [];
  const places = new Map<number, number>();
  let at = 0;
  while (at < rows.length) {
    const members = membersFrom(rows, at);
    const isAtEnd = at + members.length === rows.length;
    const group = isRunning && isAtEnd ? null : groupOf(members, open);
    for (const [place, member] of members.entries()) {
      if (place === 0 && group) lines.push({ ...member, group });
      else if (!group || group.isOpen) lines.push(member);
      places.set(member.seq, lines.length - 1);
    }
    const single = members.length === 0 ? rows[at] : undefined;
    if (single) lines.push(single);
    if (single && single.kind !== "gap") places.set(single.seq, lines.length - 1);
    at += members.length || 1;
  }
  return { lines, places };
}

/** Return the rows of the group that begins at a place; it may be too small to fold. */
function membersFrom(rows: readonly Line[], begin: number): readonly Row[] {
  const members: Row[] = [];
  for (let row = rows[begin]; row && row.kind !== "gap"; row = rows[begin + members.length]) {
    if (!isMember(row, members.length === 0)) break;
    members.push(row);
  }
  return members;
}

function isMember(row: Row, isFirst: boolean): boolean {
  if (isFirst ? row.kind !== "call" || row.depth > 0 : row.beginsRun !== null || row.beginsSubagent)
    return false;
  return row.kind === "call" || row.depth > 0 || row.event.kind === "thinking";
}

function groupOf(members: readonly Row[], open: ReadonlySet<string>): CallGroup | null {
  const calls = members.flatMap((row) => (row.kind === "call" && row.depth === 0 ? [row] : []));
  const [first, last] = [members[0], members.at(-1)];
  if (calls.length < MIN_CALLS || !first || !last) return null;
  if (calls.some(({ call }) => call.outcome === "running")) return null;
  const ends = calls.flatMap(({ call }) => (call.ended ? [Date.parse(call.ended.at)] : []));
  return {
    key: `calls:${first.seq}-${last.seq}`,
    count: calls.length,
    calls: members.flatMap((row) => (row?.kind === "call" ? [row.seq] : [])),
    words: wordsOf(calls),
    isBad: calls.some(({ call }) => call.outcome === "failed" || call.outcome === "denied"),
    seconds: ends.length === 0 ? null : (Math.max(...ends) - Date.parse(first.event.at)) / 1000,
    isOpen: members.some(({ seq }) => open.has(rowKey(seq))),
  };
}

/** Return what the calls were, for example "1 Read, 3 Bash (2 failed)". */
function wordsOf(calls: readonly (Row & { kind: "call" })[]): string {
  const tools = new Map<string, { all: number; failed: number; denied: number }>();
  for (const { call } of calls) {
    const counts = tools.get(call.toolName) ?? { all: 0, failed: 0, denied: 0 };
    counts.all += 1;
    if (call.outcome === "failed" || call.outcome === "denied") counts[call.outcome] += 1;
    tools.set(call.toolName, counts);
  }
  const words = [...tools].map(([tool, { all, failed, denied }]) => {
    const bad = [failed > 0 && `${failed} failed`, denied > 0 && `${denied} denied`]
      .filter(Boolean)
      .join(", ");
    return `${all} ${tool}${bad && ` (${bad})`}`;
  });
  const hidden = words.length - MAX_TOOLS;
  return hidden > 0 ? `${words.slice(0, MAX_TOOLS).join(", ")} and ${hidden} other tools` : words.join(", ");
}

/** Keep only the rows that pass, and the gaps with events that pass. */
export function restrict(rows: readonly Line[], passing: Passing): ShownLines {
  const lines: Line[] = [];
  const places = new Map<number, number>();
  for (const row of rows) {
    const kept = row.kind === "gap" ? restrictGap(row, passing) : passing.has(row.seq) ? row : null;
    if (kept) lines.push(kept);
    if (row.kind !== "gap") places.set(row.seq, lines.length - 1);
  }
  return { lines, places };
}
