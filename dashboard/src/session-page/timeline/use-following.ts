import { useRef, useState } from "react";
import type { Target } from "./use-scroll-position";

interface Following {
  readonly isFollowing: boolean;
  /** Number of events received since the end was left. */
  readonly fresh: number;
  leaveEnd(): void;
  /** Note a touch, a wheel turn or a key press of the reader. */
  noteTouch(event: { readonly timeStamp: number }): void;
  noteScroll(element: HTMLElement, at: number): void;
}

/** Within this distance, the list counts as at its end. */
export const END_PX = 60;
/** After a touch, wheel turn or key press, the next scroll comes from the reader, and so do those within this time. */
const TOUCH_MS = 800;

/** Decide whether to follow the end: until the reader scrolls up or jumps, and again when they return. */
export function useFollowing(head: number, target: Target | null, endJumps: number): Following {
  const [isFollowing, setFollowing] = useState(target === null);
  const [headAtLeaving, setHeadAtLeaving] = useState(head);
  const [lastJump, setLastJump] = useState({ target, endJumps });
  const before = useRef({ top: 0, height: 0 });
  const touch = useRef({ at: Number.NEGATIVE_INFINITY, isNew: false });

  if (lastJump.target !== target || lastJump.endJumps !== endJumps) {
    setLastJump({ target, endJumps });
    setFollowing(target === null);
    setHeadAtLeaving(head);
  }

  function leaveEnd(): void {
    if (!isFollowing) return;
    setFollowing(false);
    setHeadAtLeaving(head);
  }

  return {
    isFollowing,
    fresh: isFollowing ? 0 : head - headAtLeaving,
    leaveEnd,
    noteTouch(event) {
      touch.current = { at: event.timeStamp, isNew: true };
    },
    noteScroll({ scrollTop, scrollHeight, clientHeight }, at) {
      const distance = scrollHeight - scrollTop - clientHeight;
      const goesUp = scrollTop < before.current.top;
      // Rows lower than estimated also move the page up; that does not come from the reader.
      const isFromReader = touch.current.isNew || at - touch.current.at <= TOUCH_MS;
      const isReflow = scrollHeight !== before.current.height && !isFromReader;
      touch.current.isNew = false;
      before.current = { top: scrollTop, height: scrollHeight };
      if (distance <= END_PX && !goesUp) setFollowing(true);
      else if (distance > END_PX && goesUp && !isReflow) leaveEnd();
    },
  };
}
