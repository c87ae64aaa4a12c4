import type { useVirtualizer } from "@tanstack/react-virtual";
import { useEffectEvent, useLayoutEffect, useRef } from "react";
import type { Arrangement } from "../../state/timeline/arranger";
import { distanceIn, eventIn, type Top } from "./line-layout";

/** The event to show. */
export interface Target {
  readonly seq: number;
  /** Distinguishes two jumps to the same event. */
  readonly jump: number;
  /** The scroll offset within its row, for a return to the place; null to center the row. */
  readonly offset: number | null;
}

export type Rows = ReturnType<typeof useVirtualizer<HTMLDivElement, Element>>;

const START: Top = { seq: 0, offset: 0 };

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
  /** Return the reader's place now; its seq is 0 before the first row is rendered. */
  top(): Top;
  leaveTarget(): void;
  /** Show this place instead of the target's center, unless the reader has moved since. */
  holdTarget(place: () => Top): void;
  /** Whether the reader has returned and not moved since; until then no scroll event comes from them. */
  isReturning(): boolean;
  /** Must be called at each scroll event, before the virtualizer handles it. */
  noteScroll(): void;
}

/** Keeps the reader's place while rows appear, disappear or are higher than estimated.
 *
 * The place is the end while it is followed, and the target after a jump until the reader moves. Otherwise it is the
 * row at the upper edge and the offset within it, or the row that this row was merged into. It is restored at every
 * rendering: the virtualizer compensates for a row that it measures, but not for rows above that get a new estimate
 * because their events were loaded, nor for a measurement between our scroll and its event.
 */
export function useScrollPosition(virtualizer: Rows, place: Place): ScrollPosition {
  const { arrangement, target, isTargetReady, isFollowing, endJumps } = place;
  const isAtTarget = useRef(false);
  const { lines } = arrangement;
  const lastLines = useRef(lines);
  const top = useRef(START);
  const restoredTo = useRef<number | null>(null);
  const held = useRef<Top | null>(null);

  /** Return the scroll offset of a place within an event, or of the start of the row that it was merged into. */
  function offsetOf(top: Top): number {
    const at = arrangement.placeOf(top.seq);
    return (virtualizer.measurementsCache[at]?.start ?? 0) + distanceIn(lines[at], top);
  }

  function scrollInto(top: Top): void {
    const { scrollElement } = virtualizer;
    if (scrollElement === null || top.seq === 0) return;
    const scrollTop = offsetOf(top);
    if (Math.abs(scrollElement.scrollTop - scrollTop) >= 1) scrollElement.scrollTop = scrollTop;
    restoredTo.current = scrollElement.scrollTop;
  }

  function scrollTo({ seq, offset }: Target): void {
    const at = arrangement.placeOf(seq);
    if (held.current !== null) scrollInto(held.current);
    else if (offset !== null) scrollInto({ seq, offset });
    else if (lines[at]?.kind !== "gap") virtualizer.scrollToIndex(at, { align: "center" });
    else virtualizer.scrollToOffset(offsetOf({ seq, offset: 0 }), { align: "center" });
  }

  function noteTop(): void {
    // The virtualizer's own offset is that of the last scroll event, and a jump may be in progress.
    const scrollTop = virtualizer.scrollElement?.scrollTop ?? 0;
    const row =
      virtualizer.getVirtualItems().find(({ start, end }) => start <= scrollTop && scrollTop < end) ??
      virtualizer.getVirtualItemForOffset(scrollTop);
    top.current = row ? eventIn(lines[row.index], scrollTop - row.start) : START;
    restoredTo.current = null;
  }

  const goToTarget = useEffectEvent(() => {
    if (target === null) return;
    isAtTarget.current = true;
    held.current = null;
    scrollTo(target);
  });

  const isReturning = () =>
    isAtTarget.current && target !== null && (target.offset !== null || held.current !== null);

  useLayoutEffect(() => {
    const isRearranged = lastLines.current !== lines;
    lastLines.current = lines;
    if (isFollowing) {
      if (isRearranged) virtualizer.scrollToEnd();
      noteTop();
    } else if (target !== null && isAtTarget.current) {
      if (isRearranged || isReturning()) scrollTo(target);
      noteTop();
    } else {
      scrollInto(top.current);
    }
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
    top: () => top.current,
    leaveTarget() {
      isAtTarget.current = false;
    },
    holdTarget(place) {
      if (!isAtTarget.current) return;
      held.current = place();
      scrollInto(held.current);
      noteTop();
    },
    isReturning,
    noteScroll() {
      if (virtualizer.scrollElement?.scrollTop !== restoredTo.current) noteTop();
    },
  };
}
