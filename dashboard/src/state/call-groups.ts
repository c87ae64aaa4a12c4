/** Folds tool calls that follow each other into one line, once all of them have ended. */

import type { Arrangement, Row } from "./rows";

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
/** A group ends where the next block of seqs begins: without an end, a long run of calls would be one line, and all of
 * its events would be loaded to fill the screen. */
const BLOCK = 200;
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

/** Fold the groups of calls; `isRunning` keeps the calls at the end of the session unfolded. */
export function foldCalls(arranged: Arrangement, isRunning: boolean, open: ReadonlySet<string>): Arrangement {
  const { seqs, rows } = arranged;
  const opened = new Set([...open].map(seqOfKey));
  const kept: number[] = [];
  const moved = new Int32Array(seqs.length);
  const changed = new Map<number, Row>();
  let at = 0;
  while (at < seqs.length) {
    const end = endOfGroup(seqs, rows, at);
    if (end - at < MIN_CALLS) {
      const next = Math.max(end, at + 1);
      for (; at < next; at += 1) {
        moved[at] = kept.length;
        kept.push(seqs[at] ?? 0);
      }
      continue;
    }
    const members = seqs.slice(at, end).map((seq) => rows.get(seq));
    const isAtEnd = isRunning && end === seqs.length;
    const group = isAtEnd ? null : groupOf(members, opened);
    if (group && members[0]) changed.set(members[0].seq, { ...members[0], group });
    for (const [place, member] of members.entries()) {
      if (place === 0 || group === null || group.isOpen) kept.push(member?.seq ?? seqs[at + place] ?? 0);
      moved[at + place] = kept.length - 1;
    }
    at += members.length;
  }
  if (changed.size === 0) return arranged;
  return {
    seqs: kept,
    rows: new Map([...rows, ...changed]),
    places: arranged.places.map((place) => moved[place] ?? 0),
  };
}

/** Return the place after the group that begins at a place; the place itself if none begins there. */
function endOfGroup(seqs: readonly number[], rows: ReadonlyMap<number, Row>, begin: number): number {
  let end = begin;
  const block = blockOf(seqs[begin] ?? 0);
  for (; end < seqs.length; end += 1) {
    const row = rows.get(seqs[end] ?? 0);
    if (row === undefined || !isMember(row, end === begin)) break;
    if (row.depth === 0 && blockOf(row.seq) !== block) break;
  }
  return end;
}

function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK);
}

function isMember(row: Row, isFirst: boolean): boolean {
  if (isFirst ? row.kind !== "call" || row.depth > 0 : row.beginsRun !== null || row.beginsSubagent)
    return false;
  return row.kind === "call" || row.depth > 0 || row.event.kind === "thinking";
}

function groupOf(
  members: readonly (Row | undefined)[],
  opened: ReadonlySet<number | null>,
): CallGroup | null {
  const calls = members.flatMap((row) => (row?.kind === "call" && row.depth === 0 ? [row] : []));
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
    isOpen: members.some((row) => row && opened.has(row.seq)),
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

/** Keep only the rows that pass; the others are shown by the row before them. */
export function restrict(arranged: Arrangement, passes: (seq: number) => boolean): Arrangement {
  const kept: number[] = [];
  const moved = new Int32Array(arranged.seqs.length);
  for (const [place, seq] of arranged.seqs.entries()) {
    if (passes(seq)) kept.push(seq);
    moved[place] = Math.max(0, kept.length - 1);
  }
  return { ...arranged, seqs: kept, places: arranged.places.map((place) => moved[place] ?? 0) };
}
