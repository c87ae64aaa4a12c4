/** One subagent alone: its events and those of the subagents inside it, arranged as if they were a session. */

import type { SessionEvent } from "../../wire";
import { parentKey } from "../session/call-keys";
import type { Outline, Passing } from "../session/outline";
import { placeIn } from "../session/sorted";

/** It passes the events that the outline names. */
export interface Lane extends Passing {
  /** The key of the call that started the subagent. */
  readonly key: string;
  /** The events that the outline names, also those that are not loaded. */
  readonly seqs: ReadonlySet<number>;
  /** The keys of the calls that started it and the subagents inside it. */
  readonly keys: ReadonlySet<string>;
}

/** Return the lane of the subagent that a call has started; null if the outline has no event of it. */
export function laneOf({ lanes }: Outline, callSeq: number): Lane | null {
  const seqs = new Set<number>();
  const keys = new Set<string>();
  let key: string | null = null;
  const byCall = new Map<number | null, Outline["lanes"][number][]>();
  for (const lane of lanes) {
    const known = byCall.get(lane.call_seq);
    if (known) known.push(lane);
    else byCall.set(lane.call_seq, [lane]);
  }
  const calls = [callSeq];
  for (let call = calls.pop(); call !== undefined; call = calls.pop()) {
    for (const lane of byCall.get(call) ?? []) {
      const laneKey = `${lane.run} ${lane.tool_use_id}`;
      key ??= laneKey;
      keys.add(laneKey);
      for (const seq of lane.seqs) {
        if (!seqs.has(seq)) calls.push(seq);
        seqs.add(seq);
      }
    }
  }
  if (key === null) return null;
  const sorted = [...seqs].sort((a, b) => a - b);
  return {
    key,
    seqs,
    keys,
    has: (seq) => seqs.has(seq),
    within: (first, last) => sorted.slice(placeIn(sorted, first), placeIn(sorted, last + 1)),
  };
}

/** Return the outline of a lane: its entries, messages and calls. */
export function outlineOf(outline: Outline, { seqs }: Lane): Outline {
  const isInside = (seq: number) => seqs.has(seq);
  return {
    ...outline,
    entries: outline.entries.filter(({ seq, call_seq }) => isInside(call_seq ?? seq)),
    messages: outline.messages.filter(isInside),
    calls: outline.calls.filter(isInside),
  };
}

/** Return an event as the lane shows it; null for an event outside. Those of its subagent itself are at the top. */
export function eventIn(lane: Lane, event: SessionEvent): SessionEvent | null {
  const parent = parentKey(event);
  if (parent === lane.key) return atTop(event);
  return parent !== null && lane.keys.has(parent) ? event : null;
}

const tops = new WeakMap<SessionEvent, SessionEvent>();

/** Return the same object each time, so that its row is not rendered again. */
function atTop(event: SessionEvent): SessionEvent {
  const top = tops.get(event) ?? { ...event, parent_tool_use_id: null };
  tops.set(event, top);
  return top;
}
