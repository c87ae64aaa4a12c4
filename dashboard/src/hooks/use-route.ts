import { useMemo, useSyncExternalStore } from "react";
import { parseRoute, type Route } from "../text/route";

function watch(watcher: () => void): () => void {
  window.addEventListener("hashchange", watcher);
  return () => window.removeEventListener("hashchange", watcher);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(watch, () => window.location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

export function goTo(link: string): void {
  window.location.hash = link;
}

/** Change the address without a new step in the browser's history, for example while the reader types. */
export function replaceRoute(link: string): void {
  window.history.replaceState(window.history.state, "", link);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
