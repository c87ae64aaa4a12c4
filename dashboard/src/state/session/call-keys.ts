/** The keys of tool calls. The ids of calls are unique only within a run, so a key contains both. */

import type { EventOf, SessionEvent } from "../../wire";

export type CallEvent = EventOf<"pre_tool" | "post_tool" | "permission_denied">;

export function isOfCall(event: SessionEvent): event is CallEvent {
  return event.kind === "pre_tool" || event.kind === "post_tool" || event.kind === "permission_denied";
}

/** Return the key of the call that an event begins, ends or denies. */
export function keyOf(event: CallEvent): string | null {
  return event.tool_use_id === null ? null : key(event, event.tool_use_id);
}

/** Return the key of the call around an event of a subagent. */
export function parentKey(event: SessionEvent): string | null {
  return event.parent_tool_use_id === null ? null : key(event, event.parent_tool_use_id);
}

function key(event: SessionEvent, toolUseId: string): string {
  return `${event.run} ${toolUseId}`;
}
