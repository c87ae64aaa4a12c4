import { useCallback, useLayoutEffect, useRef } from "react";

/** A callback that is the same at every drawing and does what the newest one does; for memoised parts. */
export function useStable<Arguments extends unknown[]>(
  callback: (...given: Arguments) => void,
): (...given: Arguments) => void {
  const newest = useRef(callback);
  useLayoutEffect(() => {
    newest.current = callback;
  });
  return useCallback((...given) => newest.current(...given), []);
}
