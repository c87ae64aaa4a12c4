import { useSyncExternalStore } from "react";
import type { Session } from "../wire";

let sought: Session | null = null;
const watchers = new Set<() => void>();

/** Ask which session to open beside a session; null ends that. */
export function seekBeside(session: Session | null): void {
  sought = session;
  for (const watcher of watchers) watcher();
}

/** Return the session beside which another one is being chosen. */
export function useSoughtBeside(): Session | null {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => sought,
  );
}
