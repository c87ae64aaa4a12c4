/** Converts the frames of both feeds to values; frames of unknown kinds are ignored. */

import { parseEvent, type Session, type SessionEvent, type WireEvent } from "../wire";
import type { Frame } from "./frames";

export type ListChange =
  | { readonly kind: "changed"; readonly position: number; readonly session: Session }
  | { readonly kind: "deleted"; readonly position: number; readonly sessionId: string };

export type FollowedChange =
  | { readonly kind: "event"; readonly event: SessionEvent }
  | { readonly kind: "session"; readonly session: Session }
  | { readonly kind: "deleted" };

/** Return the number of a cursor, whose form is `GENERATION:NUMBER`. */
export function positionOf(cursor: string | null): number {
  const number = Number(cursor?.slice(cursor.lastIndexOf(":") + 1));
  return Number.isSafeInteger(number) ? number : 0;
}

export function toListChanges(frames: readonly Frame[]): readonly ListChange[] {
  return frames.flatMap((frame): ListChange[] => {
    const position = positionOf(frame.cursor);
    switch (frame.event) {
      case "session_created":
      case "session_updated":
        return [{ kind: "changed", position, session: read<{ session: Session }>(frame).session }];
      case "session_deleted":
        return [{ kind: "deleted", position, sessionId: read<{ session_id: string }>(frame).session_id }];
      default:
        return [];
    }
  });
}

export function toFollowedChanges(frames: readonly Frame[]): readonly FollowedChange[] {
  return frames.flatMap((frame): FollowedChange[] => {
    switch (frame.event) {
      case "event":
        return [{ kind: "event", event: parseEvent(read<WireEvent>(frame)) }];
      case "session":
      case "end":
        return [{ kind: "session", session: read<{ session: Session }>(frame).session }];
      case "deleted":
        return [{ kind: "deleted" }];
      default:
        return [];
    }
  });
}

function read<Body>(frame: Frame): Body {
  return JSON.parse(frame.body) as Body;
}
