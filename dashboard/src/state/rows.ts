/** From events to the rows of a timeline.
 *
 * Every seq has a row, also while its event is not loaded, except what is part of another row: the end
 * of a call belongs to its beginning, what a folded subagent did to the call that started it, and the
 * parts of a message to the first of them.
 */

import type { EventOf, Session, SessionEvent } from "../wire";
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
  readonly toolUseId: string;
  /** Events of it that are loaded. */
  readonly loaded: number;
  readonly isOpen: boolean;
}

interface RowBase {
  readonly seq: number;
  readonly depth: number;
  readonly event: SessionEvent;
  /** The run that begins with this event, if one does. */
  readonly beginsRun: number | null;
}

export type Row = RowBase &
  (
    | { readonly kind: "call"; readonly call: Call; readonly subagent: Subagent | null }
    | { readonly kind: "event" }
  );

export interface Arrangement {
  /** The seqs that have a row, rising. */
  readonly seqs: readonly number[];
  /** The rows of those that are loaded. */
  readonly rows: ReadonlyMap<number, Row>;
}

export function arrange(timeline: Timeline, state: Session["state"], open: ReadonlySet<string>): Arrangement {
  const loaded = [...timeline.events.values()].sort((a, b) => a.seq - b.seq);
  const { events, parts } = joinParts(loaded);
  const index = indexCalls(events);
  const rows = new Map<number, Row>();
  const inside = new Set<number>(parts);
  for (const event of events) {
    const owner = index.ownerOf(event);
    if (owner !== null && owner !== event.seq) {
      inside.add(event.seq);
      continue;
    }
    if (event.kind === "model_request" || isFolded(event, index, open)) {
      inside.add(event.seq);
      continue;
    }
    rows.set(event.seq, toRow(event, index, timeline, state, open));
  }
  const seqs: number[] = [];
  for (let seq = 1; seq <= timeline.head; seq += 1) if (!inside.has(seq)) seqs.push(seq);
  return { seqs, rows };
}

/** Join the parts of each message into its first part that is loaded without a gap behind it. */
function joinParts(loaded: readonly SessionEvent[]) {
  const firsts = new Map<string, number>();
  const events: SessionEvent[] = [];
  const parts: number[] = [];
  let last = 0;
  for (const event of loaded) {
    if (event.seq !== last + 1) firsts.clear();
    last = event.seq;
    const place = event.message_id === null ? undefined : firsts.get(event.message_id);
    const first = place === undefined ? undefined : events[place];
    if (place !== undefined && first?.kind === event.kind && "text" in first && "text" in event) {
      events[place] = { ...first, text: first.text + event.text } as SessionEvent;
      parts.push(event.seq);
    } else {
      if (event.message_id !== null) firsts.set(event.message_id, events.length);
      events.push(event);
    }
  }
  return { events, parts };
}

