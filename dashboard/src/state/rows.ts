/** Turns events into the rows of a timeline.
 *
 * Every seq has a row, also while its event is not loaded, unless the event is part of another row. The end of
 * a call is part of the row of its beginning. The events of a folded subagent are part of the call that started
 * it. The parts of a message are part of its first part. Model requests have no row, nor has the usage of a run, which is
 * part of the row of its end. Folded copied events are part of
 * one row without an event, the first.
 * Rows are in the order of their seqs, except that the events of a subagent are together below its call.
 */

import { type EventOf, isRunning, type Session, type SessionEvent } from "../wire";
import type { CallGroup } from "./call-groups";
import { type CallTree, keyOf, partOf } from "./call-tree";
import type { Timeline } from "./timeline";

export type Outcome = "running" | "ok" | "failed" | "denied" | "unknown";

export interface Call {
  readonly toolName: string;
  readonly begun: EventOf<"pre_tool"> | null;
  readonly ended: EventOf<"post_tool"> | null;
  readonly denial: EventOf<"permission_denied"> | null;
  readonly outcome: Outcome;
  /** Seconds between beginning and end, by the manager's clock. */
  readonly seconds: number | null;
}

/** Why a call failed or was denied. */
export function errorOf(call: Call): string | null {
  return call.denial?.error ?? call.ended?.error ?? null;
}

export interface Subagent {
  /** The key of the fold. */
  readonly key: string;
  /** Number of its loaded events. */
  readonly loaded: number;
  readonly isOpen: boolean;
}

interface RowBase {
  readonly seq: number;
  readonly depth: number;
  readonly event: SessionEvent;
  /** The run that begins with this event, if any. */
  readonly beginsRun: number | null;
  /** Whether a subagent begins here whose call is not loaded. */
  readonly beginsSubagent: boolean;
  /** The fold around the calls that begin here. */
  readonly group?: CallGroup;
  /** At the end of a run: what the run used. */
  readonly usage?: EventOf<"usage">["usage"];
}

export type Row = RowBase &
  (
    | { readonly kind: "call"; readonly call: Call; readonly subagent: Subagent | null }
    | { readonly kind: "event" }
  );

export interface Arrangement {
  /** The seqs that have a row, in the order of the rows. */
  readonly seqs: readonly number[];
  /** The rows of the loaded events. */
  readonly rows: ReadonlyMap<number, Row>;
  /** For each seq, the place of the row that shows it. */
  readonly places: Int32Array;
}

type Running = Pick<Session, "state" | "run">;

