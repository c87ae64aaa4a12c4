import type { useVirtualizer } from "@tanstack/react-virtual";
import { useEffectEvent, useLayoutEffect, useRef } from "react";
import { type Arrangement, placeOf } from "../state/rows";

/** The event to be shown. */
export interface Target {
  readonly seq: number;
  /** Tells two jumps to the same event apart. */
  readonly jump: number;
  /** How far its row is scrolled out above, where the reader comes back to it; null where it is to stand in the middle. */
  readonly offset: number | null;
}

export type Rows = ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>;

interface Place {
  readonly arrangement: Arrangement;
  readonly target: Target | null;
  /** Whether the target is loaded and no fold hides it. */
  readonly isTargetReady: boolean;
  readonly isFollowing: boolean;
  /** Rises when the reader asks for the end. */
  readonly endJumps: number;
}

interface PlaceActs {
  leaveTarget(): void;
  /** Whether the reader came back and has not moved since; no scrolling is theirs then. */
  isReturning(): boolean;
}

/** Keeps the reader's place while rows come, go and turn out higher than estimated.
 *
 * That is the end while it is followed, the target after a jump until the reader moves, and otherwise the row at
 * the upper edge; where that has become part of another row, the other one.
 */
export function usePlace(virtualizer: Rows, place: Place): PlaceActs {
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
      scrollTo(target); // at every drawing: rows above turn out higher than estimated
    } else if (before.seqs !== seqs) {
      const at = placeOf(arrangement, before.seq);
      if (isFollowing) virtualizer.scrollToEnd();
      else if (target !== null && isAtTarget.current) scrollTo(target);
      else if (before.seq > 0 && seqs[at] !== before.seq) virtualizer.scrollToIndex(at, { align: "start" });
    }
    // Not the virtualizer's own offset: that is of the last scroll event, and a jump may be under way.
    const visible = virtualizer.getVirtualItemForOffset(virtualizer.scrollElement?.scrollTop ?? 0);
    top.current = { seqs, seq: visible ? (seqs[visible.index] ?? 0) : 0 };
  });

  const reached = useRef<Target | null>(null);
  useLayoutEffect(() => {
    if (target === null || reached.current === target) return;
    if (isTargetReady) reached.current = target;
    goToTarget();
  }, [target, isTargetReady]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: only when the reader asks for the end
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