/** The place of the row that shows a seq: its own, or that of the last row before it. */
export function placeOf(seqs: readonly number[], seq: number): number {
  let low = 0;
  let high = seqs.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((seqs[middle] ?? 0) <= seq) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** The folds around an event, outermost last; open them to see it. */
export function foldsAround(timeline: Timeline, seq: number): readonly string[] {
  const begun = new Map<string, SessionEvent>();
  for (const event of timeline.events.values()) {
    if (event.kind === "pre_tool" && event.tool_use_id) begun.set(event.tool_use_id, event);
  }
  const folds: string[] = [];
  let around = timeline.events.get(seq)?.parent_tool_use_id ?? null;
  while (around !== null && !folds.includes(around)) {
    folds.push(around);
    around = begun.get(around)?.parent_tool_use_id ?? null;
  }
  return folds;
}

interface CallIndex {
  readonly begun: ReadonlyMap<string, EventOf<"pre_tool">>;
  readonly ended: ReadonlyMap<string, EventOf<"post_tool">>;
  readonly denied: ReadonlyMap<string, EventOf<"permission_denied">>;
  readonly children: ReadonlyMap<string, number>;
  /** The seq of the row that an event is part of, if it is part of a call. */
  ownerOf(event: SessionEvent): number | null;
}

function indexCalls(events: readonly SessionEvent[]): CallIndex {
  const begun = new Map<string, EventOf<"pre_tool">>();
  const ended = new Map<string, EventOf<"post_tool">>();
  const denied = new Map<string, EventOf<"permission_denied">>();
  const children = new Map<string, number>();
  for (const event of events) {
    const parent = event.parent_tool_use_id;
    if (parent !== null && event.kind !== "model_request")
      children.set(parent, (children.get(parent) ?? 0) + 1);
    if (event.kind === "pre_tool" && event.tool_use_id) begun.set(event.tool_use_id, event);
    if (event.kind === "post_tool" && event.tool_use_id) ended.set(event.tool_use_id, event);
    if (event.kind === "permission_denied" && event.tool_use_id) denied.set(event.tool_use_id, event);
  }
  return {
    begun,
    ended,
    denied,
    children,
    ownerOf(event) {
      if (event.kind !== "post_tool" && event.kind !== "permission_denied") return null;
      return (event.tool_use_id && begun.get(event.tool_use_id)?.seq) || null;
    },
  };
}

/** Whether a fold around the event is closed. One whose call is not loaded cannot be opened: it is not. */
function isFolded(event: SessionEvent, index: CallIndex, open: ReadonlySet<string>): boolean {
  for (const around of callsAround(event, index)) if (!open.has(around)) return true;
  return false;
}

function callsAround(event: SessionEvent, index: CallIndex): readonly string[] {
  const around: string[] = [];
  let parent = event.parent_tool_use_id;
  while (parent !== null && index.begun.has(parent) && !around.includes(parent)) {
    around.push(parent);
    parent = index.begun.get(parent)?.parent_tool_use_id ?? null;
  }
  return around;
}

function toRow(
  event: SessionEvent,
  index: CallIndex,
  timeline: Timeline,
  state: Session["state"],
  open: ReadonlySet<string>,
): Row {
  const known = callsAround(event, index).length;
  const depth = known === 0 && event.parent_tool_use_id !== null ? 1 : known;
  const base: RowBase = { seq: event.seq, depth, event, beginsRun: beginsRun(event, timeline) };
  if (event.kind !== "pre_tool" && event.kind !== "post_tool") return { ...base, kind: "event" };
  const id = event.tool_use_id;
  const loaded = id === null ? 0 : (index.children.get(id) ?? 0);
  const subagent = id !== null && loaded > 0 ? { toolUseId: id, loaded, isOpen: open.has(id) } : null;
  return { ...base, kind: "call", call: toCall(event, index, timeline, state), subagent };
}

function toCall(
  event: EventOf<"pre_tool"> | EventOf<"post_tool">,
  index: CallIndex,
  timeline: Timeline,
  state: Session["state"],
): Call {
  const id = event.tool_use_id;
  const begun = event.kind === "pre_tool" ? event : null;
  const ended = event.kind === "post_tool" ? event : (id && index.ended.get(id)) || null;
  const denial = (id && index.denied.get(id)) || null;
  const seconds =
    begun && ended ? (Date.parse(ended.recorded_at) - Date.parse(begun.recorded_at)) / 1000 : null;
  return { toolName: event.tool_name, begun, ended, denial, seconds, outcome: outcomeOf() };

  function outcomeOf(): Outcome {
    if (denial) return "denied";
    if (ended) return ended.error === null ? "ok" : "failed";
    return state === "running" && isLoadedToEnd(timeline, event.seq) ? "running" : "unknown";
  }
}

/** Whether nothing is missing after a seq; what is near the end is looked through, the rest is not. */
function isLoadedToEnd(timeline: Timeline, seq: number): boolean {
  if (timeline.head - seq > timeline.events.size) return false;
  for (let later = seq + 1; later <= timeline.head; later += 1) {
    if (!timeline.events.has(later)) return false;
  }
  return true;
}

function beginsRun(event: SessionEvent, timeline: Timeline): number | null {
  if (event.run === null || event.late) return null;
  if (event.seq === 1) return event.run;
  const before = timeline.events.get(event.seq - 1);
  return before && before.run !== event.run && !before.late ? event.run : null;
}
