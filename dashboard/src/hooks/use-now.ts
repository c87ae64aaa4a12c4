import { useSyncExternalStore } from "react";

/** One shared clock: all rows of a list tick together, and the timer runs only while a component uses it. */

const TICK_MS = 1000;
const watchers = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(tick, TICK_MS);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function tick(): void {
  now = Date.now();
  for (const watcher of watchers) watcher();
}

function current(): number {
  if (timer === undefined) now = Date.now();
  return now;
}

/** Return the time in milliseconds, updated each second. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => Math.floor(current() / TICK_MS) * TICK_MS);
}
