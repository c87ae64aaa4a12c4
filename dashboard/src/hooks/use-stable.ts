import { useCallback, useLayoutEffect, useRef } from "react";

/** Return a callback with a stable identity that calls the newest one; for memoised components. */
export function useStable<Arguments extends unknown[]>(
  callback: (...given: Arguments) => void,
): (...given: Arguments) => void {
  const newest = useRef(callback);
  useLayoutEffect(() => {
    newest.current = callback;
  });
  return useCallback((...given) => newest.current(...given), []);
}
