import type { useVirtualizer } from "@tanstack/react-virtual";
import { useEffectEvent, useLayoutEffect, useRef } from "react";
import { type Arrangement, placeOf } from "../../state/rows";

/** The event to show. */
export interface Target {
  readonly seq: number;
  /** Distinguishes two jumps to the same event. */
  readonly jump: number;
  /** The scroll offset within its row, for a return to the place; null to center the row. */
  readonly offset: number | null;
}

export type Rows = ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>;

interface Place {
  readonly arrangement: Arrangement;
  readonly target: Target | null;
  /** Whether the target is loaded and no fold hides it. */
  readonly isTargetReady: boolean;
  readonly isFollowing: boolean;
  /** Number of jumps to the end. */
  readonly endJumps: number;
}

interface ScrollPosition {
  leaveTarget(): void;
  /** Whether the reader has returned and not moved since; until then no scroll event comes from them. */
  isReturning(): boolean;
}

/** Keeps the reader's place while rows appear, disappear or are higher than estimated.
 *
 * The place is the end while it is followed, and the target after a jump until the reader moves. Otherwise it is the
 * row at the upper edge, or the row that this row was merged into.
 */
export function useScrollPosition(virtualizer: Rows, place: Place): ScrollPosition {
  const { arrangement, target, isTargetReady, isFollowing, endJumps } = place;
  const isAtTarget = useRef(false);
  const { seqs } = arrangement;
  const top = useRef({ seqs, seq: 0 });

  function scrollTo({ seq, offset }: Target): void {
    const at = placeOf(arrangement, seq);
    if (offset === null) virtualizer.scrollToIndex(at, { align: "center" });
    else if (virtualizer.scrollElement) {
      virtualizer.scrollElement.scrollTop = (virtualizer.measurementsCache[at]?.start ?? 0) + offset;
    }
  }

  const goToTarget = useEffectEvent(() => {
    if (target === null) return;
    isAtTarget.current = true;
    scrollTo(target);
  });

  const isReturning = () => isAtTarget.current && target !== null && target.offset !== null;

  useLayoutEffect(() => {
    const before = top.current;
    if (target !== null && isReturning()) {
      scrollTo(target); // at every rendering: rows above may be higher than estimated
    } else if (before.seqs !== seqs) {
      const at = placeOf(arrangement, before.seq);
      if (isFollowing) virtualizer.scrollToEnd();
      else if (target !== null && isAtTarget.current) scrollTo(target);
      else if (before.seq > 0 && seqs[at] !== before.seq) virtualizer.scrollToIndex(at, { align: "start" });
    }
    // The virtualizer's own offset is that of the last scroll event, and a jump may be in progress.
    const visible = virtualizer.getVirtualItemForOffset(virtualizer.scrollElement?.scrollTop ?? 0);
    top.current = { seqs, seq: visible ? (seqs[visible.index] ?? 0) : 0 };
  });

  const reached = useRef<Target | null>(null);
  useLayoutEffect(() => {
    if (target === null || reached.current === target) return;
    if (isTargetReady) reached.current = target;
    goToTarget();
  }, [target, isTargetReady]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: only when the reader jumps to the end
  useLayoutEffect(() => {
    if (target === null) virtualizer.scrollToEnd();
  }, [endJumps]);

  return {
    leaveTarget() {
      isAtTarget.current = false;
    },
    isReturning,
  };
}