export function arrange(
  timeline: Timeline,
  tree: CallTree,
  session: Running,
  open: ReadonlySet<string>,
  folded = 0,
): Arrangement {
  const seqs: number[] = folded > 0 ? [1] : [];
  const rows = new Map<number, Row>();
  const places = new Int32Array(timeline.head + 1);
  const wholeFrom = loadedToEndFrom(timeline);

  function add(first: SessionEvent, depth: number, beginsSubagent = false): void {
    const waiting = [{ event: first, depth, fold: null as number | null }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { event, depth, fold } = next;
      if (event.kind === "usage") {
        places[event.seq] = fold ?? Math.max(0, seqs.length - 1);
        continue;
      }
      const place = fold ?? seqs.length;
      places[event.seq] = place;
      if (fold === null) {
        seqs.push(event.seq);
        const base = { seq: event.seq, depth, event, beginsRun: beginsRun(event, timeline) };
        rows.set(event.seq, toRow({ ...base, beginsSubagent: beginsSubagent && event === first }));
      }
      const key = event.kind === "pre_tool" ? keyOf(event) : null;
      if (key === null || tree.begun.get(key) !== event) continue;
      const around = fold ?? (open.has(key) ? null : place);
      for (const inner of (tree.inside.get(key) ?? []).toReversed()) {
        waiting.push({ event: inner, depth: depth + 1, fold: around });
      }
    }
  }

  function toRow(base: RowBase): Row {
    const { event } = base;
    if (event.kind === "session_stop") {
      const usage = usages.get(event.run);
      return { ...base, kind: "event", ...(usage && { usage }) };
    }
    if (event.kind !== "pre_tool" && event.kind !== "post_tool") return { ...base, kind: "event" };
    const key = keyOf(event);
    const isBegin = key !== null && tree.begun.get(key) === event;
    const loaded = isBegin ? (tree.inside.get(key)?.length ?? 0) : 0;
    const subagent = isBegin && loaded > 0 ? { key, loaded, isOpen: open.has(key) } : null;
    const canRun =
      isRunning(session) && (event.run === null || event.run === session.run) && event.seq >= wholeFrom - 1;
    const own = isBegin || event.kind === "post_tool" ? key : null;
    return { ...base, kind: "call", call: toCall(event, own, tree, canRun), subagent };
  }

  const usages = new Map<number | null, EventOf<"usage">["usage"]>();
  for (const event of tree.events.values()) if (event.kind === "usage") usages.set(event.run, event.usage);
  const tops = topsOf(tree);
  for (let seq = folded + 1; seq <= timeline.head; seq += 1) {
    if (!timeline.events.has(seq)) {
      places[seq] = seqs.length;
      seqs.push(seq);
      continue;
    }
    const event = tree.events.get(seq);
    if (event === undefined) places[seq] = Math.max(0, seqs.length - 1);
    const top = event && tops.get(event);
    for (const member of top?.members ?? [])
      add(member, top?.depth ?? 0, top?.depth === 1 && member === event);
  }
  // For every end and denial of a call, also repeated ones, and ones that came before its beginning.
  for (const event of tree.events.values()) {
    const call = partOf(event, tree.begun);
    if (call) places[event.seq] = places[call.seq] ?? 0;
  }
  for (const [part, first] of tree.joined) places[part] = places[first] ?? 0;
  return { seqs, rows, places };
}

/** Return the place of the row that shows a seq. */
export function placeOf({ seqs, places }: Arrangement, seq: number): number {
  return seq < places.length ? (places[Math.max(0, seq)] ?? 0) : Math.max(0, seqs.length - 1);
}

interface Top {
  readonly depth: number;
  readonly members: readonly SessionEvent[];
}

/** Return the rows at the seq of an event: the event, or all events of a subagent whose call is not loaded. */
function topsOf(tree: CallTree): ReadonlyMap<SessionEvent, Top> {
  const tops = new Map<SessionEvent, Top>();
  const owned = new Set<SessionEvent>();
  for (const [key, members] of tree.inside) {
    for (const member of members) owned.add(member);
    const first = members[0];
    if (!tree.begun.has(key) && first) tops.set(first, { depth: 1, members });
  }
  for (const event of tree.events.values()) {
    if (!owned.has(event) && !partOf(event, tree.begun)) tops.set(event, { depth: 0, members: [event] });
  }
  return tops;
}

function toCall(
  event: EventOf<"pre_tool"> | EventOf<"post_tool">,
  key: string | null,
  tree: CallTree,
  canRun: boolean,
): Call {
  const begun = event.kind === "pre_tool" ? event : null;
  const ended = event.kind === "post_tool" ? event : (key && tree.ended.get(key)) || null;
  const denial = (key && tree.denied.get(key)) || null;
  const seconds = begun && ended ? (Date.parse(ended.at) - Date.parse(begun.at)) / 1000 : null;
  return { toolName: event.tool_name, begun, ended, denial, seconds, outcome: outcomeOf() };

  function outcomeOf(): Outcome {
    if (denial) return "denied";
    if (ended) return ended.error === null ? "ok" : "failed";
    return canRun ? "running" : "unknown";
  }
}

/** Return the first seq from which all events are loaded. */
function loadedToEndFrom(timeline: Timeline): number {
  let from = timeline.head + 1;
  while (timeline.events.has(from - 1)) from -= 1;
  return from;
}

function beginsRun(event: SessionEvent, timeline: Timeline): number | null {
  if (event.run === null || event.late) return null;
  if (event.seq === 1) return event.run;
  const before = timeline.events.get(event.seq - 1);
  return before && before.run !== event.run && !before.late ? event.run : null;
}
