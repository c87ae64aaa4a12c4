/** Assigns loaded events to tool calls by their ids; the order of arrival does not matter.
 *
 * The end and the denial of a call are part of its row. The events of a subagent are inside the call that started it.
 * Ids are unique only within a run, so a key contains both. A cycle of calls is cut at its first call.
 */

import type { EventOf, SessionEvent } from "../wire";

export interface CallTree {
  /** The loaded events that are shown, in order of seq; model requests count only in the sums. */
  readonly events: ReadonlyMap<number, SessionEvent>;
  /** The seq of each later part of a message, with the seq of the first part. */
  readonly joined: ReadonlyMap<number, number>;
  readonly begun: ReadonlyMap<string, EventOf<"pre_tool">>;
  readonly ended: ReadonlyMap<string, EventOf<"post_tool">>;
  readonly denied: ReadonlyMap<string, EventOf<"permission_denied">>;
  /** The events inside each call by seq, also if the call itself is not loaded. */
  readonly inside: ReadonlyMap<string, readonly SessionEvent[]>;
}

export type CallEvent = EventOf<"pre_tool" | "post_tool" | "permission_denied">;

/** Return the key of the call that an event begins, ends or denies. */
export function keyOf(event: CallEvent): string | null {
  return event.tool_use_id === null ? null : key(event, event.tool_use_id);
}

export function isOfCall(event: SessionEvent): event is CallEvent {
  return event.kind === "pre_tool" || event.kind === "post_tool" || event.kind === "permission_denied";
}

export function callTree(loaded: Iterable<SessionEvent>): CallTree {
  const { events, joined } = joinParts([...loaded].sort((a, b) => a.seq - b.seq));
  const begun = new Map<string, EventOf<"pre_tool">>();
  const ended = new Map<string, EventOf<"post_tool">>();
  const denied = new Map<string, EventOf<"permission_denied">>();
  for (const event of events.values()) {
    const call = isOfCall(event) ? keyOf(event) : null;
    if (call === null) continue;
    if (event.kind === "pre_tool" && !begun.has(call)) begun.set(call, event);
    if (event.kind === "post_tool") ended.set(call, event);
    if (event.kind === "permission_denied") denied.set(call, event);
  }
  const cuts = cutCircles(events.values(), begun);
  const inside = new Map<string, SessionEvent[]>();
  for (const event of events.values()) {
    const parent = parentKey(event);
    if (parent === null || cuts.has(event) || partOf(event, begun)) continue;
    const members = inside.get(parent);
    if (members) members.push(event);
    else inside.set(parent, [event]);
  }
  return { events, joined, begun, ended, denied, inside };
}

/** Join the parts of each message into its first loaded part, up to the first gap. */
function joinParts(
  loaded: readonly SessionEvent[],
): Pick<CallTree, "joined"> & { events: Map<number, SessionEvent> } {
  const firsts = new Map<string, number>();
  const events = new Map<number, SessionEvent>();
  const joined = new Map<number, number>();
  let last = 0;
  for (const event of loaded) {
    if (event.seq !== last + 1) firsts.clear();
    last = event.seq;
    if (event.kind === "model_request") continue;
    const seq = event.message_id === null ? undefined : firsts.get(event.message_id);
    const first = seq === undefined ? undefined : events.get(seq);
    if (seq !== undefined && first?.kind === event.kind && "text" in first && "text" in event) {
      events.set(seq, { ...first, text: first.text + event.text } as SessionEvent);
      joined.set(event.seq, seq);
    } else {
      if (event.message_id !== null) firsts.set(event.message_id, event.seq);
      events.set(event.seq, event);
    }
  }
  return { events, joined };
}

/** Return the call in whose row an event is shown, if the event has no own row. */
export function partOf(event: SessionEvent, begun: CallTree["begun"]): EventOf<"pre_tool"> | undefined {
  if (event.kind !== "post_tool" && event.kind !== "permission_denied") return undefined;
  const call = keyOf(event);
  return call === null ? undefined : begun.get(call);
}

/** Return the calls around an event, outermost last; they must be open to show it. */
export function foldsAround(tree: CallTree, event: SessionEvent): readonly string[] {
  const folds = new Set<string>();
  let inner: SessionEvent | undefined = partOf(event, tree.begun) ?? event;
  while (inner !== undefined) {
    const parent = parentKey(inner);
    if (parent === null || folds.has(parent) || !tree.begun.has(parent)) break;
    folds.add(parent);
    inner = tree.begun.get(parent);
  }
  return [...folds];
}

export function parentKey(event: SessionEvent): string | null {
  return event.parent_tool_use_id === null ? null : key(event, event.parent_tool_use_id);
}

function key(event: SessionEvent, toolUseId: string): string {
  return `${event.run} ${toolUseId}`;
}

/** Find cycles of calls whose parents lead back to them; return the call at which each cycle is cut. */
function cutCircles(events: Iterable<SessionEvent>, begun: CallTree["begun"]): ReadonlySet<SessionEvent> {
  const cuts = new Set<SessionEvent>();
  const seen = new Set<SessionEvent>();
  for (const event of events) {
    const path = new Set<SessionEvent>();
    let inner: SessionEvent | undefined = event;
    while (inner !== undefined && !seen.has(inner)) {
      seen.add(inner);
      path.add(inner);
      const parent = parentKey(inner);
      inner = parent === null ? undefined : begun.get(parent);
    }
    if (inner !== undefined && path.has(inner)) cuts.add(inner);
  }
  return cuts;
}
