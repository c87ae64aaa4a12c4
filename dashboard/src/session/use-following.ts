import { useRef, useState } from "react";
import type { Target } from "./use-place";

interface Following {
  readonly isFollowing: boolean;
  /** Events that came since the end was left. */
  readonly fresh: number;
  leaveEnd(): void;
  /** Note that the reader has touched, turned or pressed something. */
  noteTouch(event: { readonly timeStamp: number }): void;
  noteScroll(element: HTMLElement, at: number): void;
}

/** Nearer to the end than this counts as being there. */
export const END_PX = 60;
/** A scroll within this time of a touch, turn or key is the reader's. */
const TOUCH_MS = 800;

/** Whether the end is followed: until the reader scrolls up or jumps, and again once they are back. */
export function useFollowing(head: number, target: Target | null, endJumps: number): Following {
  const [isFollowing, setFollowing] = useState(target === null);
  const [headAtLeaving, setHeadAtLeaving] = useState(head);
  const [lastJump, setLastJump] = useState({ target, endJumps });
  const before = useRef({ top: 0, height: 0 });
  const touchedAt = useRef(Number.NEGATIVE_INFINITY);

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
      touchedAt.current = event.timeStamp;
    },
    noteScroll({ scrollTop, scrollHeight, clientHeight }, at) {
      const distance = scrollHeight - scrollTop - clientHeight;
      const goesUp = scrollTop < before.current.top;
      // Rows that turn out lower than estimated pull the page up as well; that is nobody's wish.
      const isReflow = scrollHeight !== before.current.height && at - touchedAt.current > TOUCH_MS;
      before.current = { top: scrollTop, height: scrollHeight };
      if (distance <= END_PX && !goesUp) setFollowing(true);
      else if (distance > END_PX && goesUp && !isReflow) leaveEnd();
    },
  };
}
