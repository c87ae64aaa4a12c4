import { useEffect, useReducer } from "react";
import { isPassing } from "../api/errors";
import { getOutline } from "../api/routes";
import { addOutlinePage, emptyOutline, type Outline } from "../state/session/outline";
import type { OutlinePage } from "../wire";

interface Known {
  readonly of: string;
  readonly outline: Outline;
}

interface Found {
  readonly of: string;
  readonly after: number;
  readonly page: OutlinePage;
}

/** While a session is written, its outline follows at this distance. */
const AGAIN_MS = 700;
const AFTER_FAILURE_MS = 4000;

/** The outline of a session, loaded page by page, and followed while events arrive. */
export function useOutline(sessionId: string, generation: string, head: number): Outline {
  const of = `${sessionId} ${generation}`;
  const [known, add] = useReducer(
    (before: Known, found: Found): Known => {
      const outline = before.of === found.of ? before.outline : emptyOutline;
      return { of: found.of, outline: addOutlinePage(outline, found.after, found.page) };
    },
    { of, outline: emptyOutline },
  );
  const outline = known.of === of ? known.outline : emptyOutline;
  const after = outline.through;
  const isBehind = after < head;

  // biome-ignore lint/correctness/useExhaustiveDependencies: each new event would put the next page off
  useEffect(() => {
    if (!isBehind) return;
    const reading = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = () =>
      getOutline(sessionId, after, reading.signal).then(
        (page) => add({ of, after, page }),
        (error: unknown) => {
          if (isPassing(error) && !reading.signal.aborted) timer = setTimeout(read, AFTER_FAILURE_MS);
        },
      );
    timer = setTimeout(read, after === 0 || head - after > 1000 ? 0 : AGAIN_MS);
    return () => {
      clearTimeout(timer);
      reading.abort();
    };
  }, [sessionId, of, after, isBehind]);
  return outline;
}
