import { type RefObject, useLayoutEffect, useRef } from "react";
import { type ListPlace, rowAt } from "../../state/lists/place";

interface ReturnOptions {
  readonly scroller: RefObject<HTMLElement | null>;
  readonly rowHeight: number;
  readonly ids: readonly string[];
  /** Whether all open children are loaded. */
  readonly isWhole: boolean;
  readonly hasMore: boolean;
  loadMore(): void;
}

/** Scroll a list to the place at which it was left, as soon as its rows are loaded; return a function to cancel. */
export function useReturn(left: ListPlace | null, options: ReturnOptions): () => void {
  const { scroller, rowHeight, ids, isWhole, hasMore, loadMore } = options;
  const sought = useRef(left);

  useLayoutEffect(() => {
    if (sought.current === null || scroller.current === null || !isWhole) return;
    const row = rowAt(sought.current, ids, hasMore);
    if (row === null) {
      loadMore();
      return;
    }
    scroller.current.scrollTop = row * rowHeight + sought.current.offset;
    sought.current = null;
  });

  return () => {
    sought.current = null;
  };
}

/** Return the current place of a list; null at its start. */
export function listPlace(element: HTMLElement, ids: readonly string[], rowHeight: number): ListPlace | null {
  const { scrollTop, clientHeight } = element;
  if (scrollTop === 0) return null;
  const row = Math.floor(scrollTop / rowHeight);
  const below = Math.ceil(clientHeight / rowHeight);
  return { row, ids: ids.slice(row, row + below), offset: scrollTop - row * rowHeight };
}
