/** Turns the events of a page into rows.
 *
 * Every loaded event has a row, unless it is part of another one. The end of a call is part of the row of its beginning.
 * The events of a folded subagent are part of the call that started it. The parts of a message in one page are part of
 * its first part. Model requests have no row, nor has the usage of a run, which is part of the row of its end.
 * Rows are in the order of their seqs, except that the events of a subagent are together below its call, or at the first
 * of them if the call is not loaded.
 */

import { type EventOf, isRunning, type Session, type SessionEvent } from "../../wire";
import { keyOf, parentKey } from "../session/call-keys";
import { firstOf, type Page, pageOf } from "../session/events";
import type { CallGroup } from "./call-groups";
import type { CallIndex } from "./call-index";
import { type Gap, gapOf } from "./gaps";
import { eventIn, type Lane } from "./lane";

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

/** The loaded events of a page that are shown. */
export interface ShownPage {
  /** In the order of their seqs, with the gaps between them. */
  readonly events: ReadonlyMap<number, SessionEvent | Gap>;
  /** The seq of each later part of a message, with the seq of the first part. */
  readonly joined: ReadonlyMap<number, number>;
}

/** Join the parts of each message into its first loaded part, up to the first gap; leave out the first events, and those
 * outside the lane. */
export function shownPage(page: Page, after: number, lane: Lane | null): ShownPage {
  const events = new Map<number, SessionEvent | Gap>();
  const joined = new Map<number, number>();
  const firsts = new Map<string | null, number>();
  let next: number | null = null;
  for (const loaded of page) {
    if (loaded === undefined || loaded.seq <= after) continue;
    if (next !== null && loaded.seq !== next) {
      firsts.clear();
      const gap = gapOf(next, loaded.seq - 1, lane);
      if (gap) events.set(next, gap);
    }
    next = loaded.seq + 1;
    const event = lane ? eventIn(lane, loaded) : loaded;
    if (event === null || event.kind === "model_request") continue;
    const first = events.get(firsts.get(event.message_id) ?? 0);
    if (first?.kind === event.kind && "text" in first && "text" in event) {
      events.set(first.seq, { ...first, text: first.text + event.text } as SessionEvent);
      joined.set(event.seq, first.seq);
    } else {
      if (event.message_id !== null) firsts.set(event.message_id, event.seq);
      events.set(event.seq, event);
    }
  }
  return { events, joined };
}

/** What the rows of a page depend on, apart from its events and the calls. */
export interface Around {
  readonly index: CallIndex;
  readonly session: Pick<Session, "state" | "run">;
  /** The event before the page. */
  readonly before: SessionEvent | undefined;
  /** A call without an end still runs if it begins here or later. */
  readonly runningFrom: number;
  isOpen(call: string): boolean;
}

/** A row, or the events that are missing between two rows. */
export type Line = Row | Gap;

export function rowsOf(number: number, page: Page, shown: ShownPage, around: Around): readonly Line[] {
  const { index, session } = around;
  const rows: Line[] = [];

  function add(first: SessionEvent, depth: number, beginsSubagent = false): void {
    const waiting = [{ event: first, depth }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { event, depth } = next;
      if (event.kind === "usage") continue;
      const base = { seq: event.seq, depth, event, beginsRun: beginsRun(event) };
      rows.push(toRow({ ...base, beginsSubagent: beginsSubagent && event === first }));
      const key = index.callOf(event);
      if (key === null || !around.isOpen(key)) continue;
      for (const inner of index.inside(key).toReversed()) waiting.push({ event: inner, depth: depth + 1 });
    }
  }

  function toRow(base: RowBase): Row {
    const { event } = base;
    if (event.kind === "session_stop") {
      const usage = index.usage(event.run)?.usage;
      return { ...base, kind: "event", ...(usage && { usage }) };
    }
    if (event.kind !== "pre_tool" && event.kind !== "post_tool") return { ...base, kind: "event" };
    const key = index.callOf(event);
    const loaded = key === null ? 0 : index.inside(key).length;
    const subagent = key !== null && loaded > 0 ? { key, loaded, isOpen: around.isOpen(key) } : null;
    const canRun =
      isRunning(session) &&
      (event.run === null || event.run === session.run) &&
      event.seq >= around.runningFrom;
    const own = event.kind === "post_tool" ? keyOf(event) : key;
    return { ...base, kind: "call", call: toCall(event, own, index, canRun), subagent };
  }

  function beginsRun(event: SessionEvent): number | null {
    if (event.run === null || event.late || pageOf(event.seq) !== number) return null;
    if (event.seq === 1) return event.run;
    const before = event.seq === firstOf(number) ? around.before : page[event.seq - firstOf(number) - 1];
    return before && before.run !== event.run && !before.late ? event.run : null;
  }

  for (const event of shown.events.values()) {
    if (event.kind === "gap") {
      rows.push(event);
      continue;
    }
    const parent = parentKey(event);
    if (parent !== null && !index.begun(parent)) {
      if (index.firstInside(parent) !== event.seq) continue;
      for (const [place, member] of index.inside(parent).entries()) add(member, 1, place === 0);
    } else if (!index.partOf(event) && (parent === null || index.isCut(event))) add(event, 0);
  }
  return rows;
}

function toCall(
  event: EventOf<"pre_tool"> | EventOf<"post_tool">,
  key: string | null,
  index: CallIndex,
  canRun: boolean,
): Call {
  const begun = event.kind === "pre_tool" ? event : null;
  const ended = event.kind === "post_tool" ? event : (index.ended(key) ?? null);
  const denial = index.denied(key) ?? null;
  const seconds = begun && ended ? (Date.parse(ended.at) - Date.parse(begun.at)) / 1000 : null;
  return { toolName: event.tool_name, begun, ended, denial, seconds, outcome: outcomeOf() };

  function outcomeOf(): Outcome {
    if (denial) return "denied";
    if (ended) return ended.error === null ? "ok" : "failed";
    return canRun ? "running" : "unknown";
  }
}
